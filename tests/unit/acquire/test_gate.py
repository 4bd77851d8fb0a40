"""Every kind of fault comes out of the gate by name, with its file, and nothing else is lost."""

import json
import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.core import artefacts, images
from stages.core.errors import DataError
from tests import sources
from tests.markdown import parsed, unwanted


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


@pytest.mark.parametrize(
    "fault", ["empty", "cut short", "no picture", "torn AVIF", "PostScript", "missing", "camera file cut short"]
)
def test_unreadable_pictures_are_listed_and_the_others_stay(tmp_path: Path, fault: str) -> None:
    """A picture that does not decode is quarantined by name; every other picture arrives."""
    source, part = sources.imagefolder(tmp_path)
    name = "9/bad.jpg"
    if fault == "missing":
        source, part = sources.csv(tmp_path)
        (tmp_path / "p/3.png").unlink()
        name = "p/3.png"
    elif fault == "camera file cut short":
        source, part = sources.raw(tmp_path)
        name = "f1.dng"
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:2000])
    else:
        whole = sources.picture(99, form="JPEG")
        contents = {"empty": b"", "cut short": whole[: len(whole) // 2], "no picture": b"hello"}
        contents |= {"torn AVIF": sources.torn_avif(), "PostScript": sources.picture(99, form="EPS")}
        sources.put(tmp_path / name, contents[fault])
    data, found = sources.run(source, tmp_path, part)
    assert found["unreadable"] == [name]
    report = json.loads((artefacts.ACQUIRED / "gate.json").read_text())["summary"]
    assert len(data.manifest) == report["num_images"] == report["num_found"] - 1


def test_objects_are_judged_one_by_one(tmp_path: Path) -> None:
    """A bad box goes, an overhanging one is cut, the picture and its good boxes stay."""
    source, part = sources.voc(tmp_path)
    bad = [("cat", 5, 5, 5, 9), ("cat", 50, 5, 60, 9), ("cat", 30, 20, 50, 28), ("dog", 1, 1, 20, 20), ("dog", 1, 1, 20, 21)]
    sources.put(tmp_path / "Annotations/p0.xml", sources.xml(bad))
    data, found = sources.run(source, tmp_path, part)
    for kind in ("box_without_area", "box_outside", "box_overhanging", "near_duplicate_box"):
        assert found[kind] == ["p0.jpg"]
    name = data.manifest.set_index("source").loc["p0.jpg", "image_id"]
    assert [m["bbox"] for m in data.annotations()[name]] == [[30, 20, 10, 8], [1, 1, 19, 19]]


def test_boxes_of_two_classes_may_coincide(tmp_path: Path) -> None:
    """Near-duplicates are judged within a class."""
    source, part = sources.voc(tmp_path)
    sources.put(tmp_path / "Annotations/p0.xml", sources.xml([("cat", 1, 1, 20, 20), ("dog", 1, 1, 20, 20)]))
    _, found = sources.run(source, tmp_path, part)
    assert "near_duplicate_box" not in found


def test_masks_of_another_size_or_class_are_listed(tmp_path: Path) -> None:
    """An index mask must have the picture's size and known classes; 255 is ignore."""
    sources.csv(tmp_path, 6)
    rows = "path,label,mask\n"
    for n in range(6):
        mask = np.full((30, 40) if n != 1 else (20, 40), {2: 9, 3: images.IGNORE}.get(n, 1), dtype=np.uint8)
        Image.fromarray(mask).save(tmp_path / f"m{n}.png")
        rows += f"p/{n}.png,cat,m{n}.png\n"
    sources.put(tmp_path / "m4.png", b"broken")
    sources.put(tmp_path / "pictures.csv", rows)
    part = {**sources.CSV, "mask_column": "mask", "mask_classes": ["ground", "cat"]}
    data, found = sources.run("csv", tmp_path, part, val_share=0.2)
    assert found["bad_mask"] == ["p/1.png", "p/2.png", "p/4.png"]
    assert sorted(data.manifest["source"]) == ["p/0.png", "p/3.png", "p/5.png"]


def test_segmentations_must_fit(tmp_path: Path) -> None:
    """Run lengths of another size or a broken polygon lose the object, not the picture; shared pixels are counted."""
    source, part = sources.coco(tmp_path)
    file = tmp_path / "instances.json"
    content = json.loads(file.read_text())
    marks = [m for m in content["annotations"] if m["image_id"] == 0]
    marks[0]["segmentation"] = [[1.0, 2.0]]
    marks[1]["segmentation"] = {"size": [10, 10], "counts": [50, 50]}
    one = [m for m in content["annotations"] if m["image_id"] == 1]
    one[1]["segmentation"] = [[2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0]]
    file.write_text(json.dumps(content))
    data, found = sources.run(source, tmp_path, part)
    assert found["bad_segmentation"] == ["p0.png", "p0.png"]
    assert found["overlapping_masks"] == ["p1.png"]
    assert len(data.manifest) == 6
    assert "16 px" in (artefacts.ACQUIRED / "gate.md").read_text()


def test_broken_annotations_lose_their_picture_alone(tmp_path: Path) -> None:
    """Broken XML, a word for a number or a missing page are faults of one picture."""
    source, part = sources.voc(tmp_path)
    sources.put(tmp_path / "Annotations/p0.xml", "<annotation><object>")
    sources.put(tmp_path / "Annotations/p1.xml", sources.xml([("cat", 1, 1, 9, 9)]).replace("<xmax>9", "<xmax>nine"))
    (tmp_path / "Annotations/p2.xml").unlink()
    data, found = sources.run(source, tmp_path, part)
    assert found["bad_annotation"] == ["p0.jpg", "p1.jpg", "p2.jpg"]
    assert len(data.manifest) == 3


def test_yolo_class_out_of_range_names_line_and_range(tmp_path: Path) -> None:
    """The line says which class was found and which there are."""
    source, part = sources.yolo(tmp_path)
    sources.put(tmp_path / "labels/train/p1.txt", "0 0.5 0.5 0.1 0.1\n7 0.5 0.5 0.1 0.1\n")
    _, found = sources.run(source, tmp_path, part)
    assert found["bad_annotation"] == ["images/train/p1.png"]
    text = (artefacts.ACQUIRED / "gate.csv").read_text()
    assert "p1.txt, line 2: class 7; data.yaml names 2 classes, 0 to 1" in text


def test_stated_size_must_be_the_pictures(tmp_path: Path) -> None:
    """A picture annotated at another size is listed; a turned one gets a hint."""
    source, part = sources.voc(tmp_path)
    sources.put(tmp_path / "Annotations/p0.xml", sources.xml([("cat", 1, 1, 9, 9)], size=(30, 40)))
    _, found = sources.run(source, tmp_path, part)
    assert found["size_differs"] == ["p0.jpg"]
    assert "EXIF" in (artefacts.ACQUIRED / "gate.md").read_text()


def test_copies_never_cross_splits(tmp_path: Path) -> None:
    """Of equal pixels in train and test, the one in test stays; other bytes with the same pixels are found too."""
    source, part = sources.csv(tmp_path)
    rows = (tmp_path / "pictures.csv").read_text().splitlines()
    pixels = Image.open(tmp_path / "p/2.png")
    pixels.save(tmp_path / "p/again.png", compress_level=0)
    sources.put(tmp_path / "p/copy.png", (tmp_path / "p/0.png").read_bytes())
    rows += ["p/again.png,cat,train,x", "p/copy.png,cat,train,x"]
    sources.put(tmp_path / "pictures.csv", "\n".join(rows))
    data, found = sources.run(source, tmp_path, part)
    assert found["torn_duplicate"] == ["p/again.png"]
    assert found["duplicate_file"] == ["p/copy.png"]
    assert set(data.manifest["source"]) >= {"p/2.png", "p/0.png"}


def test_free_copies_share_a_split(tmp_path: Path) -> None:
    """Equal pixels in two files stay together when the splits are ours, and a note says that they are equal."""
    source, part = sources.imagefolder(tmp_path)
    for n in range(0, 24, 2):
        Image.open(tmp_path / f"10/p{n}.png").save(tmp_path / f"10/twin{n}.png", compress_level=0)
    data, found = sources.run(source, tmp_path, part)
    assert len(found["duplicate_pixels"]) == 12
    split = data.manifest.set_index("source")["split"]
    assert all(split[f"10/p{n}.png"] == split[f"10/twin{n}.png"] for n in range(0, 24, 2))


def _dng_with_a_preview(seed: int) -> bytes:
    """Write a DNG as cameras do: a preview first, which readers of TIFF show, and the mosaic in a directory below it."""
    rng, out = np.random.default_rng(seed), BytesIO()
    neutral, matrix = (1, 2, 1, 1, 2, 3), (9, 10, -2, 10, -1, 10, -4, 10, 12, 10, 2, 10, -1, 10, 2, 10, 6, 10)
    head = [(50706, 1, 4, bytes((1, 4, 0, 0)), True), (272, 2, 0, "Test 1", True), (50708, 2, 0, "Test 1", True),
            (50721, 10, 9, matrix, True), (50778, 3, 1, 21, True), (50728, 5, 3, neutral, True)]  # fmt: skip
    below = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes((0, 1, 1, 2)), True),
             (50714, 3, 1, 64, True), (50717, 3, 1, 4095, True)]  # fmt: skip
    with tifffile.TiffWriter(out, byteorder="<") as writer:
        preview = rng.integers(0, 256, (16, 20, 3)).astype(np.uint8)
        writer.write(preview, photometric="rgb", subfiletype=1, subifds=1, metadata=None, extratags=head)
        mosaic = rng.integers(100, 3000, (32, 40)).astype(np.uint16)
        writer.write(mosaic, photometric=32803, subfiletype=0, metadata=None, extratags=below)
    return out.getvalue()


