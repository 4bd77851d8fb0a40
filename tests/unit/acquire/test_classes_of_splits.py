"""Before anything is learnt the gate says which classes cannot be learnt or judged: of labels, objects and masks alike."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.core import artefacts, images
from stages.core.errors import DataError
from stages.core.items import Mark
from stages.judge import detections
from tests import sources

SPLITS = ("train", "val", "test", "train", "val", "test")


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def details(kind: str) -> list[str]:
    """Return what the gate's report says of one kind of finding."""
    found = json.loads((artefacts.ACQUIRED / "gate.json").read_text())["findings"]
    return [finding["detail"] for finding in found if finding["kind"] == kind]


def masks(root: Path, values: list[list[int]], mode: str = "L", classes: tuple[str, ...] = ("ground", "cat")) -> Any:
    """Write a table of pictures in two of each split whose masks hold these values; return the source's part."""
    rows = "path,split,mask\n"
    for n, (held, split) in enumerate(zip(values, SPLITS, strict=True)):
        sources.put(root / f"p/{n}.png", sources.picture(n))
        mask = np.resize(np.array(held, np.uint8), (30, 40))
        Image.fromarray(mask if mode == "L" else mask * 255).convert(mode).save(root / f"m{n}.png")
        rows += f"p/{n}.png,{split},m{n}.png\n"
    sources.put(root / "pictures.csv", rows)
    return {**sources.CSV, "label_column": None, "mask_column": "mask", "mask_classes": list(classes)}


def test_masks_in_black_and_white_are_said_to_be(tmp_path: Path) -> None:
    """0 and 255 alone: the line says what 255 means and how to name the classes; the class without a pixel is named too."""
    sources.run("csv", tmp_path, masks(tmp_path, [[0, 255]] * 5 + [[0]]))
    (line,) = details("black_and_white_masks")
    assert line.startswith("5 of 6 masks hold 0 and 255 alone, as if drawn in black and white, but 255 means ignore")
    assert "(0 ground, 1 cat)" in line
    assert details("empty_class") == ["class cat has no pixel"]
    assert details("single_class") == ["all pixels that count are ground: there is nothing to tell apart"]


@pytest.mark.parametrize(("values", "mode"), [
    ([[0, 1]] * 6, "L"), ([[0, 1, 255]] * 6, "L"), ([[0, 1, 255]] + [[0, 255]] * 2 + [[0, 1]] * 3, "L"), ([[0, 1]] * 6, "1"),
])  # fmt: skip
def test_masks_with_classes_are_not(values: list[list[int]], mode: str, tmp_path: Path) -> None:
    """Index masks, those with an ignored border or left open altogether, and pictures of one bit, read as 0 and 1."""
    _, found = sources.run("csv", tmp_path, masks(tmp_path, values, mode))
    assert not {"black_and_white_masks", "empty_class", "class_absent_from_split", "single_class"} & found.keys()


def test_two_ways_of_drawing_in_one_set_are_found(tmp_path: Path) -> None:
    """Some masks of 0 and 1 beside some of 0 and 255, none of both: 255 is no border there."""
    sources.run("csv", tmp_path, masks(tmp_path, [[0, 1]] * 3 + [[0, 255]] * 3))
    assert details("black_and_white_masks")[0].startswith("3 of 6 masks")


def test_a_mask_class_that_a_split_lacks_is_named(tmp_path: Path) -> None:
    """Each class with its splits, the first among them; one without any pixel is empty."""
    values = [[0, 1], [0, 1], [1, 2], [0, 2], [0, 1], [1, 2]]
    sources.run("csv", tmp_path, masks(tmp_path, values, classes=("ground", "cat", "dog", "fox")))
    assert details("class_absent_from_split") == [
        "class dog has no pixel in val",
        "class ground has no pixel in test",
    ]
    assert details("empty_class") == ["class fox has no pixel"]


def test_a_rule_may_refuse(tmp_path: Path) -> None:
    """``refuse`` stops before an hour of training."""
    part = masks(tmp_path, [[0, 255]] * 6)
    with pytest.raises(
        DataError, match=r"refuses black_and_white_masks: 6 of 6 masks .*acquire\.gate\.black_and_white_masks"
    ):
        sources.run("csv", tmp_path, part, gate={"black_and_white_masks": "refuse"})


