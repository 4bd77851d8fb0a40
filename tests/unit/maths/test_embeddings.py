"""The meters of learned features say what they promise."""

import tracemalloc

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


@pytest.mark.parametrize("at_once", [1, 300, 2**22])
@pytest.mark.parametrize(("num_train", "num_test", "neighbours"), [(80, 40, 7), (200, 333, 20), (5, 30, 9), (1, 3, 1)])
def test_knn_is_scikit_learns(num_train: int, num_test: int, neighbours: int, at_once: int) -> None:
    """The vote equals scikit-learn's with cosine distance and the same weights, however many rows come at a time."""
    rng = np.random.default_rng(0)  # no hypothesis: float32 may part two votes that are equal in all but the last digits
    train, test = rng.normal(size=(num_train, 6)), rng.normal(size=(num_test, 6))
    labels, truth = rng.integers(0, 3, num_train), rng.integers(0, 3, num_test)
    k = min(neighbours, num_train)
    theirs = KNeighborsClassifier(k, metric="cosine", weights=lambda d: np.exp(-d / 0.07), algorithm="brute")
    expected = (theirs.fit(train, labels).predict(test) == truth).mean()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "AT_ONCE", at_once)
        assert embeddings.knn_accuracy(train, labels, test, truth, neighbours) == pytest.approx(expected)


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 20), st.integers(1, 14))
def test_the_most_alike_are_those_of_a_stable_sort(seed: int, rows: int, columns: int, most: int) -> None:
    """Of equal similarities the earlier columns are taken; rows that are no number take the first."""
    likeness = np.random.default_rng(seed).integers(0, 4, (rows, columns)).astype(np.float32)
    likeness[0] = np.nan if seed % 2 else likeness[0]
    sorted_ = np.sort(np.argsort(-np.nan_to_num(likeness, nan=-2.0), axis=1, kind="stable")[:, :most], axis=1)
    nearest, found = embeddings._most_alike(likeness.copy(), most)
    assert nearest.tolist() == sorted_.tolist()
    assert found.tolist() == np.take_along_axis(np.nan_to_num(likeness, nan=-2.0), sorted_, axis=1).tolist()


def test_the_probe_s_memory_does_not_grow_with_the_product() -> None:
    """2,000 by 4,000 rows would be 64 MB of float64 and as much again to sort; a sixteenth is held at a time."""
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(4000, 4)), rng.normal(size=(2000, 4))
    labels, truth = rng.integers(0, 3, 4000), rng.integers(0, 3, 2000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "AT_ONCE", 2000 * 4000 // 16)
        tracemalloc.start()
        embeddings.knn_accuracy(train, labels, test, truth, 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2000 * 4000 * 8 / 4


def test_more_neighbours_than_rows_is_all_rows() -> None:
    """A small training set lets every row vote."""
    train, labels = np.eye(3), np.array([0, 1, 2])
    assert embeddings.knn_accuracy(train, labels, train, labels, 20) == 1
