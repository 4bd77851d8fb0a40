"""Answers that do not look at the picture: what a model must be shown to beat.

* Of labels and pixels: the class with the most units, always. No other single class has a higher accuracy, macro F1 or mIoU.
* Of objects: nothing (every figure is 0), or in every picture one box of each category, where the middle one of its objects
  lies, by shares of the picture's sides.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco
from scipy import sparse

from stages.judge import degenerate, detection_rows, detections, objects, paired, statistics
from stages.judge.classes import Counts
from stages.judge.detection_rows import Rows
from stages.judge.detections import Answer
from stages.judge.draws import Draws
from stages.judge.measures import Measure
from stages.judge.objects import Rule
from stages.judge.units import Units
from stages.maths.geometry import Placement

Floats = NDArray[np.float64]
Truths = Collection[Sequence[Mapping[str, Any]]]
IOU = 0.5  # the lowest at which a detection finds an object


def of_classes(held: Counts) -> tuple[int, Counts]:
    """Return the class with the most units, and what always saying it comes to.

    Args:
        held: units by picture and class; whatever was said is not looked at.
    """
    units = np.asarray(held.real.sum(axis=0)).ravel()
    label, shape = int(units.argmax()), held.real.shape
    totals = np.asarray(held.real.sum(axis=1), np.float64).ravel()
    rows = np.arange(shape[0])
    at = (rows, np.full(rows.size, label))
    hit = np.asarray(held.real[:, [label]].sum(axis=1), np.float64).ravel()
    return label, Counts(sparse.csr_array((hit, at), shape=shape), held.real, sparse.csr_array((totals, at), shape=shape))


def middle_boxes(truths: Truths, places: Sequence[Placement], num_classes: int) -> Floats:
    """Return the middle box of each category's objects, (K, 4) xyxy in shares of the picture; NaN for one without objects.

    Args:
        truths: COCO annotations of each picture, in the pixels of the prepared picture.
        places: where each of the user's pictures lies in it.
        num_classes: K.
    """
    labels, shares = _shares(truths, places)
    found = np.full((num_classes, 4), np.nan)
    for label in np.unique(labels).tolist():
        found[label] = np.median(shares[labels == label], axis=0)
    return found


def most_found(truths: Truths, places: Sequence[Placement], middle: Floats) -> float:
    """Return a bound on every figure of the middle boxes: the largest share of a category's objects that its box overlaps.

    No average precision is above its recall, and no mean over categories above the largest of them. It saves looking at
    the pictures one by one where a model is beyond it anyway; of masks the boxes are taken.
    """
    labels, shares = _shares(truths, places)
    hits = _overlaps(shares, middle[labels]) >= IOU  # overlap does not change where a picture is stretched
    each = np.bincount(labels, hits, middle.shape[0]) / np.maximum(np.bincount(labels, minlength=middle.shape[0]), 1)
    return float(each.max(initial=0.0))


def observe_boxes(truths: Truths, places: Sequence[Placement], middle: Floats, rule: Rule) -> Rows:
    """Return what saying the middle boxes in every picture comes to; as masks they are filled.

    Args:
        truths: see ``middle_boxes``.
        places: see ``middle_boxes``.
        middle: (K, 4).
        rule: by which the model was judged.
    """
    rows = []
    for marks, at in zip(truths, places, strict=True):
        truth = detections.truth(marks, at, masks=rule.masks)
        rows.append(objects.observe(truth, _said(middle, at, masks=rule.masks), rule, len(middle)))
    return detection_rows.gather(rows, len(middle))


def _said(middle: Floats, at: Placement, *, masks: bool) -> Answer:
    labels = np.flatnonzero(np.isfinite(middle).all(axis=1))
    corners = middle[labels] * ([at.new_width, at.new_height] * 2) + [at.offset_x, at.offset_y] * 2
    found = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    areas = found[:, 2] * found[:, 3] / (at.scale_x * at.scale_y)
    filled = coco.frPyObjects(found, at.canvas_height, at.canvas_width) if masks and labels.size else None
    return Answer(labels, np.ones(labels.size), found, areas, areas if masks else None, filled if masks else None)


def _shares(truths: Truths, places: Sequence[Placement]) -> tuple[NDArray[np.int64], Floats]:
    """Return category index (G,) and box (G, 4) xyxy, in shares of the picture, of all objects that count."""
    labels, found = [np.zeros(0, np.int64)], [np.zeros((0, 4))]
    for marks, at in zip(truths, places, strict=True):
        counted = [mark for mark in marks if not detections.is_spared(mark)]
        boxes, sides = np.array([m["bbox"] for m in counted], np.float64).reshape(-1, 4), (at.new_width, at.new_height)
        first = (boxes[:, :2] - (at.offset_x, at.offset_y)) / sides
        labels.append(np.array([m["category_id"] - 1 for m in counted], np.int64))
        found.append(np.concatenate([first, first + boxes[:, 2:] / sides], axis=1))
    return np.concatenate(labels), np.concatenate(found)


def _overlaps(one: Floats, other: Floats) -> Floats:
    """Return (N,) intersection over union of boxes (N, 4) xyxy, pair by pair."""
    sides = (np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])).clip(0)
    common = sides.prod(axis=1)
    union = (one[:, 2:] - one[:, :2]).prod(axis=1) + (other[:, 2:] - other[:, :2]).prod(axis=1) - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))


def gain(model: Measure, constant: Measure, draws: Draws) -> degenerate.Gain:
    """Compare a figure of the model with that of a constant answer under the same bootstrap draws.

    Args:
        model: the figure of the model's answers, over units (``Measure.merged``).
        constant: the same figure of the constant answer, over the same units.
        draws: of the units.
    """
    ones = np.ones((1, draws.num_units))
    one, other = float(model.values(ones)[0]), float(constant.values(ones)[0])
    found = draws.of(lambda weights: model.values(weights) - constant.values(weights))
    return degenerate.Gain(model.name, model.title, one, other, statistics.percentile_interval(found)[0])


def gain_of_shares(model: Measure, right: Floats, constant: Floats, units: Units | None = None) -> degenerate.Gain:
    """Compare shares of pictures, given whether each picture was right, (N,) 0 or 1; see ``paired.difference``."""
    low = paired.difference(right.tolist(), constant.tolist(), units=units)[1]
    return degenerate.Gain(model.name, model.title, float(right.mean()), float(constant.mean()), low)
