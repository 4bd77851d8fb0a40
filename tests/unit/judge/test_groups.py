"""Groups have figures of their own, and deals within classes tell a hard group from one that is treated worse."""

import numpy as np
import pytest
from scipy import stats

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


def _harder_class(num: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return outcomes, classes and groups where class 1 is difficult (60 % right) and group 1 holds nearly only class 1."""
    random = np.random.default_rng(11)
    classes = np.repeat([0, 1], num)
    codes = np.where(random.random(2 * num) < 0.9, classes, 1 - classes)
    right = random.random(2 * num) < np.where(classes == 1, 0.6, 0.98)
    return right, classes, codes


def _dealt(right: np.ndarray, codes: np.ndarray, classes: np.ndarray) -> groups.Deals | None:
    found = compared(accuracy(right), Grouping(("g",), ("a", "b"), codes))
    return groups.deal(found, classes, 500, np.random.default_rng(0))


def test_a_group_of_difficult_classes_is_not_taken_for_one_treated_worse() -> None:
    """A gap that the classes explain is chance when dealt within classes."""
    found = _dealt(*(_harder_class()[i] for i in (0, 2, 1)))
    assert found is not None
    assert found.p > 0.1
    assert min(found.tails) > 0.05


def test_a_group_treated_worse_is_found_within_its_classes() -> None:
    """Where one group fails in every class, dealing within classes finds it, and which group it is."""
    right, classes, codes = _harder_class()
    right &= (codes == 0) | (np.random.default_rng(3).random(right.size) < 0.6)
    found = _dealt(right, codes, classes)
    assert found is not None
    assert found.p < 0.01
    assert found.tails[1] < 0.01 < found.tails[0]


def test_classes_that_cannot_be_asked() -> None:
    """With one class there is nothing to ask; where a group is a class, nothing tells one from the other."""
    right, classes, codes = _harder_class()
    assert _dealt(right, codes, np.zeros(right.size, np.int64)) is None
    assert _dealt(right, classes, classes) == groups.Deals(0, 1.0, (1.0, 1.0))


@pytest.mark.parametrize("counted", [True, False])
def test_deals_are_hypergeometric(counted: bool) -> None:
    """Dealt as counts or picture by picture, a group's hits in a class follow scipy's hypergeometric distribution."""
    right, classes, codes = _harder_class(60)
    measure = accuracy(right & (classes == 1))
    measure = measure if counted else measures.average("a", "a", (right & (classes == 1)).astype(float))
    chunks = groups.dealt_figures(measure, np.arange(120), codes, classes, 3000, np.random.default_rng(1))
    hits = np.rint(np.concatenate(list(chunks), axis=1)[0] * np.count_nonzero(codes == 0)).astype(int)
    there = np.count_nonzero((classes == 1) & (codes == 0))
    expected = stats.hypergeom(60, np.count_nonzero(right & (classes == 1)), there)
    assert hits.mean() == pytest.approx(expected.mean(), abs=4 * expected.std() / np.sqrt(3000))
    assert hits.std() == pytest.approx(expected.std(), rel=0.08)
    assert hits.max() <= there


@pytest.mark.parametrize("sizes", [(5, 0), (0, 5), (5, 2), (900, 12), (0, 900)])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_class_that_leaves_nothing_to_draw_is_dealt_as_it_is(sizes: tuple[int, int], share: float) -> None:
    """A class that one group lacks, or of which all are right or wrong: no group gets more than there are, or fewer than 0."""
    codes, classes = np.repeat([0, 1, 0, 1], [*sizes, 30, 30]), np.repeat([0, 1], [sum(sizes), 60])
    right = np.r_[np.arange(sum(sizes)) < share * sum(sizes), np.zeros(60, bool)]
    (figures,) = groups.dealt_figures(accuracy(right), np.arange(right.size), codes, classes, 200, np.random.default_rng(1))
    hits = np.rint(figures.T * np.bincount(codes))
    assert hits.min() >= 0
    assert (hits.sum(1) == np.count_nonzero(right)).all()
    assert (hits <= sizes).all()


def test_the_chance_of_equal_groups_is_uniform() -> None:
    """Where groups mean nothing within classes, p falls below 5 % about 5 % of the time."""
    random, found = np.random.default_rng(0), []
    for _ in range(300):
        classes, codes = random.integers(0, 2, 120), random.integers(0, 3, 120)
        right = random.random(120) < 0.7 + 0.2 * classes
        one = compared(accuracy(right), Grouping(("g",), ("a", "b", "c"), codes))
        found.append(groups.deal(one, classes, 200, random).p)  # type: ignore[union-attr]
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.08


def test_deals_end_early_where_more_would_change_nothing() -> None:
    """A gap that chance gives half of the time is told from few deals, one that it never gives only from all of them."""
    right, classes, codes = _harder_class()
    groups_of = np.random.default_rng(4).integers(0, 2, right.size)
    found = compared(accuracy(right), Grouping(("g",), ("a", "b"), groups_of))
    few = groups.deal(found, classes, 100_000, np.random.default_rng(0))
    worse = _dealt(right & ((codes == 0) | (np.arange(right.size) % 2 > 0)), codes, classes)
    assert few is not None
    assert worse is not None
    assert (few.num <= 1000, worse.num) == (True, 500)