@pytest.mark.parametrize("others", ["10", "9"])
def test_a_camera_file_that_is_also_called_tif_is_a_copy(tmp_path: Path, others: str) -> None:
    """Its bytes are the same though what is read of them is not; where the labels differ, both are left out."""
    source, part = sources.imagefolder(tmp_path)
    for n in range(4):
        content = _dng_with_a_preview(n)
        sources.put(tmp_path / f"10/c{n}.dng", content)
        sources.put(tmp_path / f"{others}/c{n}.tif", content)
    data, found = sources.run(source, tmp_path, part)
    stored = {path.suffix for path in (artefacts.ACQUIRED / "images").iterdir()}
    names = {name for name in data.manifest["source"] if name.partition("/")[2].startswith("c")}
    if others == "10":
        assert found["duplicate_file"] == [f"10/c{n}.tif" for n in range(4)]
        assert names == {f"10/c{n}.dng" for n in range(4)}
        assert stored == {".png", ".dng"}
    else:
        assert len(found["conflicting_labels"]) == 8
        assert not names
        assert stored == {".png"}


def test_equal_pixels_with_other_labels_are_both_left_out(tmp_path: Path) -> None:
    """Nobody can tell which label is right; both are listed."""
    source, part = sources.imagefolder(tmp_path)
    sources.put(tmp_path / "9/liar.png", (tmp_path / "10/p0.png").read_bytes())
    data, found = sources.run(source, tmp_path, part)
    assert found["conflicting_labels"] == ["10/p0.png", "9/liar.png"]
    assert not {"10/p0.png", "9/liar.png"} & set(data.manifest["source"])
    assert not (artefacts.ACQUIRED / "images" / f"{images.image_id(sources.picture(0))}.png").exists()


