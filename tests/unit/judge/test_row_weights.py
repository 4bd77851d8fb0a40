"""A mean over classes rests on the pictures that weigh in it, which may be few of those that hold anything."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.judge import by_group, classes, labels, measures, panels
from stages.judge.estimate import Estimate
from stages.judge.row_weights import Weights
from tests.simulations import few_holders
from tests.simulations.few_holders import GRID
from tests.simulations.long_tails import LongTail, miou

Floats = NDArray[np.float64]


def estimate(held: Floats, found: Floats) -> Estimate:
    """Return the mean over classes of pictures of one group."""
    measure = measures.mean_of_ratios("m", "m", "pixels", found, held, held, counts=held.sum(1))
    return by_group.estimates(measure, np.zeros(len(held), np.int64), 1, 10, np.random.default_rng(0))[0]


@pytest.mark.parametrize("seed", range(3))
def test_worth_and_freedom_are_those_of_the_pictures_weights(seed: int) -> None:
    """Against sums picture by picture, in two groups, of all classes and of those that are all right or all wrong."""
    random = np.random.default_rng(seed)
    held, codes = random.random((40, 9)) < 0.2, np.arange(40) % 3 - 1
    each = random.choice([0.0, 0.4, 1.0, np.nan], (2, 9))
    holders = np.stack([held[codes == g].sum(0) for g in range(2)]).astype(float)
    weights, (at, of) = Weights(40, 2), np.nonzero(held)
    own = np.maximum(codes[at], 0)
    weights.add(at, codes[at], each[own, of], holders[own, of])
    found = weights.together(codes, np.zeros(2))
    for g in range(2):
        kinds = {
            "all": np.isfinite(each[g]),
            "right": (each[g] == 1) & (holders[g] > 1),
            "wrong": (each[g] == 0) & (holders[g] > 1),
            "several": np.isfinite(each[g]) & (holders[g] > 1),
        }
        parts = {name: [] for name in kinds}  # type: dict[str, list[float]]
        for row in np.flatnonzero(codes == g):
            for name, kind in kinds.items():
                parts[name].append(sum(1 / holders[g, k] for k in range(9) if kind[k] and held[row, k]))
        sums = {name: [sum(w**power for w in own) for power in (1, 2, 4)] for name, own in parts.items()}
        told = {"all": found.trials[g], "right": found.right[g], "wrong": found.wrong[g]}
        assert told == {
            name: pytest.approx(sums[name][0] ** 2 / sums[name][1]) if sums[name][1] else np.inf for name in told
        }
        assert found.freedom[g] == pytest.approx(max(sums["several"][1] ** 2 / sums["several"][2] - 1, 1.0))


def test_pictures_of_one_class_each_say_nothing_more() -> None:
    """Their numbers by class tell all: no bound, whatever they are."""
    held, weights = np.zeros((30, 3)), Weights(30, 1)
    held[np.arange(30), np.repeat([0, 1, 2], [24, 4, 2])] = 1
    at, of = np.nonzero(held)
    weights.add(at, np.zeros(30, np.int64), np.array([0.5, 1.0, 0.0])[of], held.sum(0)[of])
    found = weights.together(np.zeros(30, np.int64), np.zeros(1))
    assert all(np.isinf(one[0]) for one in (found.freedom, found.trials, found.right, found.wrong))


def test_a_wrong_label_makes_no_picture_one_of_two_classes() -> None:
    """Of one label each, ten classes and a fifth of the answers wrong: classes are drawn for themselves."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 10, 100)
    said = np.where(random.random(100) < 0.8, truth, random.integers(0, 10, 100))
    measure = panels.mean("f1", "macro F1", "pictures", labels.counts(truth, said, 10), classes.f1)
    assert np.isinf(measure.slope(np.zeros(100, np.int64), 1).rows).all()  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("right", [(1, 1), (1, 0), (0, 0)])
def test_two_pictures_of_many_classes_say_what_two_pictures_can(right: tuple[int, int]) -> None:
    """Twenty of 21 classes stand in the same two of thirty pictures; these fare as they do."""
    held = np.c_[np.zeros((30, 20)), np.ones(30)]
    held[:2, :20] = 1
    luck = np.r_[right, np.arange(28) % 4 > 0]
    one = estimate(held, held * luck[:, None])
    assert one.high - one.low > 0.6


@pytest.mark.parametrize(("rich", "alike"), [(2, 1.0), (2, 0.3), (3, 0.3), (8, 1.0)])
def test_intervals_of_few_rich_pictures_cover(rich: int, alike: float) -> None:
    """Of a group and of a split; 91 %, and two standard errors of 60 tries less."""
    scene = LongTail(30, 0.75, alike, own=20, objects=100, rich=rich, shared=True)
    random = np.random.default_rng(6)
    told = (few_holders.split(miou, scene, random) for _ in range(60))
    assert few_holders.held(told, scene.truth, GRID)[0] >= 0.91 - 0.074
    assert few_holders.group(miou, scene, 60)[0] >= 0.91 - 0.074
