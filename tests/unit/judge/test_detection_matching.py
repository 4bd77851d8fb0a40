"""The detection confusion matrix keeps its invariants."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.judge import detections, objects
from stages.judge.detection_matching import greedy_pairs


def detection_confusion(ious: np.ndarray, said: np.ndarray, truth: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the detection confusion matrix of one picture whose overlaps are given."""
    there = detections.Truth(truth, np.zeros((truth.size, 4)), np.zeros(truth.size), *np.zeros((2, truth.size), bool))
    *_, cells, counts = objects._confused(there, said, np.ones(said.size, bool), ious, num_classes)
    return np.bincount(cells, counts, (num_classes + 1) ** 2).astype(int).reshape(num_classes + 1, -1)


def naive_pairs(ious: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Take the best remaining pair again and again."""
    left, pairs = ious.copy(), []
    while left.size and left.max() >= threshold:
        d, g = np.unravel_index(left.argmax(), left.shape)
        pairs.append((int(d), int(g)))
        left[d], left[:, g] = -1, -1
    return pairs


@st.composite
def scenes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw IoUs, some equal, and classes."""
    num, objects = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    ious = draw(st.lists(st.sampled_from([0, 0.3, 0.5, 0.7, 0.71, 1.0]), min_size=num * objects, max_size=num * objects))
    said = draw(st.lists(st.integers(0, 2), min_size=num, max_size=num))
    truth = draw(st.lists(st.integers(0, 2), min_size=objects, max_size=objects))
    return np.array(ious, float).reshape(num, objects), np.array(said, np.int64), np.array(truth, np.int64)


@given(scenes())
def test_rows_are_objects_and_columns_detections(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Row sums count the objects of a class, column sums its detections, and nothing is matched to nothing."""
    ious, said, truth = scene
    table = detection_confusion(ious, said, truth, 3)
    assert table[:3].sum(1).tolist() == np.bincount(truth, minlength=3).tolist()
    assert table[:, :3].sum(0).tolist() == np.bincount(said, minlength=3).tolist()
    assert table[3, 3] == 0


@given(scenes())
def test_pairs_are_those_of_a_naive_loop(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """The pairs are what taking the best remaining pair one by one gives, ties to the lower index."""
    assert greedy_pairs(scene[0]) == naive_pairs(scene[0], 0.5)


@given(scenes())
def test_perfect_detections_are_diagonal(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Detections that are the objects give a diagonal matrix."""
    truth = scene[2]
    table = detection_confusion(np.eye(truth.size), truth, truth, 3)
    assert np.count_nonzero(table - np.diag(np.diag(table))) == 0