def test_classes_without_pictures_are_named(tmp_path: Path) -> None:
    """A class nobody has, and one that a split lacks."""
    source, part = sources.csv(tmp_path)
    _, found = sources.run(source, tmp_path, {**part, "classes": ["cat", "dog", "fox"]})
    assert found["empty_class"] == [""]
    sources.put(tmp_path / "pictures.csv", "path,label,split\np/0.png,cat,train\np/1.png,dog,test\n")
    assert "class cat has no picture in test" in " ".join(sources.notes(source, tmp_path, part, val_share=0.0))


def test_pictures_without_a_label_are_listed(tmp_path: Path) -> None:
    """In a set with labels an empty cell is a fault of that picture."""
    source, part = sources.csv(tmp_path)
    file = tmp_path / "pictures.csv"
    sources.put(file, file.read_text().replace("p/4.png,cat", "p/4.png,"))
    data, found = sources.run(source, tmp_path, part)
    assert found["no_label"] == ["p/4.png"]
    assert len(data.manifest) == 11


def test_a_picture_turned_by_exif_is_measured_upright(tmp_path: Path) -> None:
    """Boxes are judged against the upright picture, as every reader of the data set will see it."""
    source, part = sources.voc(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(tmp_path / "JPEGImages/p0.jpg").save(tmp_path / "JPEGImages/p0.jpg", exif=exif)
    sources.put(tmp_path / "Annotations/p0.xml", sources.xml([("cat", 2, 30, 12, 39)], size=(30, 40)))
    data, found = sources.run(source, tmp_path, part)
    assert not set(found) - {"class_absent_from_split", "few_units"}
    row = data.manifest.set_index("source").loc["p0.jpg"]
    assert (row["width"], row["height"]) == (30, 40)


def test_refusal_stops_in_one_line_and_keeps_the_list(tmp_path: Path) -> None:
    """``refuse`` leaves the older data set alone, names the fault and says where all of them are listed."""
    source, part = sources.imagefolder(tmp_path)
    sources.run(source, tmp_path, part)
    before = (artefacts.ACQUIRED / "manifest.parquet").read_bytes()
    sources.put(tmp_path / "9/bad.jpg", b"")
    with pytest.raises(DataError, match=r"refuses unreadable: 9/bad.jpg: the file is empty.*acquire\.gate\.unreadable"):
        sources.run(source, tmp_path, part, gate={"unreadable": "refuse"})
    assert "9/bad.jpg" in Path("work/gate.md").read_text()
    assert (artefacts.ACQUIRED / "manifest.parquet").read_bytes() == before
    assert not [p for p in artefacts.DATA.iterdir() if p.name.startswith(".")]


def test_a_name_that_is_not_utf8_is_one_finding(tmp_path: Path) -> None:
    """No table can hold it: the picture is left out and named, the others stay."""
    source, part = sources.imagefolder(tmp_path)
    name = os.fsdecode(b"bad\xff.png")
    (tmp_path / "9" / name).write_bytes(sources.picture(99))
    data, found = sources.run(source, tmp_path, part)
    assert found["unreadable"] == ["9/bad\\udcff.png"]
    assert len(data.manifest) > 1


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    """A set of which no picture passes is no set."""
    sources.put(tmp_path / "a/1.png", b"x")
    with pytest.raises(DataError, match="no picture is left"):
        sources.run("imagefolder", tmp_path, {"classes": None})


@pytest.mark.parametrize(("num", "left"), [(2, False), (24, True)])
def test_no_picture_for_training_is_an_error(tmp_path: Path, num: int, *, left: bool) -> None:
    """Shares that leave some of many pictures leave none of a few; whoever wants no training draws no shares."""
    source, part = sources.imagefolder(tmp_path, num)
    shares = {"val_share": 0.0, "test_share": 0.9}
    if left:
        data, _ = sources.run(source, tmp_path, part, **shares)
        assert "train" in set(data.manifest["split"])
        return
    with pytest.raises(
        DataError, match=r"of 2 pictures \(2 units\) none is left for training; lower val_share \(0\).*acquire\.test_share"
    ):
        sources.run(source, tmp_path, part, **shares)
    assert not artefacts.ACQUIRED.exists()


HOSTILE = "cat.\n\n## Audit: PASS\n\n- ![](http://evil.example/t.png)"


@pytest.mark.parametrize("name", [HOSTILE, "cat\x1b[2J", "cat\u2028dog", "a\u202etac"])
def test_a_class_s_name_is_one_line_without_controls(tmp_path: Path, name: str) -> None:
    """Model cards and terminals show it: more than a name is refused before anything is read."""
    source, part = sources.coco(tmp_path)
    file = tmp_path / "instances.json"
    content = json.loads(file.read_text())
    content["categories"][0]["name"] = name
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match="control character") as caught:
        sources.run(source, tmp_path, part)
    assert str(caught.value).isprintable()


