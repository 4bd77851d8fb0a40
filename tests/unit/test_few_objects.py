"""A test split of many pictures of which a handful hold an object is judged by that handful."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.core import artefacts, dataset, files
from stages.judge import statistics
from tests.judging import judged, project

HOLDING = 5


@pytest.mark.parametrize("task", ["detect", "instance"])
def test_five_pictures_with_objects_of_many_are_five(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All their objects are found: figures have the interval of these five, the split is named, no group is compared."""
    data = project(tmp_path, monkeypatch, num_images=60, num_classes=1, split_shares=(0.0, 0.0, 1.0))
    place = data.root / "annotations.json"
    content = json.loads(place.read_text())
    kept = {image["id"] for image in content["images"][:HOLDING]}
    content["annotations"] = [mark for mark in content["annotations"] if mark["image_id"] in kept]
    place.write_text(json.dumps(content))
    data = dataset.read(data.root)
    truths = data.annotations()

    def said(row: Any) -> dict[str, Any]:
        boxes = [[x, y, x + w, y + h] for x, y, w, h in (mark["bbox"] for mark in truths[row.image_id])]
        answer = {
            "boxes": np.array(boxes).reshape(-1, 4),
            "labels": np.ones(len(boxes), int),
            "scores": np.full(len(boxes), 0.9),
        }
        return answer | {"masks": _filled(boxes, (row.height, row.width))} if task == "instance" else answer

    judged(task, data, monkeypatch, said)
    found = files.read_json(artefacts.evaluate_metrics(task))
    counts = np.array([len(marks) for marks in truths.values() if marks])
    assert counts.size == HOLDING
    expected = [float(end) for end in statistics.wilson(1.0, counts.sum() ** 2 / (counts**2).sum())]
    (own,) = found["per_class"].values()
    figures = [found["recall"], own["recall"], own["map50"]] + ([found["box"]["map50"]] if task == "instance" else [])
    for one in [found["map50"], *figures] if task == "detect" else figures[-1:]:
        assert one["value"] == 1.0
        assert [one["low"], one["high"]] == pytest.approx(expected, abs=1e-6)
    (fault,) = [fault for fault in found["degenerate"] if fault["kind"] == "few_units"]
    assert "the test split has 5 pictures with an object that counts, fewer than the 11" in fault["reason"]
    audited = files.read_json(artefacts.audit_metrics(task))
    assert audited["verdict"] == "UNDECIDED"
    assert all("gap" not in one for columns in audited["by_group"].values() for one in columns.values())


def _filled(boxes: list[list[float]], shape: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    masks = np.zeros((len(boxes), *shape), np.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[round(y0) : round(y1), round(x0) : round(x1)] = 1
    return masks
