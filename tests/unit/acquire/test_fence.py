"""What a data set names is opened inside its folder, or the folders the user allows, and nowhere else."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import artefacts
from stages.core.errors import DataError
from stages.parts.sources import _layout
from tests import sources

Layout = tuple[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    sources.put(tmp_path / "secret" / "x.png", sources.picture(99))


def _coco(root: Path, name: str) -> Layout:
    layout = sources.coco(root)
    book = json.loads((root / "instances.json").read_text(encoding="utf-8"))
    book["images"][0]["file_name"] = name
    sources.put(root / "instances.json", json.dumps(book))
    return layout[0], {**layout[1], "metadata": None}


def _csv(root: Path, name: str) -> Layout:
    layout = sources.csv(root)
    table = (root / "pictures.csv").read_text(encoding="utf-8").replace("p/0.png", f'"{name}"')
    sources.put(root / "pictures.csv", table)
    return layout


def _masks(root: Path, name: str) -> Layout:
    kind, part = sources.csv(root)
    lines = (root / "pictures.csv").read_text(encoding="utf-8").splitlines()
    rows = [f"{line},{'' if number else name}" for number, line in enumerate(lines[1:])]
    sources.put(root / "pictures.csv", "\n".join([f"{lines[0]},mask", *rows]) + "\n")
    return kind, {**part, "mask_column": "mask", "mask_classes": ["ground", "thing"]}


def _raw(root: Path, name: str) -> Layout:
    layout = sources.raw(root)
    table = (root / "manifest.csv").read_text(encoding="utf-8").replace("f0.dng", f'"{name}"')
    sources.put(root / "manifest.csv", table)
    return layout


def _yolo(root: Path, name: str) -> Layout:
    layout = sources.yolo(root)
    sources.put(root / "train.txt", f"{name}\nimages/train/p1.png\nimages/train/p2.png\n")
    sources.put(root / "data.yaml", "train: train.txt\nval: images/val\nnames: [cat, dog]\n")
    return layout


TABLES: dict[str, Callable[[Path, str], Layout]] = {
    "coco": _coco, "csv": _csv, "masks": _masks, "raw": _raw, "yolo": _yolo,
}  # fmt: skip
OUTSIDE = {
    "up": "../../secret/x.png",
    "far up": "../../../../../../../../../../{secret}",
    "absolute": "{secret}",
    "through a folder": "images/../../../secret/x.png",
    "url": "file://{secret}",
    "home": "~/../secret/x.png",
    "backslashes": "..\\..\\secret\\x.png",
    "long": "a" * 300 + ".png",
}


@pytest.mark.parametrize("way", OUTSIDE)
@pytest.mark.parametrize("layout", TABLES)
def test_a_name_that_leads_out_is_one_finding_and_is_never_read(
    layout: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is left out by its name, the others stay, and the file outside is neither opened nor copied."""
    secret = tmp_path / "secret" / "x.png"
    name = OUTSIDE[way].format(secret=secret)
    kind, part = TABLES[layout](tmp_path / "input", name)
    opened = _opened(monkeypatch)
    data, found = sources.run(kind, tmp_path / "input", part, gate={"no_mask": "warn"})
    assert len(found["bad_mask" if layout == "masks" else "unreadable"]) == 1
    assert len(data.manifest) > 1
    assert str(secret) not in opened
    assert all(file.read_bytes() != secret.read_bytes() for file in (artefacts.ACQUIRED / "images").iterdir())


