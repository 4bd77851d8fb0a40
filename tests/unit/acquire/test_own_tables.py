"""A data set's own tables, lists and pages lie inside the fence, and no message shows what else a file holds."""

import ast
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages import parts
from stages.core import artefacts
from stages.core.errors import DataError
from tests import sources

SECRET = "hunter2"  # noqa: S105 - of nobody
Layout = Callable[[Path], tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "outside").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def _trainval(root: Path) -> tuple[str, dict[str, Any]]:
    layout = sources.voc(root)
    (root / "ImageSets/Main/train.txt").rename(root / "ImageSets/Main/trainval.txt")
    (root / "ImageSets/Main/val.txt").unlink()
    return layout


def _listed(root: Path) -> tuple[str, dict[str, Any]]:
    layout = sources.yolo(root)
    sources.put(root / "train.txt", "images/train/p1.png\nimages/train/p2.png\n")
    sources.put(root / "data.yaml", "train: train.txt\nval: images/val\nnames: [cat, dog]\n")
    return layout


OPENED: dict[str, tuple[Layout, str]] = {
    "table": (sources.csv, "pictures.csv"),
    "manifest of camera files": (sources.raw, "manifest.csv"),
    "COCO": (sources.coco, "instances.json"),
    "COCO's groups": (sources.coco, "metadata.csv"),
    "YOLO": (sources.yolo, "data.yaml"),
    "YOLO's list": (_listed, "train.txt"),
    "VOC's list": (sources.voc, "ImageSets/Main/train.txt"),
    "VOC's list of both": (_trainval, "ImageSets/Main/trainval.txt"),
    "VOC's folder of lists": (sources.voc, "ImageSets"),
    "torchvision's pets": (sources.pets, "oxford-iiit-pet/annotations/trainval.txt"),
    "torchvision's VOC": (sources.LAYOUTS["VOCDetection"], "VOCdevkit/VOC2007/ImageSets/Main/train.txt"),
    "torchvision's VOC, a folder": (sources.LAYOUTS["VOCSegmentation"], "VOCdevkit/VOC2007/ImageSets"),
    "torchvision's COCO": (sources.torchvision_coco, "instances.json"),
    "torchvision's arrays": (sources.fashion, "FashionMNIST/raw/train-labels-idx1-ubyte"),
}
FOREIGN = {
    "accounts": f"root:x:0:0:{SECRET}:/root:/bin/bash\n",
    "credentials": f"key: {SECRET}\n  deeper: [\n",
    "token": f'{{"{SECRET}": "{SECRET}"}}',
    "broken JSON": f'{{"key": {SECRET}',
    "bytes": f"{SECRET}\xff".encode("latin-1"),
}


def _led_out(root: Path, name: str, outside: Path) -> None:
    """Put a file or folder outside and a link in its place."""
    (root / name).rename(outside)
    (root / name).symlink_to(outside)


@pytest.mark.parametrize("content", [None, *FOREIGN])
@pytest.mark.parametrize("what", OPENED)
def test_a_table_that_leads_out_is_not_opened(what: str, content: str | None, tmp_path: Path) -> None:
    """A good one no more than another file: one line names it, and nothing of what it holds."""
    layout, name = OPENED[what]
    kind, part = layout(tmp_path / "input")
    outside = tmp_path / "outside/file"
    _led_out(tmp_path / "input", name, outside)
    if content and outside.is_file():
        sources.put(outside, FOREIGN[content])
    with pytest.raises(DataError, match="leads out of") as caught:
        sources.run(kind, tmp_path / "input", part)
    assert Path(name).name in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("what", OPENED)
def test_a_link_to_where_the_user_allows_is_followed(what: str, tmp_path: Path) -> None:
    """The same link is read where acquire.roots names the folder, or where it stays inside the data set."""
    layout, name = OPENED[what]
    kind, part = layout(tmp_path / "input")
    before, _ = sources.run(kind, tmp_path / "input", part)
    _led_out(tmp_path / "input", name, tmp_path / "outside/file")
    data, _ = sources.run(kind, tmp_path / "input", part, roots=[str(tmp_path / "outside")])
    assert data.manifest.equals(before.manifest)
    (tmp_path / "outside/file").rename(tmp_path / "input/kept")
    (tmp_path / "input" / name).unlink()
    (tmp_path / "input" / name).symlink_to(tmp_path / "input/kept")
    data, _ = sources.run(kind, tmp_path / "input", part)
    assert data.manifest.equals(before.manifest)


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (sources.voc, "Annotations/p1.xml"),
        (sources.yolo, "labels/train/p1.txt"),
        (sources.LAYOUTS["VOCDetection"], "VOCdevkit/VOC2007/Annotations/p1.xml"),
    ],
)
@pytest.mark.parametrize("content", FOREIGN)
def test_a_picture_s_page_that_leads_out_is_one_finding(layout: Layout, name: str, content: str, tmp_path: Path) -> None:
    """The other pictures stay, and the report of the gate shows nothing of the page."""
    kind, part = layout(tmp_path / "input")
    _led_out(tmp_path / "input", name, tmp_path / "outside/file")
    sources.put(tmp_path / "outside/file", FOREIGN[content])
    _, found = sources.run(kind, tmp_path / "input", part)
    assert [Path(file).stem for file in found["bad_annotation"]] == ["p1"]
    assert SECRET not in (artefacts.ACQUIRED / "gate.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", FOREIGN)
@pytest.mark.parametrize(
    ("layout", "name"),
    [(sources.coco, "instances.json"), (sources.torchvision_coco, "instances.json"), (sources.yolo, "data.yaml")],
)
def test_a_file_of_another_kind_is_named_but_not_shown(layout: Layout, name: str, content: str, tmp_path: Path) -> None:
    """Inside the folder, too: a file that is no JSON of COCO or no YAML of YOLO is told by its place in it alone."""
    kind, part = layout(tmp_path / "input")
    sources.put(tmp_path / "input" / name, FOREIGN[content])
    with pytest.raises(DataError, match=name) as caught:
        sources.run(kind, tmp_path / "input", part)
    assert SECRET not in str(caught.value)


def test_no_source_reads_past_the_fence() -> None:
    """Whatever opens or reads a file stands in the module of the fence alone, so that a new source cannot forget it."""
    readers = {"open", "read_text", "read_bytes", "read_file", "read_mask", "read_image", "fromfile", "loadtxt", "read_csv"}
    folder = Path(os.fspath(parts.__path__[0])) / "sources"
    past = []
    for file in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            call = node.func if isinstance(node, ast.Call) else None
            name = call.attr if isinstance(call, ast.Attribute) else call.id if isinstance(call, ast.Name) else ""
            fenced = isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id == "fence"
            if name in readers and not fenced and file.name != "_layout.py":
                past.append(f"{file.name}:{node.lineno} {name}")
    assert not past
