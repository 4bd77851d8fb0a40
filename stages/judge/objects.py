"""Detections beside the objects of a picture: observed once, a picture at a time, and read by every figure.

``observe`` turns one picture's truth and answer into a ``Row``: what was matched, found, missed and confused, without
pixels. Validation, evaluation, gallery, audit and gate read the same rows. Three kinds of objects neither help nor harm:

* crowds (COCO's ``iscrowd``): any number of detections of their class may lie in them, overlap counted by COCO's rule for
  crowds (intersection over the detection's own area);
* difficult ones (VOC's ``difficult``) and ignored ones (``ignore``): any number of detections of their class may fall on
  them.

The confusion matrix, recall and gallery spare those detections by the same rule. The most detections that count are taken of
each class in each picture, as COCOeval takes them, and hold for every figure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from stages.judge import average_precision as ap
from stages.judge.detection_matching import coco_match, greedy_pairs, voc_match
from stages.judge.detections import Answer, Flags, Floats, Ints, Truth

MAX_DETECTIONS = 100  # COCO's
THRESHOLD = 0.5
UNSURE, RIGHT, WRONG, EXCUSED = range(4)  # what a detection came to
BITS = 2 ** np.arange(ap.IOUS.size, dtype=np.uint16)  # one for each IoU threshold


@dataclass(frozen=True)
class Rule:
    """How detections are judged.

    Attributes:
        min_score: detections below it are left out of recall, confusion matrix and gallery.
        max_detections: the surest of each class in each picture that count; None takes all.
        average_precision: ``coco``, or ``voc2007`` and ``voc2010``, which match as VOC does too.
        masks: overlap is that of masks; boxes are matched beside them.
    """

    min_score: float
    max_detections: int | None = MAX_DETECTIONS
    average_precision: ap.Rule = "coco"
    masks: bool = False


@dataclass(frozen=True)
class Row:
    """One picture's sufficient statistics.

    Attributes:
        order: (D,) place of each detection that counts in the model's answer; the surest of a class first.
        labels: (D,) class index.
        scores: (D,).
        right: (A, D) for each range of areas: a bit for each IoU threshold at which it is matched with an object.
        wrong: (A, D) likewise, matched with nothing; neither where it is ignored.
        box_right: (D,) as ``right`` over all areas, by boxes; empty where boxes alone are judged.
        box_wrong: (D,) likewise.
        came: (D,) ``UNSURE``, ``RIGHT``, ``WRONG`` or ``EXCUSED`` in the confusion matrix.
        objects: (G,) place among the picture's annotations of each object that counts.
        object_labels: (G,) class index.
        object_areas: (G,) in pixels of the user's own picture.
        found: (G,) by a detection of its class that is sure enough.
        seen: (G,) paired with a detection of its class in the confusion matrix.
        cells: (E,) truth * (K + 1) + answer of each entry of the confusion matrix; K stands for the background.
        counts: (E,) how often.
    """

    order: Ints
    labels: Ints
    scores: Floats
    right: NDArray[np.uint16]
    wrong: NDArray[np.uint16]
    box_right: NDArray[np.uint16]
    box_wrong: NDArray[np.uint16]
    came: NDArray[np.uint8]
    objects: Ints
    object_labels: Ints
    object_areas: Floats
    found: Flags
    seen: Flags
    cells: Ints
    counts: Ints


def observe(truth: Truth, answer: Answer, rule: Rule, num_classes: int, *, whole: bool = True) -> Row:
    """Return one picture's sufficient statistics.

    Args:
        truth: what is there.
        answer: what was said.
        rule: how it is judged.
        num_classes: K.
        whole: False leaves out what no headline figure is read from: ranges of areas but the first, boxes beside masks and
            the confusion matrix are as of a picture in which nothing was matched, and masks of two classes do not meet.
    """
    order = _surest(answer, rule.max_detections)
    said = answer.chosen(order)
    ious = overlaps(truth, said, masks=rule.masks) if whole or not rule.masks else _overlaps_of_classes(truth, said)
    areas = said.areas if said.mask_areas is None else said.mask_areas
    all_areas = {"all": ap.AREAS["all"]}
    right, wrong, found = _matched(truth, said.labels, areas, ious, rule, ap.AREAS if whole else all_areas)
    box_right, box_wrong = np.zeros(0, np.uint16), np.zeros(0, np.uint16)
    if rule.masks and whole:
        boxed = _matched(truth, said.labels, said.areas, overlaps(truth, said, masks=False), rule, all_areas)
        box_right, box_wrong = boxed[0][0], boxed[1][0]
    sure = said.scores >= rule.min_score
    counted = np.flatnonzero(~truth.spared)
    came, seen, cells, counts = _confused(truth, said.labels, sure & whole, ious, num_classes)
    hit = (found >= 0) & (np.append(sure, False)[found])
    return Row(
        order, said.labels, said.scores, right, wrong, box_right, box_wrong, came,
        counted, truth.labels[counted], truth.areas[counted], hit[counted], seen[counted], cells, counts,
    )  # fmt: skip


def _surest(answer: Answer, most: int | None) -> Ints:
    """Return the places of the detections that count: of each class the surest, ties in the model's order."""
    order = np.argsort(-answer.scores, kind="stable")
    if most is None:
        return order
    kept: list[int] = []
    number: dict[int, int] = {}
    for place in order.tolist():
        label = int(answer.labels[place])
        number[label] = number.get(label, 0) + 1
        if number[label] <= most:
            kept.append(place)
    return np.array(kept, np.int64)