def _opened(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Note the real path of every file that is read."""
    opened: set[str] = set()
    real = {name: getattr(Path, name) for name in ("read_bytes", "open")}
    for name, method in real.items():
        noted = lambda self, *a, _method=method, **k: (opened.add(os.path.realpath(self)), _method(self, *a, **k))[1]  # noqa: E731
        monkeypatch.setattr(Path, name, noted)
    return opened


def test_a_name_that_is_no_text_of_a_path_is_one_finding(tmp_path: Path) -> None:
    """NUL bytes and halves of characters, which JSON can hold, end no stage."""
    for name in ("a\x00b.png", "\ud800.png"):
        kind, part = _coco(tmp_path / "input", name)
        data, found = sources.run(kind, tmp_path / "input", part)
        assert len(found["unreadable"]) == 1
        assert len(data.manifest) == 5


@pytest.mark.parametrize("layout", ["coco", "csv", "imagefolder", "voc", "yolo", "raw"])
def test_links_that_lead_out_are_findings(layout: str, tmp_path: Path) -> None:
    """A link to a file elsewhere is not followed; a link inside the folder is."""
    root = tmp_path / "input"
    kind, part = sources.LAYOUTS[layout](root)
    _, before = sources.run(kind, root, part)
    files = sorted(f for f in root.rglob("*") if f.suffix in (".png", ".jpg", ".dng"))
    inner, outer = files[0], files[1]
    inner.rename(root / "moved")
    inner.symlink_to(root / "moved")
    outer.rename(tmp_path / "secret" / "moved")
    outer.symlink_to(tmp_path / "secret" / "moved")
    _, found = sources.run(kind, root, part)
    assert [Path(name).name for name in found["unreadable"]] == [outer.name]
    assert not before.get("unreadable")
    _, found = sources.run(kind, root, part, roots=[str(tmp_path / "secret")])
    assert not found.get("unreadable")


def test_voc_reads_no_page_outside(tmp_path: Path) -> None:
    """A list of VOC that names a page elsewhere gets one finding."""
    kind, part = sources.voc(tmp_path / "input")
    sources.put(tmp_path / "secret" / "p9.xml", sources.xml([("cat", 1, 2, 11, 12)]))
    with (tmp_path / "input/ImageSets/Main/train.txt").open("a", encoding="utf-8") as file:
        file.write("../../secret/p9\n")
    data, found = sources.run(kind, tmp_path / "input", part)
    assert len(found["bad_annotation"]) == 1
    assert len(data.manifest) == 6


@pytest.mark.parametrize("relative", [True, False])
def test_the_folders_of_acquire_roots_are_open(relative: bool, tmp_path: Path) -> None:
    """A picture in a folder that the user names is taken, the folder given absolutely or from the project."""
    kind, part = _coco(tmp_path / "input", "../../secret/x.png")
    data, found = sources.run(kind, tmp_path / "input", part, roots=["../secret" if relative else str(tmp_path / "secret")])
    assert not found.get("unreadable")
    assert len(data.manifest) == 6


def test_refuse_stops_at_a_name_that_leads_out(tmp_path: Path) -> None:
    """With ``unreadable: refuse`` the stage ends with the name."""
    kind, part = _coco(tmp_path / "input", "../../secret/x.png")
    with pytest.raises(DataError, match=r"\.\./\.\./secret/x\.png.*leads out of"):
        sources.run(kind, tmp_path / "input", part, gate={"unreadable": "refuse"})


@pytest.mark.parametrize("own", [True, False])
def test_a_yaml_of_roboflow_means_its_own_folder(own: bool, tmp_path: Path) -> None:
    """``../train/images`` is the set's own train/images, also where the parent folder has one by accident."""
    kind, part = sources.yolo(tmp_path / "input")
    sources.put(tmp_path / "input/data.yaml", "train: ../images/train\nval: ../images/val\nnames: [cat, dog]\n")
    if not own:
        sources.put(tmp_path / "images/train/other.png", sources.picture(7))
    data, _ = sources.run(kind, tmp_path / "input", part)
    assert len(data.manifest) == 6


@pytest.mark.parametrize("yaml", ["train: ../../secret\n", "train: {secret}\n", "path: {secret}\ntrain: ../../secret\n"])
def test_a_yaml_that_names_a_folder_outside_opens_none(yaml: str, tmp_path: Path) -> None:
    """YOLO's folders lie inside: one line refuses another, and a ``path`` outside counts as another machine's."""
    kind, part = sources.yolo(tmp_path / "input")
    text = yaml.format(secret=tmp_path / "secret") + "names: [cat, dog]\n"
    sources.put(tmp_path / "input/data.yaml", text)
    with pytest.raises(DataError, match="leads out of"):
        sources.run(kind, tmp_path / "input", part)


def test_a_yaml_with_the_path_of_another_machine_means_its_own_folder(tmp_path: Path) -> None:
    """A ``path`` that leads out is not followed, even where there is such a folder: the set lies beside its yaml."""
    kind, part = sources.yolo(tmp_path / "input")
    sources.put(tmp_path / "secret/images/train/y.png", sources.picture(98))
    text = f"path: {tmp_path / 'secret'}\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n"
    sources.put(tmp_path / "input/data.yaml", text)
    data, _ = sources.run(kind, tmp_path / "input", part)
    assert len(data.manifest) == 6
    assert not any("y.png" in name for name in data.manifest["source"])


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    """A pipe and a folder among the pictures are findings, and nothing waits for them."""
    kind, part = _csv(tmp_path / "table", "p")
    _, found = sources.run(kind, tmp_path / "table", part)
    assert found["unreadable"] == ["p"]
    os.mkfifo(tmp_path / "table/p/pipe.png")
    kind, part = _csv(tmp_path / "table", "p/pipe.png")
    _, found = sources.run(kind, tmp_path / "table", part)
    assert found["unreadable"] == ["p/pipe.png"]


def test_a_file_too_large_for_a_picture_is_a_finding(tmp_path: Path) -> None:
    """A file of more bytes than any camera writes is refused by its size, unread."""
    kind, part = sources.csv(tmp_path / "input")
    with (tmp_path / "input/p/0.png").open("r+b") as file:
        file.truncate(2**40)
    _, found = sources.run(kind, tmp_path / "input", part)
    assert found["unreadable"] == ["p/0.png"]


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "", "~", "link"]), min_size=1, max_size=8))
def test_the_fence_agrees_with_the_system(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    """Whatever steps a name takes, it is let in exactly where the file's real path lies inside."""
    base = tmp_path_factory.mktemp("fence")
    (base / "in" / "a").mkdir(parents=True)
    (base / "in" / "link").symlink_to(base)
    path = base / "in" / "/".join(parts)
    real = os.path.realpath(path)
    inside = real == str(base / "in") or real.startswith(f"{base / 'in'}/")
    assert _layout.Fence(base / "in").holds(path) == inside


def test_a_root_that_is_no_folder_ends_the_stage_at_once(tmp_path: Path) -> None:
    """A mistyped word is named, before any picture is opened."""
    kind, part = sources.csv(tmp_path / "input")
    with pytest.raises(DataError, match=r"^acquire\.roots: ../secrt is no folder"):
        sources.run(kind, tmp_path / "input", part, roots=["../secrt"])


def test_where_every_row_leads_out_the_last_line_says_what_to_set(tmp_path: Path) -> None:
    """The parameter stands in the line that ends the stage, not in a report alone."""
    kind, part = sources.csv(tmp_path / "input")
    table = (tmp_path / "input/pictures.csv").read_text(encoding="utf-8")
    sources.put(tmp_path / "input/pictures.csv", table.replace("p/", "../../secret/"))
    with pytest.raises(DataError, match=r"no picture is left.*\d x unreadable, first .*leads out of.*acquire\.roots"):
        sources.run(kind, tmp_path / "input", part)
