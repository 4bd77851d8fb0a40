"""Measures of learned features: do neighbours share a class, and has the representation collapsed?"""

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 2**22  # similarities held at a time: 16 MB


def unit(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale each row of (N, D) features to length 1; a zero row stays zero.

    Example:
        >>> unit(np.array([[3.0, 4.0]])).tolist()
        [[0.6, 0.8]]
    """
    wide = features.astype(np.float64)
    scaled: NDArray[np.float64] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return scaled


def spread(features: NDArray[np.floating]) -> float:
    """Return the mean standard deviation of the dimensions of unit features, times sqrt(D).

    1 when the features fill the sphere evenly, 0 when they have collapsed to a point (Chen & He 2021, arXiv:2011.10566).

    Args:
        features: (N, D).
    """
    rows = unit(features)
    return float(rows.std(axis=0).mean() * np.sqrt(rows.shape[1]))


def effective_rank(features: NDArray[np.floating]) -> float:
    """Return the exponential of the entropy of the normalised singular values of the centred features.

    Between 1 (one direction) and min(N, D); Roy & Vetterli 2007, EUSIPCO; 0 when all rows are the same.

    Args:
        features: (N, D).
    """
    rows = features.astype(np.float64)
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    if values.sum() <= 1e-9:  # noqa: PLR2004 - nothing but rounding
        return 0.0
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def knn_accuracy(
    train: NDArray[np.floating],
    train_labels: NDArray[np.int64],
    test: NDArray[np.floating],
    test_labels: NDArray[np.int64],
    num_neighbours: int,
) -> float:
    """Return the share of test rows whose nearest training rows vote for their label.

    Cosine similarity in float32; votes weighted by exp(similarity / 0.07) (Wu et al. 2018, arXiv:1805.01978); equal
    similarities go to the earlier training row and equal votes to the lower label, so that the result does not depend on
    the machine's sorting. ``AT_ONCE`` similarities are held at a time, so memory grows with N + M, never with N x M.

    Args:
        train: (N, D) features.
        train_labels: (N,) from 0.
        test: (M, D) features.
        test_labels: (M,) from 0.
        num_neighbours: the most rows that vote.
    """
    known, asked = unit(train).astype(np.float32), unit(test).astype(np.float32)
    step = max(1, AT_ONCE // max(1, len(known)))
    num_classes = int(max(train_labels.max(), test_labels.max())) + 1
    right = 0
    for start in range(0, len(asked), step):
        nearest, likeness = _most_alike(asked[start : start + step] @ known.T, num_neighbours)
        votes = np.zeros((len(nearest), num_classes))
        np.add.at(votes, (np.arange(len(nearest))[:, None], train_labels[nearest]), np.exp((likeness - 1) / 0.07))
        right += int((votes.argmax(axis=1) == test_labels[start : start + step]).sum())
    return right / len(asked)


def _most_alike(likeness: NDArray[np.float32], most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the columns of the ``most`` highest values of each row, the earlier of equal ones, and those values.

    Args:
        likeness: (M, N).
        most: k; all columns where there are fewer.
    """
    k = min(most, likeness.shape[1])
    likeness = np.nan_to_num(likeness, copy=False, nan=-2.0)  # of a row that is no number: like nothing
    last = np.partition(likeness, likeness.shape[1] - k, axis=1)[:, -k, None]  # the k-th highest
    above, equal = likeness > last, likeness == last
    chosen = above | (equal & (np.cumsum(equal, axis=1, dtype=np.int32) <= k - above.sum(axis=1, keepdims=True)))
    nearest = np.nonzero(chosen)[1].reshape(-1, k)
    return nearest, np.take_along_axis(likeness, nearest, axis=1).astype(np.float64)