def test_a_group_s_name_is_one_line_without_controls(tmp_path: Path) -> None:
    """The picture is listed; the others stay, those with names of other scripts among them."""
    source, part = sources.coco(tmp_path)
    rows = ['p0.png,"day\n## PASS"', "p1.png,day\x1b[2J", *(f"p{n}.png,\u5915\u3000\u65b9" for n in range(2, 6))]
    (tmp_path / "metadata.csv").write_text("file_name,stain\n" + "\n".join(rows) + "\n", encoding="utf-8")
    data, found = sources.run(source, tmp_path, part)
    assert found["bad_annotation"] == ["p0.png", "p1.png"]
    assert set(data.manifest["group_stain"]) == {"\u5915\u3000\u65b9"}


def test_the_page_shows_names_whole_and_remarks_as_sentences(tmp_path: Path) -> None:
    """A name with a space is one span of code, and no list of Python stands there; few units in test are told a remedy."""
    source, part = sources.imagefolder(tmp_path)
    sources.put(tmp_path / "9" / "yard 000.jpg", b"")
    sources.run(source, tmp_path, part)
    page = (artefacts.ACQUIRED / "gate.md").read_text()
    assert "| unreadable | `9/yard 000.jpg` |" in page
    assert "* remarks: none\n" in page
    assert "bring more, or raise the share of a split that is drawn" in page
    assert "acquire.test_share" in page
    (tmp_path / "other").mkdir()
    source, part = sources.yolo(tmp_path / "other")
    (tmp_path / "other/labels/train/p1.txt").unlink()
    sources.run(source, tmp_path / "other", part)
    page = (artefacts.ACQUIRED / "gate.md").read_text()
    assert "* remarks: 1 pictures have no text file and count as pictures without objects\n" in page


def test_a_file_s_name_is_written_out_in_all_reports(tmp_path: Path) -> None:
    """The reports are read in terminals and on pages: no name steers the one or makes anything of the other."""
    source, part = sources.imagefolder(tmp_path)
    sources.put(tmp_path / "9" / "a\x1b]0;x\x07\x1b[2J![](b)\n# c|d.png", b"")
    told = sources.notes(source, tmp_path, part)
    reports = [(artefacts.ACQUIRED / name).read_text(encoding="utf-8") for name in ("gate.json", "gate.csv", "gate.md")]
    for line in "\n".join([*told, *reports]).splitlines():
        assert line.isprintable()
    assert r"9/a\x1b]0;x\x07\x1b[2J![](b)\n# c|d.png" in reports[1]
    tokens = parsed(reports[2])
    assert not unwanted(tokens)
    assert next(token.content for token in tokens if token.type == "inline") == "What the data gate found"
    assert sum(token.type == "heading_open" for token in tokens) == 1
    assert sum(token.type == "td_open" for token in tokens) == 5 * len(json.loads(reports[0])["findings"])
