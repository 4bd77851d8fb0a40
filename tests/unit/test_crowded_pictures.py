"""Where pictures hold unequal numbers of objects, some of them missed, figures are as unsure as of unequal units."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.core import artefacts, dataset, files
from stages.judge import measures, panels, statistics, units
from stages.judge.average_precision import Matches
from stages.judge.draws import Draws, estimates
from stages.judge.measures import Measure
from tests.judging import judged, project
from tests.simulations.few_holders import everywhere
from tests.simulations.matches import matches

NUM, MANY, STEP = 80, 40, 8
FLOATS = np.float64


def expected(measure: Measure) -> tuple[float, float, float]:
    """Return a figure of all pictures with its interval."""
    one = estimates(panels.of_measures([measure], units.alone(NUM)), Draws(NUM, 200, lambda: np.random.default_rng(0)))
    return interval(one[measure.name].content())


def interval(figure: dict[str, Any]) -> tuple[float, float, float]:
    """Return a figure with its interval from a metrics file."""
    return figure["value"], figure["low"], figure["high"]


def test_each_figure_of_a_detector_is_as_unsure_as_its_crowded_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the split and of each class: recall, average precision; twice as wide as of so many independent objects."""
    data = project(
        tmp_path, monkeypatch, num_images=NUM, num_classes=2, split_shares=(0.0, 0.0, 1.0), size_px=64, masks=False
    )
    random, place = np.random.default_rng(3), data.root / "annotations.json"
    held = np.where(random.random((NUM, 2)) < 0.1, MANY // 2, 1)
    lucky = (random.random(NUM) < 0.8) | (held > 1).any(1)  # by chance the crowded ones are well: they vary least
    content = json.loads(place.read_text())
    content["annotations"] = [
        {
            "id": 100 * row + at + 1, "image_id": image["id"], "category_id": label + 1, "iscrowd": 0, "area": 36,
            "bbox": [STEP * (at % 8) + 1, STEP * (at // 8) + 1, 6, 6],
        }
        for row, image in enumerate(content["images"])
        for at, label in enumerate(np.repeat([0, 1], held[row]).tolist())
    ]  # fmt: skip
    place.write_text(json.dumps(content))
    data = dataset.read(data.root)
    truths, rows = data.annotations(), {name: row for row, name in enumerate(data.manifest["image_id"])}

    def said(row: Any) -> dict[str, Any]:
        marks = truths[row.image_id] if lucky[rows[row.image_id]] else []
        boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in (mark["bbox"] for mark in marks)]).reshape(-1, 4)
        scores = 0.6 + 0.3 * np.random.default_rng(rows[row.image_id]).random(len(boxes))
        return {"boxes": boxes, "labels": np.array([mark["category_id"] for mark in marks], int), "scores": scores}

    judged("detect", data, monkeypatch, said)
    found = files.read_json(artefacts.evaluate_metrics("detect"))
    numbers = np.array([[sum(m["category_id"] == k + 1 for m in truths[name]) for k in (0, 1)] for name in rows], FLOATS)
    hits = numbers * lucky[:, None]
    tables = []
    for objects, right in zip(numbers.T, hits.T, strict=True):
        at = np.repeat(np.arange(NUM), right.astype(int))
        tables.append(everywhere(matches(random.random(at.size), at, np.ones(at.size, bool), objects)))

    def close(figure: dict[str, Any], measure: Measure) -> None:
        assert interval(figure) == pytest.approx(expected(measure), abs=0.02)

    def precision(some: list[Matches]) -> Measure:
        return panels.precision("map50", "mAP50", some, slice(0, 1))

    close(found["recall"], measures.proportion("recall", "recall", "objects", hits.sum(1), numbers.sum(1)))
    close(found["map50"], precision(tables))
    close(found["ar"], panels.recall("ar", "AR", tables))
    for k, own in enumerate(found["per_class"].values()):
        close(own["recall"], measures.proportion("recall", "recall", "objects", hits[:, k], numbers[:, k]))
        close(own["map50"], precision([tables[k]]))
    value, low, high = interval(found["recall"])
    ends = statistics.wilson(value, numbers.sum())
    assert high - low > 2 * float(ends[1] - ends[0])  # as if each object were a picture
