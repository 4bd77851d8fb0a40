"""Average precision as a function of how much each picture weighs.

Matching does not depend on the weights, so a bootstrap re-weighs a table of matches instead of matching again; it equals
COCOeval run on pictures that stand there several times (scores distinct). Three rules read the same table: COCO's 101
recalls, VOC's 11 (to 2009) and VOC's area under the whole curve (from 2010). Recall thresholds are doubles; as float32
they shift the result by up to 4e-4.

Sources: T.-Y. Lin et al., "Microsoft COCO" (2014) and pycocotools 2.0; M. Everingham et al., "The Pascal Visual Object
Classes Challenge" (IJCV 2010), section 4.2, and its development kits of 2007 and 2010 (VOCap.m).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Rule = Literal["coco", "voc2007", "voc2010"]
RECALLS = np.linspace(0.0, 1.0, 101)
_VOC_RECALLS = np.arange(11) / 10  # as VOCap.m counts: 0:0.1:1
_AREA: Floats = np.zeros(0)
LEVELS: dict[Rule, Floats] = {"coco": RECALLS, "voc2007": _VOC_RECALLS, "voc2010": _AREA}
_EPSILON = {"coco": 2.220446049250313e-16, "voc2007": 0.0, "voc2010": 0.0}  # COCOeval adds it to each divisor
IOUS = np.linspace(0.5, 0.95, 10)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}


@dataclass(frozen=True)
class Matches:
    """All detections of one class by falling score, and the objects there were.

    Attributes:
        scores: (D,).
        pictures: (D,) whose detection it is, 0 to N - 1.
        right: (T, D) matched with an object.
        wrong: (T, D) matched with nothing; neither where it is ignored.
        holders: (P,) the pictures that hold an object which counts.
        held: (P,) how many they hold.
        num_pictures: N.
    """

    scores: Floats
    pictures: Ints
    right: Flags
    wrong: Flags
    holders: Ints
    held: Floats
    num_pictures: int

    @property
    def objects(self) -> Floats:
        """(N,) objects per picture, ignored ones left out."""
        counts = np.zeros(self.num_pictures)
        counts[self.holders] = self.held
        return counts

    def merged(self, rows: Ints, num_rows: int) -> "Matches":
        """Return the matches of rows of pictures added up; ``rows`` (N,) is the row of each picture."""
        objects = np.bincount(rows[self.holders], self.held, num_rows).astype(np.float64)
        holders = np.flatnonzero(objects)
        return replace(self, pictures=rows[self.pictures], holders=holders, held=objects[holders], num_pictures=num_rows)

    def part(self, some: slice) -> "Matches":
        """Return the matches of the pictures ``some.start`` to ``some.stop`` alone, counted from 0."""
        kept, there = ((some.start <= of) & (of < some.stop) for of in (self.pictures, self.holders))
        return Matches(
            self.scores[kept], self.pictures[kept] - some.start, self.right[:, kept], self.wrong[:, kept],
            self.holders[there] - some.start, self.held[there], some.stop - some.start,
        )  # fmt: skip

    def chosen(self, places: Ints, num: int) -> "Matches":
        """Return the matches of some pictures alone.

        Args:
            places: (N,) from 0, where each of them comes to stand; -1 for the others.
            num: how many they are.
        """
        kept, there = places[self.pictures], places[self.holders]
        some, own = kept >= 0, there >= 0
        holders, held = there[own], self.held[own]
        return Matches(self.scores[some], kept[some], self.right[:, some], self.wrong[:, some], holders, held, num)

    def condensed(self) -> tuple["Matches", Ints]:
        """Return the matches over the pictures that the class touches, and the positions of these, (P,) rising.

        A picture is touched that holds an object which counts, or a detection.
        """
        touched = np.zeros(self.num_pictures, bool)
        touched[self.pictures] = touched[self.holders] = True
        places, at = np.cumsum(touched) - 1, np.flatnonzero(touched)
        pictures, holders = places[self.pictures], places[self.holders]
        return replace(self, pictures=pictures, holders=holders, num_pictures=at.size), at

    def found(self, power: int = 1) -> tuple[Ints, Floats]:
        """Return how often detections are right, all T thresholds together, by picture.

        Args:
            power: each detection's number is raised to it before they are added up.

        Returns:
            (P,) positions of the pictures that the class touches; (P,) their numbers, whole.
        """
        few, at = self.condensed()
        return at, np.bincount(few.pictures, self.right.sum(axis=0) ** power, at.size).astype(np.float64)

    @property
    def num_objects(self) -> int:
        """Objects in all, ignored ones left out."""
        return int(self.held.sum())


def objects(tables: Sequence[Matches]) -> Floats:
    """Return the objects that count of each picture, of all classes together, (N,)."""
    total = np.zeros(tables[0].num_pictures)
    for table in tables:
        total[table.holders] += table.held
    return total


def average_precision(table: Matches, weights: Floats, chosen: slice = slice(None), rule: Rule = "coco") -> Floats:
    """Return the average precision under several weightings.

    Args:
        table: the matches of one class.
        weights: (M, N) weight of each picture; whole numbers stand for copies.
        chosen: which of the T thresholds.
        rule: how the curve is averaged: at 101 recalls (``coco``), at 11 (``voc2007``), or its area (``voc2010``).

    Returns:
        (M, T); NaN where the pictures that weigh anything hold no object.
    """
    right, wrong = np.ascontiguousarray(table.right[chosen]), np.ascontiguousarray(table.wrong[chosen])
    totals = weights[:, table.holders] @ table.held
    found: Floats = _averages(
        right, wrong, table.pictures, totals, np.ascontiguousarray(weights, np.float64), LEVELS[rule], _EPSILON[rule]
    )
    return found


def average_recall(table: Matches, weights: Floats) -> Floats:
    """Return COCO's recall of all detections that count, averaged over the T thresholds, under several weightings.

    Args:
        table: the matches of one class.
        weights: (M, N) weight of each picture.

    Returns:
        (M,); NaN where the pictures that weigh anything hold no object.
    """
    totals = weights[:, table.holders] @ table.held
    at, hits = table.found()  # by picture: a weight for each detection would be far more
    found = (weights[:, at] @ hits) / table.right.shape[0]
    return np.asarray(np.divide(found, totals, out=np.full(totals.shape, np.nan), where=totals > 0))


def precision_curve(table: Matches, threshold: int = 0) -> Floats:
    """Return the interpolated precision at COCO's 101 recalls, at one of the T thresholds; NaN without objects."""
    total = table.held.sum()
    if not total:
        return np.full(RECALLS.size, np.nan)
    right, wrong = np.cumsum(table.right[threshold]), np.cumsum(table.wrong[threshold])
    precision = right / (right + wrong + np.spacing(1))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(right / total, RECALLS, side="left")
    return np.append(envelope, 0.0)[np.minimum(at, envelope.size)]


@numba.njit(cache=True)
def _averages(  # noqa: C901, PLR0913, PLR0917 - plain arrays and loops, as numba wants them
    right: Flags,
    wrong: Flags,
    pictures: Ints,
    totals: Floats,
    weights: Floats,
    recalls: Floats,
    epsilon: float,
) -> Floats:  # pragma: no cover - compiled
    """Accumulate as COCOeval.accumulate does, once for each row of weights; no recalls ask for the area under the curve."""
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
                said = hits + misses + epsilon
                precision[d] = hits / said if said > 0 else 0.0
            for d in range(num - 2, -1, -1):
                precision[d] = max(precision[d], precision[d + 1])
            total, d = 0.0, 0
            if not recalls.size:
                for d in range(num):
                    total += (recall[d] - (recall[d - 1] if d else 0.0)) * precision[d]
                out[m, t] = total
                continue
            for r in range(recalls.size):
                while d < num and recall[d] < recalls[r]:
                    d += 1
                if d == num:
                    break
                total += precision[d]
            out[m, t] = total / recalls.size
    return out
