"""Measures of learned features: do neighbours share a class, and has the representation collapsed?"""

import numpy as np
from numpy.typing import NDArray


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

    Cosine similarity; votes weighted by exp(similarity / 0.07) (Wu et al. 2018, arXiv:1805.01978); ties go to the lower
    label, so that the result does not depend on order.

    Args:
        train: (N, D) features.
        train_labels: (N,) from 0.
        test: (M, D) features.
        test_labels: (M,) from 0.
        num_neighbours: the most rows that vote.
    """
    likeness = unit(test) @ unit(train).T
    k = min(num_neighbours, train.shape[0])
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
    weights = np.exp((np.take_along_axis(likeness, nearest, axis=1) - 1) / 0.07)
    num_classes = int(max(train_labels.max(), test_labels.max())) + 1
    votes = np.zeros((test.shape[0], num_classes))
    for column in range(k):
        np.add.at(votes, (np.arange(test.shape[0]), train_labels[nearest[:, column]]), weights[:, column])
    return float((votes.argmax(axis=1) == test_labels).mean())
