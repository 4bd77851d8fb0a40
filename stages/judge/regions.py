"""The classes of a picture's pixels beside those that were said: what every figure of ``segment`` is read from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from stages.judge import answers, classes
from stages.judge.classes import Counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
IGNORE = 255


@dataclass(frozen=True)
class Row:
    """One picture's sufficient statistics: the entries of its confusion matrix that are not 0.

    Attributes:
        cells: (E,) truth * K + answer, rising.
        counts: (E,) pixels.
    """

    cells: Ints
    counts: Ints


def answer(prediction: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.uint8]:
    """Read a model's answer.

    Args:
        prediction: ``mask`` (H, W) class index.
        name: of the picture.

    Raises:
        DataError: the answer is not finite.
    """
    answers.check(prediction, name)
    return np.asarray(prediction["mask"], np.uint8)


def observe(truth: NDArray[np.uint8], predicted: NDArray[np.uint8], num_classes: int) -> Row:
    """Count the pixels of one picture, truth against prediction.

    Args:
        truth: (H, W) class index, 255 = ignore.
        predicted: (H, W) class index.
        num_classes: K.

    Raises:
        ValueError: the shapes differ or an index is K or above.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"the prediction is {predicted.shape}, the mask {truth.shape}; expected the same height and width")
    counted = truth != IGNORE
    real, said = truth[counted].astype(np.int64), predicted[counted].astype(np.int64)
    top = max(real.max(initial=0), said.max(initial=0))
    if top >= num_classes:
        raise ValueError(f"a mask holds class {top}; expected 0 to {num_classes - 1}, or 255 to ignore")
    total = np.bincount(real * num_classes + said)
    cells = np.flatnonzero(total)
    return Row(cells, total[cells])


@dataclass(frozen=True)
class Rows:
    """The rows of a split behind one another.

    Attributes:
        pictures: (E,) whose entry it is.
        cells: (E,) see ``Row``.
        counts: (E,) see ``Row``.
        num_pictures: N.
        num_classes: K.
    """

    pictures: Ints
    cells: Ints
    counts: Ints
    num_pictures: int
    num_classes: int

    def by_class(self) -> Counts:
        """Return pixels by picture and class."""
        return classes.counts(self.pictures, self.cells, self.counts, self.num_pictures, self.num_classes)

    def tables(self) -> Any:
        """Return the confusion matrix of each picture, row by row: sparse (N, K * K)."""
        shape = (self.num_pictures, self.num_classes**2)
        return sparse.csr_array((self.counts.astype(np.float64), (self.pictures, self.cells)), shape=shape)

    def confusion(self) -> Ints:
        """Return the confusion matrix (K, K) of the split, row = truth."""
        total = np.zeros(self.num_classes**2, np.int64)
        np.add.at(total, self.cells, self.counts)
        return total.reshape(self.num_classes, self.num_classes)


def gather(rows: Sequence[Row], num_classes: int) -> Rows:
    """Put rows behind one another."""
    empty = np.zeros(0, np.int64)
    sizes = [row.cells.size for row in rows]
    return Rows(
        np.repeat(np.arange(len(rows)), sizes),
        np.concatenate([empty, *(row.cells for row in rows)]),
        np.concatenate([empty, *(row.counts for row in rows)]),
        len(rows),
        num_classes,
    )


def by_picture(held: Counts) -> tuple[Floats, Ints, Floats]:
    """Return each picture's mean IoU over the classes that it holds or that were said of it.

    Returns:
        (N,) the mean, NaN where no pixel counts; (N,) the class with the lowest IoU, of several the one with
        the most pixels, held or said, -1 where there is none; (N,) that IoU.
    """
    union = sparse.csr_array(held.real + held.said - held.hit)
    union.eliminate_zeros()
    union.sort_indices()
    num = union.shape[0]
    rows = np.repeat(np.arange(num), np.diff(union.indptr))
    right = np.asarray(held.hit[rows, union.indices]).ravel() if rows.size else np.zeros(0)
    ious = right / union.data
    number = np.bincount(rows, minlength=num)
    total = np.bincount(rows, ious, num)
    mean = np.divide(total, number, out=np.full(num, np.nan), where=number > 0)
    order = np.lexsort((union.indices, -union.data, ious, rows))
    first = np.unique(rows[order], return_index=True)
    worst, lowest = np.full(num, -1, np.int64), np.full(num, np.nan)
    worst[first[0]], lowest[first[0]] = union.indices[order][first[1]], ious[order][first[1]]
    return mean, worst, lowest
