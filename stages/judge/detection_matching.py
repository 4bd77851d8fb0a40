"""Which detection belongs to which object.

``coco_match`` follows COCOeval.evaluateImg of pycocotools 2.0 to the letter, ``voc_match`` VOCevaldet of the VOC development
kit; ``greedy_pairs`` is the rule of the detection confusion matrix: whatever the classes, the pair with the highest IoU
first, each detection and each object once.
"""

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]
MISSED = -1  # no object: a false detection
DOUBLE = -2  # VOC: its object has been found already, a false detection too


@numba.njit(cache=True)
def coco_match(ious: Floats, ignored: Flags, many: Flags, thresholds: Floats) -> Ints:  # pragma: no cover - compiled
    """Match detections of one class in one picture to objects, best score first, at several IoU thresholds.

    Args:
        ious: (D, G); detections by falling score.
        ignored: (G,) objects that neither help nor harm; a detection falls back to one only when no other object fits.
        many: (G,) those that may take any number of detections: crowds, and VOC's difficult objects.
        thresholds: (T,).

    Returns:
        (T, D) index of the object, -1 where unmatched.
    """
    num, objects = ious.shape
    found = np.full((thresholds.size, num), MISSED, np.int64)
    for t in range(thresholds.size):
        taken = np.zeros(objects, np.bool_)
        for d in range(num):
            for ignoring in (False, True):
                best, at = min(thresholds[t], 1 - 1e-10), -1
                for g in range(objects):
                    if ignored[g] == ignoring and not (taken[g] and not many[g]) and ious[d, g] >= best:
                        best, at = ious[d, g], g
                if at >= 0:
                    found[t, d] = at
                    taken[at] = True
                    break
    return found


@numba.njit(cache=True)
def voc_match(ious: Floats, ignored: Flags, thresholds: Floats) -> Ints:  # pragma: no cover - compiled
    """Match as Pascal VOC does: a detection asks for the object that it overlaps most, taken or not.

    Args:
        ious: (D, G); detections by falling score.
        ignored: (G,) objects that neither help nor harm: any number of detections may ask for one.
        thresholds: (T,) IoU from which it is that object.

    Returns:
        (T, D) index of the object, -1 where it overlaps none enough, -2 where that object was found before.
    """
    num, objects = ious.shape
    found = np.full((thresholds.size, num), MISSED, np.int64)
    for t in range(thresholds.size):
        taken = np.zeros(objects, np.bool_)
        for d in range(num):
            best, at = -1.0, -1
            for g in range(objects):
                if ious[d, g] > best:
                    best, at = ious[d, g], g
            if at >= 0 and best >= thresholds[t]:
                found[t, d] = DOUBLE if taken[at] and not ignored[at] else at
                taken[at] = True
    return found


def greedy_pairs(ious: Floats, threshold: float = 0.5) -> list[tuple[int, int]]:
    """Pair detections and objects whatever their classes, the highest IoU first; ties go to the lower indices.

    Args:
        ious: (D, G).
        threshold: pairs below it do not count.

    Returns:
        (detection, object) pairs; each index at most once.

    Example:
        >>> greedy_pairs(np.array([[0.9, 0.8], [0.85, 0.1]]))
        [(0, 0)]
    """
    rows, columns = np.nonzero(ious >= threshold)
    order = np.argsort(-ious[rows, columns], kind="stable")
    pairs: list[tuple[int, int]] = []
    detections, objects = set(), set()
    for d, g in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if d not in detections and g not in objects:
            pairs.append((d, g))
            detections.add(d)
            objects.add(g)
    return pairs
