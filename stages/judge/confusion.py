"""Confusion matrices and what is read from them; a figure that is 0/0 is NaN, never 0 or -1."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def confusion_matrix(truth: Ints, predicted: Ints, num_classes: int) -> Ints:
    """Count truth against prediction.

    Args:
        truth: (N,) class indices.
        predicted: (N,) class indices.
        num_classes: K.

    Returns:
        (K, K) int64; row = truth, column = prediction.

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    return np.bincount(truth * num_classes + predicted, minlength=num_classes**2).reshape(num_classes, num_classes)


def precision_recall_f1(confusion: NDArray[np.generic]) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and F1 of each class.

    F1 is 2 TP / (2 TP + FP + FN): 0 for a class that exists and is never predicted, undefined for one that neither
    exists nor is predicted.

    Args:
        confusion: (..., K, K), row = truth.

    Returns:
        Three arrays (..., K); NaN where undefined.
    """
    counts = np.asarray(confusion, np.float64)
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    real, said = counts.sum(-1), counts.sum(-2)
    return ratio(hit, said), ratio(hit, real), ratio(2 * hit, real + said)


def intersection_over_union(confusion: NDArray[np.generic]) -> Floats:
    """Return the IoU of each class, TP / (TP + FP + FN).

    Args:
        confusion: (..., K, K), row = truth.

    Returns:
        (..., K); NaN for a class that is neither there nor predicted.
    """
    counts = np.asarray(confusion, np.float64)
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    return ratio(hit, counts.sum(-1) + counts.sum(-2) - hit)


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where the divisor is 0."""
    shares = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=shares, where=below > 0)
    return shares


def mean_defined(values: Floats) -> Floats:
    """Average over the last axis, undefined entries left out; NaN where all are."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(-1), known.sum(-1).astype(np.float64))


def percent_records(confusion: NDArray[np.generic]) -> list[tuple[int, int]]:
    """Spread each row of a confusion matrix over 100 (truth, prediction) records, by largest remainder.

    For tables of millions of pixels where a plot wants one record per case; an empty row gives none.

    Example:
        >>> percent_records(np.array([[3, 0], [0, 0]])) == [(0, 0)] * 100
        True
    """
    records: list[tuple[int, int]] = []
    for truth, row in enumerate(np.asarray(confusion, np.float64)):
        if not row.sum():
            continue
        exact = row / row.sum() * 100
        whole = np.floor(exact).astype(int)
        order = np.argsort(-(exact - whole), kind="stable")
        whole[order[: 100 - whole.sum()]] += 1
        records += [(truth, said) for said, times in enumerate(whole) for _ in range(times)]
    return records
