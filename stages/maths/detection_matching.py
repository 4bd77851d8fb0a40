"""Which detection belongs to which object.

``coco_match`` follows COCOeval.evaluateImg of pycocotools 2.0 to the letter; ``greedy_pairs`` is the rule of the detection
confusion matrix: whatever the classes, the pair with the highest IoU first, each detection and each object once.
"""

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]


@numba.njit(cache=True)
def coco_match(ious: Floats, ignored: Flags, crowd: Flags, thresholds: Floats) -> Ints:  # pragma: no cover - compiled
    """Match detections of one class in one picture to objects, best score first, at several IoU thresholds.

    Args:
        ious: (D, G); detections by falling score.
        ignored: (G,) objects that neither help nor harm; a detection falls back to one only when no other object fits.
        crowd: (G,) regions that may take any number of detections.
        thresholds: (T,).

    Returns:
        (T, D) index of the object, -1 where unmatched.
    """
    num, objects = ious.shape
    found = np.full((thresholds.size, num), -1, np.int64)
    for t in range(thresholds.size):
        taken = np.zeros(objects, np.bool_)
        for d in range(num):
            for ignoring in (False, True):
                best, at = min(thresholds[t], 1 - 1e-10), -1
                for g in range(objects):
                    if ignored[g] == ignoring and not (taken[g] and not crowd[g]) and ious[d, g] >= best:
                        best, at = ious[d, g], g
                if at >= 0:
                    found[t, d] = at
                    taken[at] = True
                    break
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


def detection_confusion(ious: Floats, said: Ints, truth: Ints, num_classes: int, threshold: float = 0.5) -> Ints:
    """Count truth against detections of one picture, with a last row and column for the background.

    Args:
        ious: (D, G).
        said: (D,) class index of each detection.
        truth: (G,) class index of each object.
        num_classes: K.
        threshold: IoU from which a detection and an object belong together.

    Returns:
        (K + 1, K + 1); row = truth. Row k sums to the objects of class k, column k to the detections of class k; the
        last row holds detections of nothing, the last column missed objects.
    """
    counts = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    pairs = greedy_pairs(ious, threshold)
    for d, g in pairs:
        counts[truth[g], said[d]] += 1
    for d in set(range(said.size)) - {d for d, _ in pairs}:
        counts[num_classes, said[d]] += 1
    for g in set(range(truth.size)) - {g for _, g in pairs}:
        counts[truth[g], num_classes] += 1
    return counts
