"""Copies that are annotated otherwise are contradictions, and a picture keeps the truth that came with it."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.core import artefacts, contradictions, images
from stages.core.items import Mark
from tests import sources

HEIGHT, WIDTH = 90, 100
CSV = {**sources.CSV, "mask_column": "mask", "mask_classes": ["ground", "thing"]}


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def _mask(first: int, last: int, level: int = 6) -> bytes:
    """Return a file whose rows from first to last are a thing."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[first : last + 1, 20:60] = 1
    held = BytesIO()
    Image.fromarray(mask).save(held, "PNG", compress_level=level)
    return held.getvalue()


def _masks(root: Path, copies: dict[str, tuple[str, bytes | None]]) -> None:
    """Write nine pictures with masks, and further files of picture 0 by name, each with its split and its own mask."""
    rows = ["path,label,split,mask"]
    for number in range(9):
        sources.put(root / f"z/{number}.png", sources.picture(number, (WIDTH, HEIGHT)))
        sources.put(root / f"m/{number}.png", _mask(number, number + 30))
        rows.append(f"z/{number}.png,a,{('train', 'val', 'test')[number % 3]},m/{number}.png")
    for name, (split, mask) in copies.items():
        sources.put(root / name, sources.picture(50, (WIDTH, HEIGHT)))
        if mask is not None:
            sources.put(root / f"m/{name}.png", mask)
        rows.append(f"{name},a,{split},{'' if mask is None else f'm/{name}.png'}")
    sources.put(root / "pictures.csv", "\n".join(rows))


def _stored(data: Any) -> dict[str, np.ndarray]:
    rows = zip(data.manifest["source"], data.manifest["mask"], strict=True)
    return {source: images.read_mask(artefacts.ACQUIRED / mask) for source, mask in rows}


@pytest.mark.parametrize("names", [("p/00.png", "q/00.png"), ("q/00.png", "p/00.png"), ("p/00.png", "q/00.PNG")])
def test_a_picture_keeps_the_mask_that_came_with_it(tmp_path: Path, names: tuple[str, str]) -> None:
    """Of two files with the same bytes and other masks both go; where the rules keep one, its own mask lies beside it."""
    in_train, in_test = names
    _masks(tmp_path, {in_train: ("train", _mask(10, 39)), in_test: ("test", _mask(60, 89))})
    data, found = sources.run("csv", tmp_path, CSV)
    assert found["conflicting_labels"] == sorted(names)
    assert not set(names) & set(data.manifest["source"])
    assert "with another mask than" in (artefacts.ACQUIRED / "gate.md").read_text()
    data, found = sources.run("csv", tmp_path, CSV, gate={"conflicting_labels": "warn"})
    assert found["torn_duplicate"] == [in_train]
    assert np.flatnonzero(_stored(data)[in_test].any(axis=1)).tolist() == list(range(60, 90))


def test_no_mask_says_nothing_against_one(tmp_path: Path) -> None:
    """A copy without a mask goes, and that with one stays; kept by ``warn`` they differ, and the words are true of both."""
    _masks(tmp_path, {"p/00.png": ("", None), "q/00.png": ("", _mask(60, 89))})
    data, found = sources.run("csv", tmp_path, CSV)
    assert found["no_mask"] == ["p/00.png"]
    assert "conflicting_labels" not in found
    assert _stored(data)["q/00.png"].sum() == 30 * 40
    _, found = sources.run("csv", tmp_path, CSV, gate={"no_mask": "warn"})
    assert found["conflicting_labels"] == ["p/00.png", "q/00.png"]
    assert (
        "p/00.png: a; q/00.png: a, with a mask" in {f["kind"]: f["detail"] for f in sources.findings()}["conflicting_labels"]
    )


def test_masks_are_compared_by_their_values(tmp_path: Path) -> None:
    """The same mask in other bytes is the same; no file of what was left out stays, each mask is named by its picture."""
    _masks(tmp_path, {"p/00.png": ("train", _mask(10, 39, 0)), "q/00.png": ("test", _mask(10, 39, 9))})
    data, found = sources.run("csv", tmp_path, CSV)
    assert "conflicting_labels" not in found
    assert found["torn_duplicate"] == ["p/00.png"]
    assert _stored(data)["q/00.png"].sum() == 30 * 40
    left = sorted(path.name for path in (artefacts.ACQUIRED / "masks").iterdir())
    assert left == [f"{name}.png" for name in data.manifest["image_id"]]