def overlaps(truth: Truth, answer: Answer, *, masks: bool) -> Floats:
    """Return (D, G) intersection over union, with a crowd over the detection's own area, as COCO has it."""
    shape = answer.labels.size, truth.labels.size
    if not (shape[0] and shape[1]):
        return np.zeros(shape)
    said, there = (answer.masks, truth.masks) if masks else (answer.boxes.tolist(), truth.boxes.tolist())
    return np.asarray(coco.iou(said, there, truth.crowd.astype(int).tolist()), np.float64).reshape(shape)


def _overlaps_of_classes(truth: Truth, answer: Answer) -> Floats:
    """Return ``overlaps`` of masks of the same class, 0 elsewhere."""
    ious = np.zeros((answer.labels.size, truth.labels.size))
    for label in np.intersect1d(answer.labels, truth.labels).tolist():
        said, there = np.flatnonzero(answer.labels == label), np.flatnonzero(truth.labels == label)
        ious[np.ix_(said, there)] = overlaps(truth.chosen(there), answer.chosen(said), masks=True)
    return ious


def _matched(  # noqa: PLR0913, PLR0917 - one picture's whole matching
    truth: Truth, labels: Ints, areas: Floats, ious: Floats, rule: Rule, ranges: Mapping[str, tuple[float, float]]
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], Ints]:
    """Match class by class, at every threshold and for some ranges of areas, the first of all of them at least.

    Returns:
        ``right`` and ``wrong`` as in ``Row``, 0 for other ranges, and (G,) the surest detection that found each object, at
        the lowest threshold and over all areas; -1 where none did.
    """
    right = np.zeros((len(ap.AREAS), labels.size), np.uint16)
    wrong = np.zeros_like(right)
    finder = np.full(truth.labels.size, -1, np.int64)
    for label in np.unique(labels).tolist():
        said, there = np.flatnonzero(labels == label), np.flatnonzero(truth.labels == label)
        own = np.ascontiguousarray(ious[np.ix_(said, there)])
        for row, (low, high) in enumerate(ranges.values()):
            beyond = (truth.areas[there] < low) | (truth.areas[there] > high)
            ignored, many = truth.spared[there] | beyond, truth.spared[there]
            voc = rule.average_precision != "coco"
            found = voc_match(own, ignored, ap.IOUS) if voc else coco_match(own, ignored, many, ap.IOUS)
            hit = found >= 0
            outside = (areas[said] < low) | (areas[said] > high)
            excused = np.where(hit, np.append(ignored, False)[np.maximum(found, -1)], outside)
            right[row, said] = BITS @ (hit & ~excused)
            wrong[row, said] = BITS @ (~hit & ~excused)
            if row == 0:
                for place, g in zip(said[hit[0]].tolist(), there[found[0][hit[0]]].tolist(), strict=True):
                    finder[g] = place if finder[g] < 0 else finder[g]
    return right, wrong, finder


def _confused(
    truth: Truth, labels: Ints, sure: Flags, ious: Floats, num_classes: int
) -> tuple[NDArray[np.uint8], Flags, Ints, Ints]:
    """Pair sure detections with objects whatever their classes.

    Returns:
        ``came`` (D,), seen (G,), and cells and counts of the confusion matrix; see ``Row``.
    """
    came = np.full(labels.size, UNSURE, np.uint8)
    seen = np.zeros(truth.labels.size, bool)
    certain, real, spared = np.flatnonzero(sure), np.flatnonzero(~truth.spared), np.flatnonzero(truth.spared)
    cells: list[int] = []
    missed = set(real.tolist())
    came[certain] = WRONG
    alone = set(certain.tolist())
    width = num_classes + 1
    for i, j in greedy_pairs(ious[np.ix_(certain, real)], THRESHOLD):
        d, g = int(certain[i]), int(real[j])
        cells.append(int(truth.labels[g]) * width + int(labels[d]))
        alone.discard(d)
        missed.discard(g)
        if truth.labels[g] == labels[d]:
            came[d], seen[g] = RIGHT, True
    for d in sorted(alone):
        excusing = spared[truth.labels[spared] == labels[d]]
        if (ious[d, excusing] >= THRESHOLD).any():
            came[d] = EXCUSED
        else:
            cells.append(num_classes * width + int(labels[d]))
    cells += [int(truth.labels[g]) * width + num_classes for g in sorted(missed)]
    which, counts = np.unique(np.array(cells, np.int64), return_counts=True)
    return came, seen, which, counts.astype(np.int64)
