"""Average precision equals COCO's, and its re-weighting equals COCO on repeated pictures."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from stages.judge import average_precision as ap
from stages.judge import detection_rows, detections, objects, panels
from stages.judge.measures import Measure
from stages.maths.geometry import Placement

NUM, CLASSES, SIZE = 25, 3, 200
HERE = Placement(SIZE, SIZE, SIZE, SIZE, SIZE, SIZE)
COCO_RULE = objects.Rule(0.0)
Marks = list[dict[str, Any]]


def made(seed: int = 0) -> tuple[Marks, Marks]:
    """Draw objects of all sizes, some of them crowds, and detections that hit, miss, repeat and confuse."""
    random = np.random.default_rng(seed)
    truths, said = [], []
    for picture in range(NUM):
        for _ in range(random.integers(0, 7)):
            box = [
                float(v) for v in (*random.uniform(0, 60, 2), *random.choice([20, 60, 130], 2) * random.uniform(0.7, 1, 2))
            ]
            truth = {
                "image_id": picture,
                "category_id": int(random.integers(1, CLASSES + 1)),
                "bbox": box,
                "area": box[2] * box[3],
            }
            truths.append({**truth, "iscrowd": int(random.random() < 0.1), "id": len(truths) + 1})
            for _ in range(random.integers(0, 3)):
                shaken = [float(v) for v in np.array(box) + random.normal(0, 4, 4)]
                said.append(
                    {**truth, "bbox": [*shaken[:2], max(shaken[2], 1), max(shaken[3], 1)], "score": float(random.random())}
                )
                said[-1]["category_id"] = truth["category_id"] if random.random() < 0.8 else 1
    for _ in range(30):
        box = [float(v) for v in (*random.uniform(0, 90, 2), *random.uniform(10, 100, 2))]
        said.append({"image_id": int(random.integers(NUM)), "category_id": 2, "bbox": box, "score": float(random.random())})
    return truths, [{k: m[k] for k in ("image_id", "category_id", "bbox", "score")} for m in said]


def coco_stats(truths: Marks, said: Marks, num: int = NUM, most: int = 100) -> list[float]:
    """Run the reference: the twelve figures of COCOeval."""
    content = {
        "info": {},
        "images": [{"id": i, "width": SIZE, "height": SIZE} for i in range(num)],
        "annotations": truths,
        "categories": [{"id": c + 1, "name": str(c)} for c in range(CLASSES)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = content
        reference.createIndex()
        run = COCOeval(reference, reference.loadRes(said), "bbox")
        run.params.maxDets = [1, 10, most]
        run.evaluate()
        run.accumulate()
    return [float(v) for v in _stats(run, most)]


def _stats(run: Any, most: int) -> list[float]:
    """Return mAP, mAP50, mAP75, by size, at any cap (``summarize`` of pycocotools knows 100 alone)."""
    found = []
    for at, area in ((slice(None), 0), (slice(0, 1), 0), (slice(5, 6), 0), *((slice(None), area) for area in (1, 2, 3))):
        precision = run.eval["precision"][at, :, :, area, run.params.maxDets.index(most)]
        found.append(precision[precision > -1].mean() if (precision > -1).any() else -1)
    return found


def rows(truths: Marks, said: Marks, rule: objects.Rule = COCO_RULE) -> detection_rows.Rows:
    """Observe every picture by our own code."""
    found = []
    for picture in range(NUM):
        own = [m for m in truths if m["image_id"] == picture]
        dets = [m for m in said if m["image_id"] == picture]
        boxes = np.array([m["bbox"] for m in dets], float).reshape(-1, 4)
        answer = detections.Answer(
            np.array([m["category_id"] - 1 for m in dets], np.int64),
            np.array([m["score"] for m in dets], float),
            boxes,
            boxes[:, 2] * boxes[:, 3],
        )
        found.append(objects.observe(detections.truth(own, HERE, masks=False), answer, rule, CLASSES))
    return detection_rows.gather(found, CLASSES)


def tables(truths: Marks, said: Marks, area: str = "all", rule: objects.Rule = COCO_RULE) -> list[ap.Matches]:
    """Match by our own code."""
    return detection_rows.tables(rows(truths, said, rule), area)


def measures(found: list[ap.Matches]) -> dict[str, Measure]:
    """Return mAP, mAP50 and mAP75 as the evaluator does."""
    return {name: panels.precision(name, name, found, chosen) for name, chosen in panels.CHOSEN.items()}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [100, 2])
def test_equal_to_coco(seed: int, most: int) -> None:
    """All mAPs are those of pycocotools to the last digits, crowds, ties and empty pictures among them, at any cap."""
    truths, said = made(seed)
    said = [{**mark, "score": round(mark["score"], 1 if seed % 2 else 9)} for mark in said]
    expected = coco_stats(truths, said, most=most)
    one, held = np.ones((1, NUM)), rows(truths, said, objects.Rule(0.0, most))
    ours = [float(measures(detection_rows.tables(held))[name].values(one)[0]) for name in ("map", "map50", "map75")]
    sizes = [detection_rows.tables(held, area) for area in ("small", "medium", "large")]
    ours += [float(measures(tables)["map"].values(one)[0]) for tables in sizes]
    assert ours == pytest.approx(expected, abs=1e-13)


def test_reweighting_equals_coco_on_repeated_pictures() -> None:
    """The mAP under a bootstrap draw is COCOeval's on the pictures taken that many times, exactly."""
    truths, said = made(7)
    random = np.random.default_rng(0)
    ours = measures(tables(truths, said))
    for _ in range(4):
        weights = random.multinomial(NUM, np.full(NUM, 1 / NUM)).astype(float)
        taken = np.repeat(np.arange(NUM), weights.astype(int))
        again = [
            [
                {**m, "image_id": new, "id": 1 + n}
                for n, (new, m) in enumerate(
                    (new, m) for new, old in enumerate(taken) for m in marks if m["image_id"] == old
                )
            ]
            for marks in (truths, said)
        ]
        expected = coco_stats(*again)
        for name, at in (("map", 0), ("map50", 1), ("map75", 2)):
            assert float(ours[name].values(weights[None])[0]) == pytest.approx(expected[at], abs=1e-13)


