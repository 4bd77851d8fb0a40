"""The meters of learned features say what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from stages.maths import embeddings


def test_spread_is_one_on_the_sphere_and_zero_at_a_point() -> None:
    """Evenly spread directions give 1, one direction for all gives 0, whatever the lengths."""
    rng = np.random.default_rng(0)
    assert embeddings.spread(rng.normal(size=(4000, 16))) == pytest.approx(1, abs=0.03)
    assert embeddings.spread(np.ones((50, 16)) * rng.uniform(1, 9, (50, 1))) == pytest.approx(0, abs=1e-9)


@given(st.integers(1, 8), st.integers(0, 99))
def test_effective_rank_counts_equal_directions(rank: int, seed: int) -> None:
    """``rank`` orthogonal directions of equal strength have effective rank ``rank``; turning the space changes nothing."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([np.eye(rank, 8), -np.eye(rank, 8)])
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    assert embeddings.effective_rank(rows) == pytest.approx(rank)
    assert embeddings.effective_rank(rows @ turn) == pytest.approx(rank)


def test_effective_rank_of_a_collapse_is_zero() -> None:
    """The same row everywhere spans nothing."""
    assert embeddings.effective_rank(np.full((9, 4), 3.0)) == 0


def test_knn_is_scikit_learns() -> None:
    """The weighted vote equals scikit-learn's with cosine distance and the same weights."""
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(80, 6)), rng.normal(size=(40, 6))
    labels, truth = rng.integers(0, 3, 80), rng.integers(0, 3, 40)
    theirs = KNeighborsClassifier(7, metric="cosine", weights=lambda d: np.exp(-d / 0.07), algorithm="brute")
    expected = (theirs.fit(train, labels).predict(test) == truth).mean()
    assert embeddings.knn_accuracy(train, labels, test, truth, 7) == pytest.approx(expected)


def test_more_neighbours_than_rows_is_all_rows() -> None:
    """A small training set lets every row vote."""
    train, labels = np.eye(3), np.array([0, 1, 2])
    assert embeddings.knn_accuracy(train, labels, train, labels, 20) == 1
