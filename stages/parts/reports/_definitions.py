"""Says what the figures of a task are, as the evaluation was told to read them."""

from collections.abc import Mapping
from typing import Any

_PLAIN = {
    "classify": (
        "Accuracy is the share of pictures whose highest score is the right label. Macro F1 is the mean over "
        "classes of 2 TP / (2 TP + FP + FN). Over the whole split the classes count that its truth holds or that "
        "were said, so that one that was said and is not there counts as 0; of a group those count that its truth"
        " holds."
    ),
    "segment": (
        "mIoU is the mean over classes of TP / (TP + FP + FN), from one pixel confusion matrix over all pictures "
        "of the split, or of the group; pixels marked 255 are left out. Over the whole split the classes count "
        "that its truth holds or that were said, so that one that was said and is not there counts as 0; of a "
        "group those count that its truth holds. Picture IoU is the mean over pictures, of the split or of a "
        "group, of each picture's own mean over the classes that it holds or that were said of it: a class that "
        "is not there counts as 0 in each picture in which a single pixel was said to be of it. Pixel accuracy is"
        " the share of pixels that were said to be of their class."
    ),
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
        f"mAP50 is {whose} average precision of {what} at IoU 0.5 ({curve}; {taken}), mAP75 the same at IoU 0.75, "
        "mAP its mean over the ten IoUs from 0.5 to 0.95. AR is the average recall: the share of a class's "
        "objects that detections of any score find, its mean over the same ten IoUs. Each is averaged over the "
        "classes of which the pictures, of the split or of a group, hold an object; what was said of other "
        "classes is left out. Recall is the share of objects, of all classes together, that a detection of their "
        f"class with a score of {settings['min_score']:g} or more finds, by {what} at IoU 0.5. Crowds and objects "
        "marked difficult or ignored do not count as objects, nor detections of their class on them."
    )
