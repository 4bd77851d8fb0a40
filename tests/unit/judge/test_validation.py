"""The figures that choose the best epoch agree with independent references."""

import numpy as np
import pytest
import torch
from torchmetrics.detection import MeanAveragePrecision

from stages.judge.validation import Validation
from stages.maths import rle
from stages.maths.geometry import Placement

HERE = Placement(64, 64, 64, 64, 64, 64)
NOTHING = {"boxes": np.zeros((0, 4), np.float32), "labels": np.zeros(0, np.int64), "scores": np.zeros(0, np.float32)}


def marks(boxes: np.ndarray, labels: np.ndarray, **more: object) -> list[dict[str, object]]:
    """Return COCO annotations of boxes (N, 4) xyxy."""
    return [
        {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "category_id": int(label), **more}
        for (x0, y0, x1, y1), label in zip(boxes.tolist(), labels, strict=True)
    ]


def map50(truths: list[list[dict[str, object]]], answers: list[dict[str, np.ndarray]]) -> float:
    """Judge detections."""
    found = Validation("detect", 3)
    for truth, answer in zip(truths, answers, strict=True):
        found.marks(truth, answer, HERE, "")
    return found.figures()["val/map50"]


def test_accuracy_counts_the_highest_score() -> None:
    """Two of three pictures are right."""
    answers = [{"scores": np.array(s, np.float32)} for s in ([0.7, 0.3], [0.4, 0.6], [0.9, 0.1])]
    found = Validation("classify", 2)
    for label, answer in zip((0, 1, 1), answers, strict=True):
        found.label(label, answer, "")
    assert found.figures() == {"val/accuracy": pytest.approx(2 / 3)}


def test_mean_iou_is_the_definition_of_one_table() -> None:
    """One confusion matrix over the data set, 255 ignored, absent classes dropped: computed by sets of pixels here."""
    rng = np.random.default_rng(0)
    truth = [rng.integers(0, 3, (9, 9)).astype(np.uint8) for _ in range(4)]
    found = [rng.integers(0, 3, (9, 9)).astype(np.uint8) for _ in range(4)]
    truth[0][:3] = 255
    cells = [(p, y, x) for p in range(4) for y in range(9) for x in range(9) if truth[p][y, x] != 255]
    values = []
    for k in range(5):
        real, said = {c for c in cells if truth[c[0]][c[1:]] == k}, {c for c in cells if found[c[0]][c[1:]] == k}
        if real | said:
            values.append(len(real & said) / len(real | said))
    judged = Validation("segment", 5)
    for mask, answer in zip(truth, found, strict=True):
        judged.mask(mask, {"mask": answer}, "")
    assert judged.figures() == {"val/miou": pytest.approx(np.mean(values))}


def test_map50_is_cocos() -> None:
    """mAP50 equals torchmetrics' on random boxes (its float32 recall thresholds aside); no object at all is undefined."""
    rng = np.random.default_rng(1)
    truths, answers, preds, targets = [], [], [], []
    for _ in range(12):
        corner = rng.uniform(0, 40, (4, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(6, 20, (4, 2))], 1).astype(np.float32)
        labels = rng.integers(1, 4, 4)
        moved = (boxes + rng.normal(0, 2, boxes.shape)).astype(np.float32)
        scores = rng.random(4).astype(np.float32)
        truths.append(marks(boxes, labels))
        answers.append({"boxes": moved, "labels": labels, "scores": scores})
        preds.append({"boxes": torch.tensor(moved), "labels": torch.tensor(labels), "scores": torch.tensor(scores)})
        targets.append({"boxes": torch.tensor(boxes), "labels": torch.tensor(labels)})
    judge = MeanAveragePrecision(iou_thresholds=[0.5], rec_thresholds=np.linspace(0, 1, 101).tolist(), backend="pycocotools")
    judge.update(preds, targets)
    assert map50(truths, answers) == pytest.approx(float(judge.compute()["map_50"]), abs=1e-6)
    assert map50(truths[:1], [NOTHING]) == 0
    assert np.isnan(map50([[]], [NOTHING]))


def test_masks_are_judged_as_masks() -> None:
    """A box that fits with a mask that does not counts for boxes alone."""
    mask = np.zeros((1, 64, 64), np.uint8)
    mask[0, 10:30, 10:30] = 1
    half = mask.copy()
    half[0, 18:] = 0
    box = np.array([[10, 10, 30, 30]], np.float32)
    answer = {"boxes": box, "labels": np.array([1]), "scores": np.array([0.9], np.float32), "masks": half.astype(bool)}
    found = Validation("instance", 1)
    found.marks(marks(box, np.array([1]), segmentation=rle.encode(mask[0].astype(bool))), answer, HERE, "")
    assert found.figures() == {"val/map50": pytest.approx(1), "val/mask_map50": 0}


def test_more_than_a_hundred_objects_can_be_found() -> None:
    """A perfect model on 150 objects in one picture gets 1: what a head gives counts, and its own cap alone ends it."""
    corners = np.array([[x * 4, y * 4] for x in range(16) for y in range(10)], np.float32)[:150]
    boxes = np.concatenate([corners, corners + 3], axis=1)
    answer = {"boxes": boxes, "labels": np.ones(150, np.int64), "scores": np.linspace(1, 0.5, 150, dtype=np.float32)}
    assert map50([marks(boxes, np.ones(150))], [answer]) == pytest.approx(1)


def test_crowds_and_difficult_objects_neither_help_nor_harm() -> None:
    """One object and five detections inside a crowd, or on difficult objects, score as the object alone does."""
    one = np.array([[2, 2, 12, 12]], np.float32)
    region = np.array([[20, 20, 60, 60]], np.float32)
    inside = np.array([[22 + 4 * i, 22, 30 + 4 * i, 40] for i in range(5)], np.float32)
    answer = {
        "boxes": np.concatenate([inside, one]),
        "labels": np.ones(6, np.int64),
        "scores": np.linspace(0.9, 0.4, 6, dtype=np.float32),
    }
    label = np.ones(1)
    assert map50([marks(one, label) + marks(region, label, iscrowd=1)], [answer]) == pytest.approx(1)
    assert map50([marks(one, label) + marks(region, label)], [answer]) < 0.2
    for flag in ("difficult", "ignore"):
        hidden = [mark for box in inside for mark in marks(box[None], label, **{flag: 1})]
        assert map50([marks(one, label) + hidden], [answer]) == pytest.approx(1)
