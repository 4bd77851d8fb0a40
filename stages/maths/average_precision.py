"""COCO's average precision as a function of how much each picture weighs.

Matching does not depend on the weights, so a bootstrap re-weighs a table of matches instead of matching again; it
equals COCOeval run on pictures that stand there several times (scores distinct). Recall thresholds are doubles; as
float32 they shift the result by up to 4e-4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from stages.maths.detection_matching import coco_match

Floats = NDArray[np.float64]
RECALLS = np.linspace(0.0, 1.0, 101)
IOUS = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = 100
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}


@dataclass(frozen=True)
class Candidates:
    """Detections and objects of one class in one picture.

    Attributes:
        picture: its position, 0 to N - 1.
        scores: (D,).
        areas: (D,) of the detections, pixels.
        ious: (D, G).
        object_areas: (G,).
        crowd: (G,).
    """

    picture: int
    scores: Floats
    areas: Floats
    ious: Floats
    object_areas: Floats
    crowd: NDArray[np.bool_]


@dataclass(frozen=True)
class Matches:
    """All detections of one class by falling score, and the objects there were.

    Attributes:
        scores: (D,).
        pictures: (D,) whose detection it is.
        right: (T, D) matched with an object.
        wrong: (T, D) matched with nothing; neither where it is ignored.
        objects: (N,) objects per picture, ignored ones left out.
    """

    scores: Floats
    pictures: NDArray[np.int64]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    objects: Floats


def matches(candidates: Sequence[Candidates], num_pictures: int, area: str = "all", thresholds: Floats = IOUS) -> Matches:
    """Match one class in all pictures, as COCOeval does for one range of areas."""
    low, high = AREAS[area]
    objects = np.zeros(num_pictures)
    parts: list[tuple[Floats, NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]] = []
    for one in candidates:
        order = np.argsort(-one.scores, kind="stable")[:MAX_DETECTIONS]
        ignored = one.crowd | (one.object_areas < low) | (one.object_areas > high)
        objects[one.picture] += np.count_nonzero(~ignored)
        found = coco_match(np.ascontiguousarray(one.ious[order], np.float64), ignored, one.crowd, thresholds)
        outside = (one.areas[order] < low) | (one.areas[order] > high)
        hit = found >= 0
        spared = np.where(hit, ignored[found] if ignored.size else False, outside)
        parts.append((one.scores[order], np.full(order.size, one.picture), hit & ~spared, ~hit & ~spared))
    if not parts:
        none = np.zeros((thresholds.size, 0), bool)
        return Matches(np.zeros(0), np.zeros(0, np.int64), none, none, objects)
    scores, pictures = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    right, wrong = (np.concatenate([p[i] for p in parts], axis=1) for i in (2, 3))
    order = np.argsort(-scores, kind="mergesort")
    return Matches(scores[order], pictures[order].astype(np.int64), right[:, order], wrong[:, order], objects)


def average_precision(table: Matches, weights: Floats, chosen: slice = slice(None)) -> Floats:
    """Return the average precision under several weightings.

    Args:
        table: the matches of one class.
        weights: (M, N) weight of each picture; whole numbers stand for copies.
        chosen: which of the T thresholds.

    Returns:
        (M, T); NaN where the pictures that weigh anything hold no object.
    """
    right, wrong = np.ascontiguousarray(table.right[chosen]), np.ascontiguousarray(table.wrong[chosen])
    found: Floats = _averages(right, wrong, table.pictures, weights @ table.objects, np.ascontiguousarray(weights), RECALLS)
    return found


def precision_curve(table: Matches, threshold: int = 0) -> Floats:
    """Return the interpolated precision at COCO's 101 recalls, at one of the T thresholds; NaN without objects."""
    if not table.objects.sum():
        return np.full(RECALLS.size, np.nan)
    right, wrong = np.cumsum(table.right[threshold]), np.cumsum(table.wrong[threshold])
    precision = right / (right + wrong + np.spacing(1))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(right / table.objects.sum(), RECALLS, side="left")
    return np.append(envelope, 0.0)[np.minimum(at, envelope.size)]


@numba.njit(cache=True)
def _averages(  # noqa: PLR0913, PLR0917 - plain arrays, as numba wants them
    right: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
    pictures: NDArray[np.int64],
    totals: Floats,
    weights: Floats,
    recalls: Floats,
) -> Floats:  # pragma: no cover - compiled
    """Accumulate as COCOeval.accumulate does, once for each row of weights."""
    rows, thresholds, num = weights.shape[0], right.shape[0], right.shape[1]
    out = np.full((rows, thresholds), np.nan)
    recall, precision = np.empty(num), np.empty(num)
    for m in range(rows):
        if totals[m] <= 0:
            continue
        for t in range(thresholds):
            hits, misses = 0.0, 0.0
            for d in range(num):
                weight = weights[m, pictures[d]]
                hits += weight * right[t, d]
                misses += weight * wrong[t, d]
                recall[d] = hits / totals[m]
                precision[d] = hits / (hits + misses + 2.220446049250313e-16)
            for d in range(num - 2, -1, -1):
                precision[d] = max(precision[d], precision[d + 1])
            total, d = 0.0, 0
            for r in range(recalls.size):
                while d < num and recall[d] < recalls[r]:
                    d += 1
                if d == num:
                    break
                total += precision[d]
            out[m, t] = total / recalls.size
    return out