def test_one_label_alone_is_named(tmp_path: Path) -> None:
    """A folder of one class; two are none of it."""
    for n in range(6):
        sources.put(tmp_path / f"set/cat/{n}.png", sources.picture(n))
    sources.run("imagefolder", tmp_path / "set", {"classes": None})
    assert details("single_class") == ["all pictures are cat: there is nothing to tell apart"]
    sources.put(tmp_path / "set/dog/0.png", sources.picture(9))
    _, found = sources.run("imagefolder", tmp_path / "set", {"classes": None})
    assert "single_class" not in found


def test_objects_that_do_not_count_are_none(tmp_path: Path) -> None:
    """A category of crowds alone cannot be judged, in whatever split it lies: the evaluation's own rule."""
    assert all(not Mark("cat", (0, 0, 1, 1), flags={flag: 1}).counts for flag in detections.SPARED)
    assert Mark("cat", (0, 0, 1, 1), flags=dict.fromkeys((*detections.SPARED, "truncated"), 0) | {"truncated": 1}).counts
    source, part = sources.coco(tmp_path)
    file = tmp_path / "instances.json"
    content = json.loads(file.read_text())
    names = {one["id"]: one["name"] for one in content["categories"]}
    for mark in content["annotations"]:
        mark["iscrowd"] = int(names[mark["category_id"]] == "cat")
    file.write_text(json.dumps(content))
    sources.run(source, tmp_path, part)
    assert "class cat has no object that counts" in details("empty_class")


def test_a_class_of_objects_and_painted_masks_is_named_once(tmp_path: Path) -> None:
    """Masks painted from the objects lack what the objects lack; one line is enough."""
    source, part = sources.coco(tmp_path)
    file = tmp_path / "instances.json"
    content = json.loads(file.read_text())
    content["categories"].append({"id": 77, "name": "fox"})
    file.write_text(json.dumps(content))
    sources.run(source, tmp_path, {**part, "classes": ["cat", "dog", "fox"]})
    assert [line for line in details("empty_class") if "fox" in line] == ["class fox has no object that counts"]


def test_few_test_pictures_with_an_object_are_named(tmp_path: Path) -> None:
    """Thirty of forty pictures are test: enough units while each has an object that counts, too few where five have one."""
    source, part = sources.coco(tmp_path, num=40)
    file = tmp_path / "instances.json"
    content = json.loads(file.read_text())
    sources.run(source, tmp_path, part, val_share=0.0, test_share=0.75)
    assert not details("few_units")
    for mark in content["annotations"]:
        mark["iscrowd"] = int(mark["image_id"] >= 5)
    file.write_text(json.dumps(content))
    data, _ = sources.run(source, tmp_path, part, val_share=0.0, test_share=0.75)
    test = {
        int(name.removeprefix("p").removesuffix(".png"))
        for name in data.manifest["source"][data.manifest["split"] == "test"]
    }
    held = len(test & set(range(5)))
    (line,) = details("few_units")
    many = "" if held == 1 else "s"
    assert line.startswith(f"the test split has {held} unit{many} ({held} pictures with an object that counts), fewer than")


def declared(root: Path, layout: str) -> tuple[str, Any]:
    """Write a set whose files declare, beside cat and dog, a class in front of them that nothing uses; add a folder."""
    source, part = sources.LAYOUTS[layout](root)
    if source == "yolo":
        file = root / "data.yaml"
        file.write_text(file.read_text().replace("[cat, dog]\nnc: 2", "[pets, cat, dog]\nnc: 3"))
        for text in (root / "labels").rglob("*.txt"):
            text.write_text("1" + text.read_text()[1:].replace("\n1 ", "\n2 "))
        return source, part
    file = root / "instances.json"
    content = json.loads(file.read_text())
    content["categories"].insert(0, {"id": 0, "name": "pets", "supercategory": "none"})
    file.write_text(json.dumps(content))
    return source, part