def test_recall_thresholds_are_doubles() -> None:
    """COCO's 101 recall thresholds as float32 give another figure; ours are the doubles of pycocotools."""
    assert ap.RECALLS.dtype == np.float64
    assert (COCOeval(iouType="bbox").params.recThrs == ap.RECALLS).all()
    each = np.arange(10)
    half = ap.Matches(np.arange(10.0)[::-1], each, each[None] < 7, each[None] >= 7, each, np.ones(10), 10)
    exact = ap.average_precision(half, np.ones((1, 10)))[0, 0]
    rounded = ap._averages(
        half.right,
        half.wrong,
        half.pictures,
        np.array([10.0]),
        np.ones((1, 10)),
        np.linspace(0, 1, 101).astype(np.float32).astype(float),
        2.220446049250313e-16,
    )
    assert exact == pytest.approx(70 / 101, abs=1e-15)  # the double 0.7 of linspace lies above 7 / 10
    assert rounded[0, 0] == pytest.approx(71 / 101, abs=1e-15)


def test_undefined_is_not_minus_one() -> None:
    """A class or a size without objects is undefined and stays out of the mean, where COCOeval says -1."""
    truths, said = made(1)
    few = [m for m in truths if m["category_id"] != 3 and m["area"] > 32**2]
    assert coco_stats(few, said)[3] == -1
    one = np.ones((1, NUM))
    assert np.isnan(measures(tables(few, said, "small"))["map"].values(one)[0])
    third = tables(few, said)[2]
    assert np.isnan(ap.average_precision(third, one)).all()
    assert np.isnan(ap.precision_curve(third)).all()
    assert float(measures(tables(few, said))["map"].values(one)[0]) == pytest.approx(coco_stats(few, said)[0], abs=1e-13)


def test_the_curve_averages_to_the_precision() -> None:
    """The mean of the drawn precision-recall curve is the average precision."""
    found = tables(*made(2))[0]
    assert ap.precision_curve(found, 0).mean() == pytest.approx(
        ap.average_precision(found, np.ones((1, NUM)))[0, 0], abs=1e-12
    )
