"""A wrong layout ends in one line that says what was expected and what was found."""

import json
from pathlib import Path

import pytest

from stages.core.errors import DataError, ParamsError
from tests import sources


@pytest.mark.parametrize("layout", [name for name in sources.LAYOUTS if name != "scenes"])
@pytest.mark.parametrize("state", ["missing", "empty", "other"])
def test_every_source_explains_a_wrong_folder(layout: str, state: str, tmp_path: Path) -> None:
    """No folder, an empty one, or one with something else: one line with its path."""
    source, part = sources.LAYOUTS[layout](tmp_path / "good")
    path = tmp_path / "bad"
    if state != "missing":
        path.mkdir()
    if state == "other":
        sources.put(path / "notes.txt", "hello")
    with pytest.raises(DataError) as caught:
        sources.job(source, path, part).part("sources").build(path=path, seed=0)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_layout_says_what_was_found(tmp_path: Path) -> None:
    """The expected layout and the folder's content stand in the line."""
    sources.put(tmp_path / "pictures/a.jpg", b"")
    with pytest.raises(
        DataError, match=r"expected Pascal VOC's layout: Annotations/\*.xml beside JPEGImages.*found pictures/"
    ):
        sources.run("voc", tmp_path, sources.VOC)


def test_broken_json_names_file_and_place(tmp_path: Path) -> None:
    """JSON cut short ends in a line with the file and where it breaks."""
    source, part = sources.coco(tmp_path)
    sources.put(tmp_path / "instances.json", '{"images": [')
    with pytest.raises(DataError, match=r"instances.json is broken JSON.*line 1"):
        sources.run(source, tmp_path, part)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["images"].append(dict(c["images"][0], id=99)), "two images have the file_name p0.png"),
        (lambda c: c["images"].append(dict(c["images"][0], file_name="x.png")), "two images have the id 0"),
        (lambda c: c["annotations"][0].update(image_id=77), "belong to the image id 77"),
        (lambda c: c.pop("categories"), "no COCO file"),
        (lambda c: c["images"][0].pop("file_name"), "lacks 'file_name'"),
    ],
)
def test_contradictions_in_coco_are_refused(change: object, said: str, tmp_path: Path) -> None:
    """Ids and names are unique and annotations belong to a picture."""
    source, part = sources.coco(tmp_path)
    content = json.loads((tmp_path / "instances.json").read_text())
    change(content)  # type: ignore[operator]
    sources.put(tmp_path / "instances.json", json.dumps(content))
    with pytest.raises(DataError, match=said):
        sources.run(source, tmp_path, part)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("file,label\na.png,cat\n", "the column path is missing; found file, label"),
        ("path,label,split\nq.png,cat,tset\n", "split is 'tset'; expected train, val or test"),
        ("path,label\na.png,cat,dog\n", "row 2: more cells than columns"),
        ("path,label\na.png,cat\na.png,dog\n", "a.png is listed twice"),
        ("path,label\n,cat\n", "path is empty"),
        ("", "the column path is missing; found no row"),
        (
            'path,label\na.png,"' + "cat\n" * 50_000,
            r"pictures.csv cannot be read as a CSV .*is a quote in it never closed\?$",
        ),
    ],
)
def test_tables_are_checked(table: str, said: str, tmp_path: Path) -> None:
    """A missing column, a wrong split, a stray comma and a double entry are named."""
    sources.put(tmp_path / "pictures.csv", table)
    with pytest.raises(DataError, match=said):
        sources.run("csv", tmp_path, sources.CSV)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("names: [a", "broken YAML"),
        (f"names: [a]\nnc: 0x{'f' * 5_000}", r"broken YAML at line 2: an integer of 5,002 signs; expected 300 at most$"),
        (f"names: [a]\nnc: {'9' * 5_000}", r"broken YAML at line 2: an integer of 5,000 signs; expected 300 at most$"),
        (f"names: {{0x{'f' * 900}: a}}", "broken YAML at line 1: an integer of 902 signs"),
        ("names: [a]\ndate: 2026-13-01", "broken YAML at line 2: no number or date"),
        ("[" * 5_000, "broken YAML: it is nested too deeply$"),
        ("names: [a, b]\nnc: 3\ntrain: images", "nc is 3, but names has 2"),
        ("names: [a]\ntrain: nowhere", "nowhere, which does not exist"),
        ("names: {1: a}\ntrain: images", r"numbers \[1\]; expected 0 to 0"),
        ("names: [a]", "name no picture"),
    ],
)
def test_yolo_configs_are_checked(text: str, said: str, tmp_path: Path) -> None:
    """Broken YAML, a wrong count or folder are named."""
    source, part = sources.yolo(tmp_path)
    sources.put(tmp_path / "data.yaml", text)
    with pytest.raises(DataError, match=said):
        sources.run(source, tmp_path, part)


def test_a_name_in_two_lists_is_refused(tmp_path: Path) -> None:
    """A picture has one split."""
    source, part = sources.voc(tmp_path)
    sources.put(tmp_path / "ImageSets/Main/test.txt", "p0\n")
    with pytest.raises(DataError, match="p0 stands in"):
        sources.run(source, tmp_path, part)


def test_a_wrong_column_to_split_by_offers_the_nearest(tmp_path: Path) -> None:
    """The columns that are there are named."""
    source, part = sources.coco(tmp_path)
    with pytest.raises(ParamsError, match="did you mean 'group_stain'"):
        sources.run(source, tmp_path, part, split_by="group_stein")


def test_an_unknown_source_offers_the_nearest() -> None:
    """The folder is the registry."""
    with pytest.raises(ParamsError, match="did you mean 'imagefolder'"):
        sources.job("imagefodler", Path(), {})
