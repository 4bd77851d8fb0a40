"""Says what the figures of a task are, as the evaluation was told to read them."""

from collections.abc import Mapping
from typing import Any

_PLAIN = {
    "classify": "Accuracy is the share of pictures whose highest score is the right label. Macro F1 is the mean over "
    "classes of 2 TP / (2 TP + FP + FN); of a group, classes that its truth lacks are left out.",
    "segment": "mIoU comes from one pixel confusion matrix over all pictures of the group, averaged over the classes "
    "that its truth holds; pixels marked 255 are left out. Picture IoU is the mean of that figure over single pictures.",
}
_CURVES = {
    "coco": ("COCO's", "precision at 101 recalls"),
    "voc2007": ("VOC 2007's", "precision at 11 recalls"),
    "voc2010": ("VOC 2010's", "the area under precision over recall"),
}


def definition(task: str, settings: Mapping[str, Any]) -> str:
    """Return what the figures of a task are, in a few sentences.

    Args:
        task: the task.
        settings: the parameters that the evaluation was made with; those of detections have ``average_precision``,
            ``max_detections`` and ``min_score``.

    Example:
        >>> definition("detect", {"average_precision": "voc2007", "max_detections": None, "min_score": 0.3})[:88]
        "mAP50 is VOC 2007's average precision of boxes at IoU 0.5 (precision at 11 recalls; all "
    """
    if task in _PLAIN:
        return _PLAIN[task]
    whose, curve = _CURVES[settings["average_precision"]]
    what = "masks" if task == "instance" else "boxes"
    most = settings["max_detections"]
    taken = "all detections count" if most is None else f"the {most:,} surest detections of each class in each picture count"
    return (
        f"mAP50 is {whose} average precision of {what} at IoU 0.5 ({curve}; {taken}), averaged over the classes present. "
        f"Recall is the share of objects that a detection of their class with a score of {settings['min_score']:g} or more "
        f"finds, by {what} at IoU 0.5."
    )
