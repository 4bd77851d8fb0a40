"""A number that no picture can have is one picture's finding, or one line that names the file; the others go on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import DataError
from stages.parts.sources import _layout, _numbers
from tests import sources

BIG = "9" * 400
LONG = "9" * 5000


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _voc(old: str, new: str) -> Callable[[Path], tuple[str, dict[str, Any]]]:
    def write(root: Path) -> tuple[str, dict[str, Any]]:
        layout = sources.voc(root)
        page = root / "Annotations/p1.xml"
        text = page.read_text(encoding="utf-8")
        assert old in text
        sources.put(page, text.replace(old, new))
        return layout

    return write


def _coco(place: str, key: str, text: str) -> Callable[[Path], tuple[str, dict[str, Any]]]:
    """Put a JSON text at a key of the second picture, or of its first mark."""

    def write(root: Path) -> tuple[str, dict[str, Any]]:
        layout = sources.coco(root)
        book = json.loads((root / "instances.json").read_text(encoding="utf-8"))
        book[place][1 if place == "images" else 3][key] = "HOSTILE"
        sources.put(root / "instances.json", json.dumps(book).replace('"HOSTILE"', text))
        return layout

    return write


def _yolo(line: str) -> Callable[[Path], tuple[str, dict[str, Any]]]:
    def write(root: Path) -> tuple[str, dict[str, Any]]:
        layout = sources.yolo(root)
        sources.put(root / "labels/train/p1.txt", f"0 0.5 0.5 0.1 0.1\n{line}\n")
        return layout

    return write


NUMBERS = ["1e999", "inf", "nan", "-1e999", LONG, BIG, "1e300"]
JSON = ["NaN", "Infinity", "-Infinity", "1e999", BIG, LONG, "1e300"]
CASES = {
    **{f"VOC difficult {n[:9]}": _voc("<difficult>0<", f"<difficult>{n}<") for n in NUMBERS},
    **{f"VOC width {n[:9]}": _voc("<width>40<", f"<width>{n}<") for n in NUMBERS},
    **{f"VOC corner {n[:9]}": _voc("<xmax>11<", f"<xmax>{n}<") for n in NUMBERS},
    **{f"COCO width {n[:9]}{len(n)}": _coco("images", "width", n) for n in JSON},
    **{f"COCO iscrowd {n[:9]}{len(n)}": _coco("annotations", "iscrowd", n) for n in JSON},
    **{f"COCO box {n[:9]}{len(n)}": _coco("annotations", "bbox", f"[{n}, 2, 8, 8]") for n in JSON},
    **{f"COCO corner {n[:9]}{len(n)}": _coco("annotations", "segmentation", f"[[2, 2, 9, {n}, 9, 9]]") for n in JSON},
    "COCO run": _coco("annotations", "segmentation", '{"size": [100000, 100000], "counts": [0, 10000000000]}'),
    "COCO run in a small picture": _coco("annotations", "segmentation", '{"size": [30, 40], "counts": [10000000000]}'),
    "COCO size of runs": _coco("annotations", "segmentation", '{"size": [Infinity, 40], "counts": [1]}'),
    **{f"YOLO box {n[:9]}{len(n)}": _yolo(f"0 0.5 0.5 {n} 0.1") for n in NUMBERS},
    **{f"YOLO class {n[:9]}{len(n)}": _yolo(f"{n} 0.5 0.5 0.1 0.1") for n in NUMBERS},
    **{f"YOLO corner {n[:9]}{len(n)}": _yolo(f"0 0.1 0.1 0.5 {n} 0.5 0.5") for n in NUMBERS},
}


@pytest.mark.parametrize("case", CASES)
def test_a_number_that_no_picture_has_is_one_finding(case: str, tmp_path: Path) -> None:
    """The picture is left out with its name, the others stay."""
    kind, part = CASES[case](tmp_path / "input")
    data, found = sources.run(kind, tmp_path / "input", part)
    assert [Path(name).stem for name in found["bad_annotation"]] == ["p1"]
    assert len(data.manifest) == 5
    assert all(len(finding["detail"]) < 300 for finding in sources.findings())


@pytest.mark.parametrize(
    ("layout", "name", "text"),
    [
        (sources.coco, "instances.json", "[" * 100_000),
        (sources.coco, "instances.json", '{"a":' * 100_000),
        (sources.yolo, "data.yaml", "names: " + "[" * 5_000),
        (sources.yolo, "data.yaml", "names: [a]\nday: 2020-99-99\n"),
        (sources.yolo, "data.yaml", f"names: [a]\nnc: {LONG}\n"),
        (sources.yolo, "data.yaml", "names: {0: a, b: c}\n"),
    ],
)
def test_a_file_that_cannot_be_followed_is_named(
    layout: Callable[[Path], tuple[str, dict[str, Any]]], name: str, text: str, tmp_path: Path
) -> None:
    """Nested too deeply, a date that is none, more digits than Python reads: one line with the file."""
    kind, part = layout(tmp_path / "input")
    sources.put(tmp_path / "input" / name, text)
    with pytest.raises(DataError, match=name):
        sources.run(kind, tmp_path / "input", part)


def test_labels_of_many_digits_are_sorted_as_numbers(tmp_path: Path) -> None:
    """Labels of a table may be any text: 5,000 digits, or digits that ASCII does not have."""
    names = ["10", "9", "009", LONG, "1" + LONG, "²", "a2", "a10"]
    assert sorted(names, key=_layout.natural) == ["9", "009", "10", LONG, "1" + LONG, "a2", "a10", "²"]


@pytest.mark.parametrize("value", [0, -3, 2.5, "7", " 8 ", 2**31, "1e3"])
def test_a_number_of_a_picture_is_read(value: Any) -> None:
    """Numbers and their texts come as they are."""
    assert _numbers.number(value, "x") == float(value)


@pytest.mark.parametrize("value", [None, "", "a", [], {}, float("nan"), float("inf"), 10**400, LONG, 2**31 + 1])
def test_any_other_is_refused_in_a_short_line(value: Any) -> None:
    """The message names what it is, and shows no more of it than a few signs."""
    with pytest.raises(ValueError, match=r"^width is .*expected a number") as caught:
        _numbers.number(value, "width")
    assert len(str(caught.value)) < 120
