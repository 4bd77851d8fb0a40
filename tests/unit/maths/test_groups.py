"""Gaps between groups are held against what chance gives."""

import numpy as np
import pytest

from stages.maths import groups, measures, statistics
from stages.maths.measures import Measure


def accuracy(right: np.ndarray) -> Measure:
    """Return the accuracy of (N,) bool outcomes."""
    return measures.proportion("accuracy", "accuracy", "pictures", right.astype(float), np.ones(right.size))


@pytest.mark.parametrize(("n", "expected"), [(20, 0.21), (100, 0.097)])
def test_equal_groups_show_a_gap_by_chance(n: int, expected: float) -> None:
    """The largest minus the smallest of 12 truly equal groups averages 21 points at n = 20 and 9.7 at n = 100 (at 90 %)."""
    random = np.random.default_rng(n)
    right = random.random(12 * n) < 0.9
    null = groups.gap_null(accuracy(right), np.repeat(np.arange(12), n), range(12), 400, random)
    assert null.mean() == pytest.approx(expected, abs=0.02)


def test_the_chance_of_equal_groups_is_uniform() -> None:
    """Where groups mean nothing, p falls below 5 % about 5 % of the time."""
    random, found = np.random.default_rng(0), []
    for _ in range(300):
        right, codes = random.random(120) < 0.85, random.integers(0, 3, 120)
        grouping = groups.Grouping(("g",), ("a", "b", "c"), codes)
        one = groups.compare(accuracy(right), grouping, np.ones((1, 120)), min_group=10, num_permutations=200, random=random)
        found.append(one.p)
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.08


def test_every_group_has_its_own_figure() -> None:
    """A group's figure and count are those of its pictures alone, for a lone group too; unknown groups belong to none."""
    right = np.array([1, 1, 0, 1, 0, 0], bool)
    columns = {"a": ["x", "x", "x", "y", "y", None], "b": ["u", "u", "u", "v", "v", "v"], "c": ["w"] * 6}
    single, _, other, both = groups.groupings(columns)
    weights = statistics.resamples(6, 50, np.random.default_rng(1))
    found = groups.compare(
        accuracy(right), single, weights, min_group=2, num_permutations=100, random=np.random.default_rng(2)
    )
    assert [(e.value, e.n) for e in found.estimates] == [(pytest.approx(2 / 3), 3), (pytest.approx(1 / 2), 2)]
    assert (both.names, both.codes.tolist()) == (("x, u", "y, v"), [0, 0, 0, 1, 1, -1])
    lone = groups.compare(
        accuracy(right), other, weights, min_group=2, num_permutations=100, random=np.random.default_rng(3)
    )
    assert (lone.estimates[0].value, lone.estimates[0].n, lone.p) == (0.5, 6, None)


def test_small_groups_are_shown_and_not_compared() -> None:
    """A group under the minimum has its figure and interval, and stays out of the gap."""
    right = np.r_[np.ones(40), np.ones(20), np.zeros(3)].astype(bool)
    grouping = groups.Grouping(("g",), ("a", "b", "tiny"), np.repeat([0, 1, 2], [40, 20, 3]))
    found = groups.compare(
        accuracy(right), grouping, np.ones((1, 63)), min_group=10, num_permutations=100, random=np.random.default_rng(0)
    )
    assert found.compared == (0, 1)
    assert found.estimates[2].value == 0
    assert 0 < found.estimates[2].high < 0.6
    assert found.gap()[0] == 0


def test_the_gap_of_any_figure_can_be_judged() -> None:
    """The permutation null serves figures that are no proportions: it finds a real difference of per-picture figures."""
    random = np.random.default_rng(5)
    figures = np.r_[random.normal(0.8, 0.1, 60), random.normal(0.6, 0.1, 60)].clip(0, 1)
    grouping = groups.Grouping(("g",), ("a", "b"), np.repeat([0, 1], 60))
    weights = statistics.resamples(120, 200, random)
    found = groups.compare(
        measures.average("iou", "IoU", figures), grouping, weights, min_group=10, num_permutations=500, random=random
    )
    assert found.p == pytest.approx(1 / 501)
    value, low, high = found.gap()
    assert low < 0.2 < high
    assert high - low < 0.12
    assert value == pytest.approx(figures[:60].mean() - figures[60:].mean())


def _harder_class(num: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return outcomes, classes and groups where class 1 is difficult (60 % right) and group 1 holds nearly only class 1."""
    random = np.random.default_rng(11)
    classes = np.repeat([0, 1], num)
    codes = np.where(random.random(2 * num) < 0.9, classes, 1 - classes)
    right = random.random(2 * num) < np.where(classes == 1, 0.6, 0.98)
    return right, classes, codes


def test_a_group_of_difficult_classes_is_not_taken_for_one_treated_worse() -> None:
    """A gap that the classes explain is chance when dealt within classes, and a finding when dealt across them."""
    right, classes, codes = _harder_class()
    grouping = groups.Grouping(("g",), ("a", "b"), codes)
    how = {"min_group": 10, "num_permutations": 500}
    ones = np.ones((1, right.size))
    blind = groups.compare(accuracy(right), grouping, ones, random=np.random.default_rng(0), **how)
    aware = groups.compare(accuracy(right), grouping, ones, random=np.random.default_rng(0), strata=classes, **how)
    assert blind.p == pytest.approx(1 / 501)
    assert aware.p > 0.1
    assert min(aware.tails) > 0.05


def test_a_group_treated_worse_is_found_within_its_classes() -> None:
    """Where one group fails in every class, dealing within classes finds it, and which group it is."""
    right, classes, codes = _harder_class()
    right &= (codes == 0) | (np.random.default_rng(3).random(right.size) < 0.6)
    grouping = groups.Grouping(("g",), ("a", "b"), codes)
    found = groups.compare(
        accuracy(right),
        grouping,
        np.ones((1, right.size)),
        min_group=10,
        num_permutations=500,
        random=np.random.default_rng(0),
        strata=classes,
    )
    assert found.p < 0.01
    assert found.tails[1] < 0.01 < found.tails[0]


def test_groups_without_a_class_in_common_are_not_compared() -> None:
    """Where a group is a class, nothing tells one from the other, and no chance is given."""
    right, classes, _ = _harder_class()
    found = groups.compare(
        accuracy(right),
        groups.Grouping(("g",), ("a", "b"), classes),
        np.ones((1, right.size)),
        min_group=10,
        num_permutations=100,
        random=np.random.default_rng(0),
        strata=classes,
    )
    assert (found.p, found.tails) == (None, ())
