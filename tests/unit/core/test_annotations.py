"""Packed annotations are those of the file, by picture too, in a fraction of the memory."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import annotations
from stages.core.annotations import ByPicture
from stages.core.errors import DataError

NUMBERS = st.floats(0, 1e6, allow_nan=False)
CODED = st.fixed_dictionaries({"size": st.just([4, 4]), "counts": st.text()})
MARK = st.fixed_dictionaries(
    {"image_id": st.integers(1, 6), "category_id": st.integers(1, 3), "bbox": st.lists(NUMBERS, min_size=4, max_size=4)},
    optional={
        "segmentation": st.lists(st.lists(NUMBERS, max_size=6)) | CODED,
        "iscrowd": st.booleans(),
        "note": st.none() | st.text(),
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("annotations") / "annotations.json"


def written(path: Path, marks: list[dict[str, Any]]) -> Path:
    images = [{"id": number, "rawline_id": f"p{number}", "file_name": f"{number}.png"} for number in range(1, 6)]
    path.write_text(json.dumps({"annotations": marks, "categories": [{"id": 1, "name": "a"}], "images": images}))
    return path


@given(st.lists(MARK, max_size=12), st.sets(st.integers(1, 6)))
def test_they_are_the_file_s(place: Path, marks: list[dict[str, Any]], some: set[int]) -> None:
    """To the last digit: as a whole, one by one, as a slice, of some pictures, and by picture in the file's order."""
    content = annotations.read(written(place, marks))
    plain = json.loads(place.read_text())
    held = content["annotations"]
    assert {**content, "annotations": list(held)} == plain
    assert (len(held), held[1:3]) == (len(marks), plain["annotations"][1:3])
    part = held.of(some)
    expected = [mark for mark in plain["annotations"] if mark["image_id"] in some]
    assert list(part) == expected
    for packed, listed in ((held, plain["annotations"]), (part, expected)):
        by_picture = {f"p{n}": [mark for mark in listed if mark["image_id"] == n] for n in range(6, 0, -1)}
        numbers = {f"p{n}": n for n in range(6, 0, -1)}
        assert (
            list(ByPicture(numbers, packed).items()) == list(ByPicture(numbers, listed).items()) == list(by_picture.items())
        )


def test_a_picture_without_a_number_has_none(place: Path) -> None:
    """A row of the manifest that COCO does not know has no annotations; a name that is no row is an error."""
    held = annotations.read(written(place, [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]))["annotations"]
    found = ByPicture({"p1": 1, "new": None}, held)
    assert [len(found[name]) for name in found] == [1, 0]
    with pytest.raises(KeyError):
        found["elsewhere"]


def test_what_a_reader_changes_stays_its_own(place: Path) -> None:
    """Two readers get two dictionaries."""
    held = annotations.read(written(place, [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]))["annotations"]
    held[0]["bbox"][0] = 9
    assert held[0]["bbox"] == [0, 0, 1, 1]


@pytest.mark.parametrize("text", ['{"annotations": [{"image_id": 1}]}', "[]", "{}", '{"annotations": 3}'])
def test_a_broken_file_is_named(place: Path, text: str) -> None:
    """An annotation without box or class, or no list of them, is one clear line."""
    place.write_text(text)
    with pytest.raises(DataError, match=r"annotations\.json is no COCO file.*dvc repro"):
        annotations.read(place)


def test_they_take_a_fraction_of_the_memory(place: Path) -> None:
    """What stays of 20,000 masks is less than a third of what dictionaries take."""
    mask = {"size": [512, 512], "counts": "Xh0" * 20}
    plain = {"category_id": 1, "area": 600.5, "iscrowd": 0, "segmentation": mask}
    boxes = [[n + 0.5, 1.5, 20.25, 30.75] for n in range(20_000)]
    written(place, [{"id": n, "image_id": 1 + n % 5, "bbox": box, **plain} for n, box in enumerate(boxes)])
    taken = []
    for read in (annotations.read, lambda path: json.loads(path.read_text())):
        tracemalloc.start()
        kept = read(place)
        taken.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        del kept
    assert taken[0] < taken[1] / 3
