"""The figures that choose the best epoch agree with independent references."""

import numpy as np
import pytest
import torch
from torchmetrics.detection import MeanAveragePrecision

from stages.core import validation
from stages.core.loading import Item

NOTHING = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)


def picture(**truth: object) -> Item:
    values = {"image": np.zeros((64, 64, 3), np.uint8), "label": -1, "boxes": NOTHING[0], "categories": NOTHING[1], **truth}
    return Item(**values)


def test_accuracy_counts_the_highest_score() -> None:
    """Two of three pictures are right."""
    answers = [{"scores": np.array(s, np.float32)} for s in ([0.7, 0.3], [0.4, 0.6], [0.9, 0.1])]
    assert validation.accuracy([picture(label=k) for k in (0, 1, 1)], answers) == pytest.approx(2 / 3)


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
    items, answers = [picture(mask=m) for m in truth], [{"mask": m} for m in found]
    assert validation.mean_iou(items, answers, 5) == pytest.approx(np.mean(values))


def test_map50_is_cocos() -> None:
    """mAP50 equals torchmetrics' on random boxes (its float32 recall thresholds aside); no object at all is undefined."""
    rng = np.random.default_rng(1)
    items, answers, preds, targets = [], [], [], []
    for _ in range(12):
        corner = rng.uniform(0, 40, (4, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(6, 20, (4, 2))], 1).astype(np.float32)
        labels = rng.integers(1, 4, 4)
        moved = (boxes + rng.normal(0, 2, boxes.shape)).astype(np.float32)
        scores = rng.random(4).astype(np.float32)
        items.append(picture(boxes=boxes, categories=labels))
        answers.append({"boxes": moved, "labels": labels, "scores": scores})
        preds.append({"boxes": torch.tensor(moved), "labels": torch.tensor(labels), "scores": torch.tensor(scores)})
        targets.append({"boxes": torch.tensor(boxes), "labels": torch.tensor(labels)})
    judge = MeanAveragePrecision(iou_thresholds=[0.5], rec_thresholds=np.linspace(0, 1, 101).tolist(), backend="pycocotools")
    judge.update(preds, targets)
    assert validation.map50(items, answers, 3, "bbox") == pytest.approx(float(judge.compute()["map_50"]), abs=1e-6)
    empty = [{"boxes": NOTHING[0], "labels": NOTHING[1], "scores": np.zeros(0, np.float32)}]
    assert validation.map50(items[:1], empty, 3, "bbox") == 0
    assert np.isnan(validation.map50([picture()], empty, 3, "bbox"))


def test_masks_are_judged_as_masks() -> None:
    """A box that fits with a mask that does not counts for boxes alone."""
    mask = np.zeros((1, 64, 64), np.uint8)
    mask[0, 10:30, 10:30] = 1
    half = mask.copy()
    half[0, 18:] = 0
    box = np.array([[10, 10, 30, 30]], np.float32)
    item = picture(boxes=box, categories=np.array([1]), masks=mask)
    answer = {"boxes": box, "labels": np.array([1]), "scores": np.array([0.9], np.float32), "masks": half.astype(bool)}
    assert validation.score("instance", [item], [answer], 1) == {"val/map50": pytest.approx(1), "val/mask_map50": 0}
