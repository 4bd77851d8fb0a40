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


def by_picture(held: Counts) -> Floats:
    """Return each picture's mean IoU over the classes that it holds or that were said of it, (N,); NaN without a pixel."""
    rows, _, right, union = _entries(held)
    num = held.real.shape[0]
    number = np.bincount(rows, minlength=num)
    return np.divide(np.bincount(rows, right / union, num), number, out=np.full(num, np.nan), where=number > 0)


@dataclass(frozen=True)
class Wrong:
    """What is wrong in each of N pictures.

    Attributes:
        pixels: (N,) wrong ones.
        weighed: (N,) IoU of the classes that it holds or that were said of it, each weighed by the square root of its
            pixels, held or said; NaN where no pixel counts. A mean that weighs all alike would let a few stray pixels of a
            class that is not there count as a whole class missed; by pixels alone an object that is missed whole would
            count for less than the edges of a large one.
        classes: (N,) the class with the most wrong pixels, missed or said by mistake, but for the background, the first, of
            which nearly every wrong pixel is; of several the one with the lowest IoU. -1 where no pixel counts.
        class_pixels: (N,) wrong ones of that class.
        class_ious: (N,) its IoU.
    """

    pixels: Ints
    weighed: Floats
    classes: Ints
    class_pixels: Ints
    class_ious: Floats


def wrong(held: Counts) -> Wrong:
    """Return what is wrong in each picture."""
    rows, labels, right, union = _entries(held)
    num, ious, missed = held.real.shape[0], right / union, union - right
    total = np.bincount(rows, np.sqrt(union), num)
    weighed = np.divide(np.bincount(rows, np.sqrt(union) * ious, num), total, out=np.full(num, np.nan), where=total > 0)
    order = np.lexsort((labels, ious, -missed, labels == 0, rows))
    at, first = np.unique(rows[order], return_index=True)
    chosen = order[first]
    classes_at, pixels, lowest = np.full(num, -1, np.int64), np.zeros(num, np.int64), np.full(num, np.nan)
    classes_at[at], pixels[at], lowest[at] = labels[chosen], missed[chosen], ious[chosen]
    of_all = np.asarray((held.real - held.hit).sum(axis=1)).ravel().astype(np.int64)
    return Wrong(of_all, weighed, classes_at, pixels, lowest)


def _entries(held: Counts) -> tuple[Ints, Ints, Floats, Floats]:
    """Return picture, class, right pixels and pixels held or said, of each class of each picture of which there are any."""
    union = sparse.csr_array(held.real + held.said - held.hit)
    union.eliminate_zeros()
    union.sort_indices()
    rows = np.repeat(np.arange(union.shape[0]), np.diff(union.indptr))
    right = np.asarray(held.hit[rows, union.indices], np.float64).ravel() if rows.size else np.zeros(0)
    return rows, union.indices.astype(np.int64), right, union.data
