"""The figures that choose the best epoch: quick, on the validation split. The judgement proper is ``evaluate``'s."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.images import IGNORE
from stages.core.loading import Item

WATCH = {"classify": "val/accuracy", "detect": "val/map50", "instance": "val/map50", "segment": "val/miou"}
Prediction = dict[str, NDArray[Any]]


def score(task: str, truth: Sequence[Item], answers: Sequence[Prediction], num_classes: int) -> dict[str, float]:
    """Measure a task's predictions.

    Args:
        task: ``classify``, ``detect``, ``instance`` or ``segment``.
        truth: the pictures' truth.
        answers: one prediction per picture; see ``docs/data.md``.
        num_classes: as the head counts them.

    Returns:
        ``val/accuracy``, ``val/map50`` (``val/mask_map50`` too for ``instance``) or ``val/miou``; NaN where undefined.
    """
    if task == "classify":
        return {WATCH[task]: accuracy(truth, answers)}
    if task == "segment":
        return {WATCH[task]: mean_iou(truth, answers, num_classes)}
    boxes = {WATCH[task]: map50(truth, answers, num_classes, "bbox")}
    return boxes | ({"val/mask_map50": map50(truth, answers, num_classes, "segm")} if task == "instance" else {})


def accuracy(truth: Sequence[Item], answers: Sequence[Prediction]) -> float:
    """Return the share of pictures whose highest score is their label's."""
    return float(np.mean([answer["scores"].argmax() == item.label for item, answer in zip(truth, answers, strict=True)]))


def mean_iou(truth: Sequence[Item], answers: Sequence[Prediction], num_classes: int) -> float:
    """Return mIoU: one confusion matrix over all pictures, ignored pixels left out, absent classes dropped."""
    table = np.zeros((num_classes, num_classes), dtype=np.int64)
    for item, answer in zip(truth, answers, strict=True):
        assert item.mask is not None  # noqa: S101 - our own slip otherwise
        seen = item.mask != IGNORE
        pairs = item.mask[seen].astype(np.int64) * num_classes + answer["mask"][seen]
        table += np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    union = table.sum(0) + table.sum(1) - np.diag(table)
    present = union > 0
    return float((np.diag(table)[present] / union[present]).mean()) if present.any() else float("nan")


def map50(truth: Sequence[Item], answers: Sequence[Prediction], num_classes: int, kind: str) -> float:
    """Return COCO's mAP at IoU 0.5 (faster-coco-eval), ``kind`` ``bbox`` or ``segm``; NaN without any object."""
    from faster_coco_eval import COCO, COCOeval_faster  # noqa: PLC0415 - heavy; only for boxes

    ids = range(1, len(truth) + 1)
    shapes = [item.image.shape for item in truth]
    sizes = [{"id": i, "height": shape[0], "width": shape[1]} for i, shape in zip(ids, shapes, strict=True)]
    categories = [{"id": k + 1, "name": str(k)} for k in range(num_classes)]
    marks = [mark for i, item in zip(ids, truth, strict=True) for mark in _marks(i, item.boxes, item.categories, item.masks)]
    found = [
        {**mark, "score": float(value)}
        for i, answer in zip(ids, answers, strict=True)
        for mark, value in zip(
            _marks(i, answer["boxes"], answer["labels"], answer.get("masks")), answer["scores"], strict=True
        )
    ]
    if not marks or not found:
        return 0.0 if marks else float("nan")
    for number, mark in enumerate(marks, start=1):
        mark["id"] = number
    coco = COCO({"images": sizes, "annotations": marks, "categories": categories})
    judge = COCOeval_faster(coco, coco.loadRes(found), iouType=kind, print_function=lambda *_: None)
    judge.evaluate()
    judge.accumulate()
    precision = judge.eval["precision"][0, :, :, 0, -1]
    return float(precision[precision > -1].mean())


def _marks(
    picture: int, boxes: NDArray[np.float32], labels: NDArray[np.int64], masks: NDArray[Any] | None
) -> list[dict[str, Any]]:
    marks = []
    for number, (box, label) in enumerate(zip(boxes.tolist(), labels.tolist(), strict=True)):
        xywh = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
        mark = {"image_id": picture, "category_id": label, "bbox": xywh, "area": xywh[2] * xywh[3], "iscrowd": 0}
        marks.append(mark | ({"segmentation": _rle(masks[number])} if masks is not None else {}))
    return marks


def _rle(mask: NDArray[Any]) -> dict[str, Any]:
    from pycocotools import mask as rle  # noqa: PLC0415 - only for masks

    code = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(v) for v in code["size"]], "counts": code["counts"].decode()}
