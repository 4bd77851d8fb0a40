"""Truth and answer of one picture, as detections are judged: in the prepared picture's pixels, areas in those of the user's.

Crowds (COCO's ``iscrowd``), difficult objects (VOC's ``difficult``) and ignored ones (``ignore``) are spared: they neither
help nor harm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from stages.judge import answers
from stages.maths import rle
from stages.maths.geometry import Placement

Mark = Mapping[str, Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
SPARED = ("iscrowd", "difficult", "ignore")
_ROUND = 1  # decimals of an area that was scaled: what rounding of coordinates added must not move it over 32 ** 2


@dataclass(frozen=True)
class Truth:
    """The objects of one picture, in the pixels of the prepared picture.

    Attributes:
        labels: (G,) class index, from 0.
        boxes: (G, 4) xywh.
        areas: (G,) in pixels of the user's own picture.
        crowd: (G,) a region of many objects.
        spared: (G,) neither helps nor harms; crowds among them.
        masks: (G,) run lengths as pycocotools takes them; None where boxes alone are judged.
    """

    labels: Ints
    boxes: Floats
    areas: Floats
    crowd: Flags
    spared: Flags
    masks: Sequence[Any] | None = None

    def chosen(self, which: Ints) -> "Truth":
        """Return some of the objects."""
        return Truth(
            self.labels[which],
            self.boxes[which],
            self.areas[which],
            self.crowd[which],
            self.spared[which],
            None if self.masks is None else [self.masks[i] for i in which.tolist()],
        )


@dataclass(frozen=True)
class Answer:
    """What a model found in one picture, in the pixels of the prepared picture.

    Attributes:
        labels: (D,) class index, from 0.
        scores: (D,).
        boxes: (D, 4) xywh.
        areas: (D,) of boxes, in pixels of the user's own picture.
        mask_areas: (D,) of masks, likewise; None where boxes alone are judged.
        masks: (D,) run lengths; None where boxes alone are judged.
    """

    labels: Ints
    scores: Floats
    boxes: Floats
    areas: Floats
    mask_areas: Floats | None = None
    masks: Sequence[Any] | None = None

    def chosen(self, which: Ints) -> "Answer":
        """Return some of the detections."""
        return Answer(
            self.labels[which],
            self.scores[which],
            self.boxes[which],
            self.areas[which],
            None if self.mask_areas is None else self.mask_areas[which],
            None if self.masks is None else [self.masks[i] for i in which.tolist()],
        )


def is_spared(mark: Mark) -> bool:
    """Tell whether an annotation neither helps nor harms.

    Example:
        >>> is_spared({"iscrowd": 0, "difficult": 1}), is_spared({"bbox": [0, 0, 2, 2]})
        (True, False)
    """
    return any(mark.get(flag) for flag in SPARED)


def truth(marks: Sequence[Mark], at: Placement, *, masks: bool) -> Truth:
    """Read a picture's annotations.

    Args:
        marks: COCO annotations in the pixels of the prepared picture; category ids count from 1.
        at: where the user's picture lies in it.
        masks: read segmentations too.
    """
    boxes = np.array([mark["bbox"] for mark in marks], np.float64).reshape(-1, 4)
    coded = [_coded(mark["segmentation"], at) for mark in marks] if masks else None
    areas = [mark.get("area", mark["bbox"][2] * mark["bbox"][3]) for mark in marks]
    return Truth(
        np.array([mark["category_id"] - 1 for mark in marks], np.int64),
        boxes,
        _own(np.array(areas, np.float64), at),
        np.array([bool(mark.get("iscrowd")) for mark in marks], bool),
        np.array([is_spared(mark) for mark in marks], bool),
        coded,
    )


def answer(prediction: Mapping[str, NDArray[Any]], at: Placement, name: str, *, masks: bool) -> Answer:
    """Read a model's answer.

    What lies outside the user's picture, on a letterbox's padding too, is cut off, as it is for the user. Scores have six
    decimals, as they are written.

    Args:
        prediction: ``boxes`` (D, 4) xyxy, ``labels`` (D,) from 1, ``scores`` (D,) and, for instances, ``masks`` (D, H, W).
        at: where the user's picture lies in the prepared one.
        name: of the picture.
        masks: read masks too.

    Raises:
        DataError: the answer is not finite.
    """
    answers.check(prediction, name)
    corners = np.asarray(prediction["boxes"], np.float64).reshape(-1, 4)
    low = np.array([at.offset_x, at.offset_y] * 2)
    corners = corners.clip(low, low + np.array([at.new_width, at.new_height] * 2))
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    coded = [_encoded(mask, at) for mask in prediction["masks"]] if masks else None
    labels, scores = np.asarray(prediction["labels"], np.int64) - 1, np.asarray(prediction["scores"], np.float64).round(6)
    return placed(labels, scores, boxes, coded, at)


def placed(labels: Ints, scores: Floats, boxes: Floats, masks: Sequence[Any] | None, at: Placement) -> Answer:
    """Return detections in a prepared picture with their areas in the user's; see ``Answer``."""
    areas = None if masks is None else _own(np.asarray(coco.area(list(masks)), np.float64).reshape(-1), at)
    return Answer(labels, scores, boxes, _own(boxes[:, 2] * boxes[:, 3], at), areas, masks)


def _own(areas: Floats, at: Placement) -> Floats:
    """Turn areas into pixels of the user's picture."""
    scale = at.scale_x * at.scale_y
    return areas if scale == 1 else (areas / scale).round(_ROUND)


def _coded(segmentation: Any, at: Placement) -> Any:
    return coco.encode(np.asfortranarray(rle.decode(segmentation, at.canvas_height, at.canvas_width).astype(np.uint8)))


def _encoded(mask: NDArray[Any], at: Placement) -> Any:
    inside = np.zeros((at.canvas_height, at.canvas_width), np.uint8, order="F")
    part = (slice(at.offset_y, at.offset_y + at.new_height), slice(at.offset_x, at.offset_x + at.new_width))
    inside[part] = np.asarray(mask, bool)[part]
    return coco.encode(inside)
