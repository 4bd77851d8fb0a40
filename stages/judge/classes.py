"""Figures read from how often each class is there, is said and is right in each picture; sparse, a picture at a time.

Two rules for a class that is not there. The **headline**, over a whole split, counts a class that was said and is not
there as 0, as scikit-learn's macro F1 does and as one confusion matrix over the data set asks (a class neither there nor
said is left out). A **group** of pictures leaves out every class that it does not hold (``measures.mean_of_ratios``):
else, in a group that lacks a class, one pixel of it said by mistake would count as a whole class missed. So does a class's
own figure by group (``measures.proportions``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from stages.judge import units
from stages.judge.confusion import ratio

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Read = Callable[[Floats, Floats, Floats], Floats]


@dataclass(frozen=True)
class Counts:
    """Units (pictures, pixels) by picture and class.

    Attributes:
        hit: (N, K) sparse, right.
        real: (N, K) sparse, there.
        said: (N, K) sparse, said.
    """

    hit: Any
    real: Any
    said: Any

    def merged(self, rows: Ints, num_rows: int) -> "Counts":
        """Return the counts of rows of pictures added up; ``rows`` (N,) is the row of each picture."""
        return Counts(*(units.added(table, rows, num_rows) for table in (self.hit, self.real, self.said)))

    def part(self, some: slice) -> "Counts":
        """Return the counts of a slice of the pictures alone."""
        return Counts(*(sparse.csr_array(table)[some] for table in (self.hit, self.real, self.said)))

    def under(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Return hit, real and said, (M, K) each, under (M, N) weights."""
        return np.asarray(weights @ self.hit), np.asarray(weights @ self.real), np.asarray(weights @ self.said)


def counts(pictures: Ints, cells: Ints, numbers: Ints, num_pictures: int, num_classes: int) -> Counts:
    """Read entries of the pictures' confusion matrices.

    Args:
        pictures: (E,) whose entry it is.
        cells: (E,) truth * K + answer.
        numbers: (E,) units in it.
        num_pictures: N.
        num_classes: K.
    """
    truth, answer = np.divmod(cells.astype(np.int64), num_classes)
    right = truth == answer

    def table(some: Any, classes: Ints) -> Any:
        data = numbers[some].astype(np.float64)
        return sparse.csr_array((data, (pictures[some], classes[some])), shape=(num_pictures, num_classes))

    return Counts(table(right, truth), table(slice(None), truth), table(slice(None), answer))


def precision(hit: Floats, real: Floats, said: Floats) -> Floats:
    """Return hit / said; NaN for a class that is never said."""
    del real
    return ratio(hit, said)


def recall(hit: Floats, real: Floats, said: Floats) -> Floats:
    """Return hit / real; NaN for a class that is not there."""
    del said
    return ratio(hit, real)


def f1(hit: Floats, real: Floats, said: Floats) -> Floats:
    """Return 2 TP / (2 TP + FP + FN); NaN for a class neither there nor said, 0 for one that is only said."""
    return ratio(2 * hit, real + said)


def iou(hit: Floats, real: Floats, said: Floats) -> Floats:
    """Return TP / (TP + FP + FN); NaN for a class neither there nor said, 0 for one that is only said."""
    return ratio(hit, real + said - hit)


def parts(read: Read, held: Counts) -> tuple[Any, Any] | None:
    """Return above and below what a figure of each class is the ratio of, (N, K) sparse by picture; None for others."""
    hit, real, said = held.hit, held.real, held.said
    if read is precision:
        return hit, said
    if read is recall:
        return hit, real
    if read is f1:
        return 2 * hit, real + said
    return (hit, real + said - hit) if read is iou else None


def share(hit: Floats, real: Floats, said: Floats) -> Floats:
    """Return the share of all units that is right, (M, 1)."""
    del said
    return ratio(hit.sum(-1, keepdims=True), real.sum(-1, keepdims=True))