@pytest.mark.parametrize(
    ("boxes", "conflict"),
    [
        (([0, 0, 20, 20], [60, 60, 20, 20]), True),
        (([10, 10, 20, 20], [10.4, 9.6, 20.3, 20]), False),
        (([10, 10, 20, 20], [11, 10, 20, 20]), True),
    ],
)
def test_objects_elsewhere_are_a_contradiction(tmp_path: Path, boxes: tuple[list[float], ...], *, conflict: bool) -> None:
    """One cat here against one cat there is no plain copy; rounding by less than a pixel is."""
    source, part = sources.coco(tmp_path)
    told = json.loads((tmp_path / "instances.json").read_text())
    pixels = Image.open(BytesIO(sources.picture(70, (WIDTH, HEIGHT))))
    for number, (name, box) in enumerate(zip(("twin.png", "twin.bmp"), boxes, strict=True), 100):
        pixels.save(tmp_path / "images" / name)
        told["images"].append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        mark = {"id": number, "image_id": number, "category_id": 3, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        told["annotations"].append(mark)
    sources.put(tmp_path / "instances.json", json.dumps(told))
    data, found = sources.run(source, tmp_path, part)
    kinds = ("conflicting_labels", "duplicate_pixels")
    assert [len(found.get(kind, [])) for kind in kinds] == ([2, 0] if conflict else [0, 1])
    assert sum("twin" in name for name in data.manifest["source"]) == (0 if conflict else 2)


places = st.lists(st.sampled_from([(x, y) for x in (2, 30, 60) for y in (2, 30, 60)]), min_size=1, max_size=9, unique=True)


@given(at=places, data=st.data())
def test_order_and_rounding_do_not_matter(at: list[tuple[int, int]], data: st.DataObject) -> None:
    """Objects in another order, each edge less than a pixel off, are the same; one moved by a pixel or more is not."""
    noise = st.floats(-0.45, 0.45)
    marks = [Mark("cat", (x, y, 20.0, 20.0)) for x, y in at]
    moved = [Mark("cat", (x + data.draw(noise), y + data.draw(noise), 20 + data.draw(noise), 20.0)) for x, y in at]
    moved = data.draw(st.permutations(moved))
    assert contradictions.same_objects(marks, moved, HEIGHT, WIDTH)
    x, y, w, h = moved[0].bbox
    away = [Mark("cat", (x + data.draw(st.floats(1.5, 5)), y, w, h)), *moved[1:]]
    assert not contradictions.same_objects(marks, away, HEIGHT, WIDTH)
    assert not contradictions.same_objects(marks, moved[1:], HEIGHT, WIDTH)
    other = [Mark("dog", moved[0].bbox), *moved[1:]]
    assert not contradictions.same_objects(marks, other, HEIGHT, WIDTH)
    crowd = [Mark("cat", moved[0].bbox, None, {"iscrowd": 1}), *moved[1:]]
    assert not contradictions.same_objects(marks, crowd, HEIGHT, WIDTH)


def test_each_object_has_one_of_its_own() -> None:
    """Three boxes in a row, each near the next: whichever is taken first, all find one; no box serves two."""
    row = [Mark("cat", (x, 5.0, 20.0, 20.0)) for x in (5.0, 5.8, 6.6)]
    shifted = [Mark("cat", (x, 5.0, 20.0, 20.0)) for x in (5.7, 4.9, 6.5)]
    assert contradictions.same_objects(row, shifted, HEIGHT, WIDTH)
    twice = [Mark("cat", (x, 5.0, 20.0, 20.0)) for x in (5.0, 5.0, 5.0)]
    assert not contradictions.same_objects(row, twice, HEIGHT, WIDTH)


def test_outlines_count_within_their_boxes() -> None:
    """In one box a square, the same less than a pixel off, and a triangle: the first two agree, the third with none."""
    box = (10.0, 10.0, 40.0, 40.0)
    square = [[10.0, 10.0, 50.0, 10.0, 50.0, 50.0, 10.0, 50.0]]
    rounded = [[10.3, 9.7, 50.2, 10.4, 49.8, 50.3, 10.0, 49.6]]
    triangle = [[10.0, 10.0, 50.0, 10.0, 50.0, 50.0]]
    one, off, other, bare = (Mark("cat", box, outline) for outline in (square, rounded, triangle, None))
    assert contradictions.same_objects([one], [off], HEIGHT, WIDTH)
    assert not contradictions.same_objects([one], [other], HEIGHT, WIDTH)
    assert not contradictions.same_objects([one], [bare], HEIGHT, WIDTH)
    assert contradictions.same_objects([one, other], [other, off], HEIGHT, WIDTH)
