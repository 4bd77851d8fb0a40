"""Groups have figures of their own, and gaps between them an interval."""

import numpy as np
import pytest

from stages.judge import groups, measures, units
from stages.judge.columns import sort_into_groups
from stages.judge.groups import Comparison, Grouping
from stages.judge.measures import Measure


def accuracy(right: np.ndarray) -> Measure:
    """Return the accuracy of (N,) bool outcomes."""
    return measures.proportion("accuracy", "accuracy", "pictures", right.astype(float), np.ones(right.size))


def compared(measure: Measure, grouping: Grouping, min_group: int = 10) -> Comparison:
    """Compare a figure by group."""
    return groups.compare(measure, grouping, min_group=min_group, num_bootstraps=200, random=np.random.default_rng(2))


def test_every_group_has_its_own_figure() -> None:
    """A group's figure and count are those of its pictures alone, for a lone group and for pictures without a value too."""
    right = np.array([1, 1, 0, 1, 0, 0], bool)
    columns = {"a": ["x", "x", "x", "y", "y", None], "b": ["u", "u", "u", "v", "v", "v"], "c": ["w"] * 6}
    single, _, other, both = groups.groupings(sort_into_groups(columns, 20)[0])
    found = compared(accuracy(right), single, 2)
    assert [(e.value, e.n) for e in found.estimates] == [(pytest.approx(2 / 3), 3), (pytest.approx(1 / 2), 2), (0, 1)]
    assert (both.names, both.codes.tolist()) == (("no value, v", "x, u", "y, v"), [1, 1, 1, 2, 2, 0])
    lone = compared(accuracy(right), other, 2)
    assert (lone.estimates[0].value, lone.estimates[0].n, lone.num_claims) == (0.5, 6, 0)


def test_intersections_are_named_in_order() -> None:
    """Cells of two columns are ordered by name, and every picture is where both of its values say."""
    random = np.random.default_rng(0)
    texts = {"a": random.choice(["b!", "b", "a", "c"], 200), "b": random.choice(["z", "y"], 200)}
    both = groups.groupings(sort_into_groups(texts, 20)[0])[-1]
    assert list(both.names) == sorted(both.names)
    assert [both.names[c] for c in both.codes] == [f"{a}, {b}" for a, b in zip(texts["a"], texts["b"], strict=True)]


def test_small_groups_are_shown_and_not_compared() -> None:
    """A group under the minimum has its figure and interval, and stays out of the gap."""
    right = np.r_[np.ones(40), np.ones(20), np.zeros(3)].astype(bool)
    found = compared(accuracy(right), Grouping(("g",), ("a", "b", "tiny"), np.repeat([0, 1, 2], [40, 20, 3])))
    assert found.compared == (0, 1)
    assert found.estimates[2].value == 0
    assert 0 < found.estimates[2].high < 0.6
    assert found.gap()[0] == 0


def test_the_gap_of_any_figure_has_an_interval() -> None:
    """A real difference of figures that are no proportions lies in an interval, whose upper end is that of all pairs."""
    random = np.random.default_rng(5)
    figures = np.r_[random.normal(0.8, 0.1, 60), random.normal(0.6, 0.1, 60), random.normal(0.7, 0.1, 12)].clip(0, 1)
    grouping = Grouping(("g",), ("a", "b", "c"), np.repeat([0, 1, 2], [60, 60, 12]))
    found = compared(measures.average("iou", "IoU", figures), grouping)
    value, low, high = found.gap()
    assert low < 0.2 < high
    assert value == pytest.approx(figures[:60].mean() - figures[60:120].mean())
    assert high == max(found.pairs()[2][a, b] for a in range(3) for b in range(3) if a != b)


def test_a_picture_without_a_figure_is_not_counted() -> None:
    """The mean of single pictures' figures is of those that have one, in a group, under weights and by unit; none is NaN."""
    figures = np.array([1.0, 0.5, np.nan, np.nan, 0.25, np.nan])
    measure = measures.average("iou", "IoU", figures)
    way = Grouping(("g",), ("a", "b", "c"), np.array([0, 0, 0, 1, 1, 2]))
    for held in (None, units.of(["p", "p", "q", "r", "r", "s"])):
        found = groups.compare(measure, way, min_group=2, num_bootstraps=10, random=np.random.default_rng(0), units=held)
        assert [one.value for one in found.estimates] == pytest.approx([0.75, 0.25, np.nan], nan_ok=True)
        assert [one.n for one in found.estimates] == [2, 1, 0]
    assert measure.values(np.array([[1.0, 3, 5, 0, 0, 1]])) == pytest.approx([2.5 / 4])