@pytest.mark.parametrize("layout", ["coco", "yolo", "CocoDetection"])
def test_a_class_that_nothing_uses_is_left_out_and_named(layout: str, tmp_path: Path) -> None:
    """It could be neither learnt nor judged; the ids of the others in predictions stay (YOLO's number + 1)."""
    source, part = declared(tmp_path, layout)
    part = {**part, "label_from": "largest"} if "label_from" in part else part
    said = [line for line in sources.notes(source, tmp_path, part, val_share=0.3) if "pets" in line]
    data, _ = sources.run(source, tmp_path, part, val_share=0.3)
    assert data.info.categories == ("cat", "dog")
    assert data.info.labels == (("cat", "dog") if "label_from" in part else ())
    assert data.info.mask_classes == ("background", "cat", "dog")
    assert data.info.category_ids == ((2, 3) if layout == "yolo" else (3, 7))
    key = "" if layout == "CocoDetection" else rf" \(params.yaml: acquire\.{layout}\.classes may name them\)"
    assert len(said) == 1
    assert re.fullmatch(rf"no object of the whole set is of class pets: left out of the classes{key}", said[0])
    assert not any("pets" in line for line in details("empty_class"))
    mask = images.read_mask(data.root / data.manifest["mask"].iloc[0])
    assert set(np.unique(mask)) <= {0, 1, 2, images.IGNORE}


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_the_choice_of_classes_gives_their_order(layout: str, tmp_path: Path) -> None:
    """A chosen class stays though nothing uses it, and is said to be empty; the objects keep their names."""
    source, part = declared(tmp_path, layout)
    data, _ = sources.run(source, tmp_path, {**part, "classes": ["dog", "pets", "cat"]})
    assert data.info.categories == ("dog", "pets", "cat")
    assert data.info.category_ids == ((3, 1, 2) if layout == "yolo" else (7, 0, 3))
    assert "class pets has no object that counts" in details("empty_class")
    first = next(iter(data.annotations().values()))
    assert {mark["category_id"] for mark in first} == {1, 3}
    assert min(first, key=lambda mark: mark["bbox"][0])["category_id"] == 3  # the leftmost one is a cat


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_an_object_of_no_chosen_class_is_a_fault_of_its_picture(layout: str, tmp_path: Path) -> None:
    """As in VOC; a chosen class that the files do not name is a slip of the pen."""
    source, part = declared(tmp_path, layout)
    first = next(iter((tmp_path / "labels").rglob("*.txt")), None)
    if first:
        for text in (tmp_path / "labels").rglob("*.txt"):
            text.write_text("1 0.25 0.5 0.25 0.2\n" if text != first else "2 0.25 0.5 0.25 0.2\n")
    else:
        content = json.loads((tmp_path / "instances.json").read_text())
        content["annotations"] = [m for m in content["annotations"] if m["category_id"] == 3 or m["image_id"] == 0]
        (tmp_path / "instances.json").write_text(json.dumps(content))
    data, found = sources.run(source, tmp_path, {**part, "classes": ["cat"]})
    assert data.info.categories == ("cat",)
    assert len(found["bad_annotation"]) == 1
    assert f"class dog, which acquire.{layout}.classes lacks" in details("bad_annotation")[0]
    with pytest.raises(DataError, match=rf"class 'dgo' .* did you mean 'dog'.*params.yaml: acquire\.{layout}\.classes"):
        sources.run(source, tmp_path, {**part, "classes": ["cat", "dgo"]})


def test_an_id_with_a_point_is_the_same_id(tmp_path: Path) -> None:
    """What pandas has written: 7.0 is category 7."""
    source, part = sources.coco(tmp_path)
    file = tmp_path / "instances.json"
    content = json.loads(file.read_text())
    for mark in content["annotations"]:
        mark["category_id"] = float(mark["category_id"])
    file.write_text(json.dumps(content))
    data, found = sources.run(source, tmp_path, part)
    assert data.info.categories == ("cat", "dog")
    assert not found.get("bad_annotation")


def test_a_class_that_one_split_lacks_stays(tmp_path: Path) -> None:
    """Only a class of no object at all is left out: what the test split lacks may be learnt, and is said."""
    source, part = sources.yolo(tmp_path)
    (tmp_path / "labels/val/p0.txt").write_text("0 0.25 0.5 0.25 0.2\n")
    data, _ = sources.run(source, tmp_path, part)
    assert data.info.categories == ("cat", "dog")
    assert any("dog has no object that counts in val" in line for line in details("class_absent_from_split"))
