"""Deals within classes tell a group of difficult classes from one that is treated worse, pair by pair."""

import numpy as np
import pytest
from scipy import stats

from stages.judge import groups, measures, permutations, statistics, verdicts
from stages.judge.estimate import Estimate
from stages.judge.groups import Grouping
from stages.judge.measures import Measure
from stages.judge.permutations import Deals


def accuracy(right: np.ndarray) -> Measure:
    """Return the accuracy of (N,) bool outcomes."""
    return measures.proportion("accuracy", "accuracy", "pictures", right.astype(float), np.ones(right.size))


def dealer(right: np.ndarray, codes: np.ndarray, classes: np.ndarray, num_deals: int = 500) -> permutations.Dealer:
    """Return what deals the groups of (N,) bool outcomes out anew."""
    way = Grouping(("g",), tuple(map(str, range(int(codes.max()) + 1))), codes)
    found = groups.compare(accuracy(right), way, min_group=2, num_bootstraps=0, random=np.random.default_rng(2))
    return permutations.Dealer(
        found, classes, num_deals=num_deals, allowed=0.1, random=lambda *at: np.random.default_rng([3, *np.abs(at)])
    )


def harder_class(num: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return outcomes, classes and groups where class 1 is difficult (60 % right) and group 1 holds nearly only class 1."""
    random = np.random.default_rng(11)
    classes = np.repeat([0, 1], num)
    codes = np.where(random.random(2 * num) < 0.9, classes, 1 - classes)
    right = random.random(2 * num) < np.where(classes == 1, 0.6, 0.98)
    return right, classes, codes


def exactly(right: np.ndarray, codes: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of the gap of group 0 over 1: hits of group 0 are hypergeometric in each class."""
    hits, variance, counts = 0.0, 0.0, [np.count_nonzero(codes == g) for g in (0, 1)]
    for one in np.unique(classes):
        num, first = np.count_nonzero(classes == one), np.count_nonzero((classes == one) & (codes == 0))
        share = np.count_nonzero(right & (classes == one)) / num
        hits, variance = hits + first * share, variance + first * share * (1 - share) * (num - first) / (num - 1)
    gap = hits / counts[0] - (np.count_nonzero(right) - hits) / counts[1]
    return float(gap), float(np.sqrt(variance) * (1 / counts[0] + 1 / counts[1]))


def limit(ask: permutations.Dealer, max_gap: float = 0.1) -> float:
    """Return what the lower bound of the gap of group 0 over 1 must exceed."""
    found, each = ask(1, 0), ask.comparison.estimates
    assert found is not None
    return found.limit(each[0], each[1], max_gap)


def test_a_group_of_difficult_classes_is_not_taken_for_one_treated_worse() -> None:
    """A gap, or a low figure, that the classes explain is what deals within classes give."""
    right, classes, codes = harder_class()
    ask = dealer(right, codes, classes)
    pair, alone = ask(1, 0), ask(1)
    assert pair is not None
    assert alone is not None
    assert pair.mean == pytest.approx(ask.comparison.gap()[0], abs=2 * pair.spread)
    assert alone.mean == pytest.approx(ask.comparison.estimates[1].value, abs=2 * alone.spread)
    assert limit(ask) == np.inf


def test_a_group_treated_worse_is_found_within_its_classes() -> None:
    """Where one group fails in every class, its gap goes beyond what classes and the limit explain, the other way none."""
    right, classes, codes = harder_class(600)
    right &= (codes == 0) | (np.random.default_rng(3).random(right.size) < 0.5)
    ask = dealer(right, codes, classes)
    assert 0.1 < limit(ask) < ask.comparison.pairs(exact=True)[1][0, 1]
    found, each = ask(0, 1), ask.comparison.estimates
    assert found is not None
    assert found.limit(each[1], each[0], 0.1) == np.inf


def test_classes_that_cannot_be_asked() -> None:
    """With one class there is nothing to ask; where a group is a class, nothing tells one from the other."""
    right, classes, codes = harder_class()
    nothing = Deals(0, 0.0, 0.0, 0.0)
    assert dealer(right, codes, np.zeros(right.size, np.int64))(1, 0) is None
    assert dealer(right, classes, classes)(1, 0) == nothing
    third = np.r_[codes[classes == 0], np.full(200, 2)]
    ask = dealer(right, third, np.r_[np.zeros(200, np.int64), np.ones(200, np.int64)])
    assert ask(1, 0) is None  # the pair is of one class, whatever the third group is of
    assert ask(2, 0) == nothing
    assert nothing.limit(ask.comparison.estimates[0], ask.comparison.estimates[1], 0.1) == np.inf


@pytest.mark.parametrize("counted", [True, False])
def test_deals_are_hypergeometric(counted: bool) -> None:
    """Dealt as counts or picture by picture, a group's hits in a class follow scipy's hypergeometric distribution."""
    right, classes, codes = harder_class(60)
    measure = accuracy(right & (classes == 1))
    measure = measure if counted else measures.average("a", "a", (right & (classes == 1)).astype(float))
    chunks = permutations.dealt_figures(measure, np.arange(120), codes, classes, 3000, np.random.default_rng(1))
    hits = np.rint(np.concatenate(list(chunks), axis=1)[0] * np.count_nonzero(codes == 0)).astype(int)
    there = np.count_nonzero((classes == 1) & (codes == 0))
    expected = stats.hypergeom(60, np.count_nonzero(right & (classes == 1)), there)
    assert hits.mean() == pytest.approx(expected.mean(), abs=4 * expected.std() / np.sqrt(3000))
    assert hits.std() == pytest.approx(expected.std(), rel=0.08)
    assert hits.max() <= there


@pytest.mark.parametrize("sizes", [(5, 0), (0, 5), (5, 2), (900, 12), (0, 900)])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_class_that_leaves_nothing_to_draw_is_dealt_as_it_is(sizes: tuple[int, int], share: float) -> None:
    """A class that one group lacks, or of which all are right or wrong: no group gets more than it holds, or below 0."""
    codes, classes = np.repeat([0, 1, 0, 1], [*sizes, 30, 30]), np.repeat([0, 1], [sum(sizes), 60])
    right = np.r_[np.arange(sum(sizes)) < share * sum(sizes), np.zeros(60, bool)]
    random = np.random.default_rng(1)
    (figures,) = permutations.dealt_figures(accuracy(right), np.arange(right.size), codes, classes, 200, random)
    hits = np.rint(figures.T * np.bincount(codes))
    assert hits.min() >= 0
    assert (hits.sum(1) == np.count_nonzero(right)).all()
    assert (hits <= sizes).all()


def test_no_third_group_has_a_part_in_a_pair() -> None:
    """Groups beside a pair, small, many or extreme, change nothing in what its deals come to; to a floor they do."""
    right, classes, codes = harder_class()
    beside = np.r_[codes, np.repeat(np.arange(2, 12), 12)]
    more, bad = np.arange(120) % 2, np.zeros(120, bool)
    alone, among = dealer(right, codes, classes), dealer(np.r_[right, bad], beside, np.r_[classes, more])
    assert alone(1, 0) == among(1, 0)
    assert alone(1) != among(1)


@pytest.mark.parametrize("sizes", [(200, 200), (400, 20), (20, 400), (150, 40)])
@pytest.mark.parametrize("shares", [(0.4, 0.6), (0.0, 0.5), (0.9, 0.1)])
def test_deals_have_the_mean_and_spread_of_all_deals(sizes: tuple[int, int], shares: tuple[float, float]) -> None:
    """2,000 deals agree with the hypergeometric distributions that they are drawn from, also where a class is absent."""
    random = np.random.default_rng(4)
    codes = np.repeat([0, 1], sizes)
    classes = (random.random(codes.size) < np.array(shares)[codes]).astype(np.int64)
    right = random.random(codes.size) < np.where(codes == 1, 0.6, 0.97) - 0.1 * classes
    found, (mean, spread) = dealer(right, codes, classes, 2000)(1, 0), exactly(right, codes, classes)
    assert found is not None
    assert found.num == 2000
    assert found.mean == pytest.approx(mean, abs=4 * spread / np.sqrt(2000))
    assert found.spread == pytest.approx(spread, rel=0.08)


def test_the_part_that_deals_show_is_that_of_the_classes_that_both_groups_hold() -> None:
    """What is left of a gap of 20 points in every class is its part shown: all of it where groups hold classes alike."""
    shares = {}
    for lopsided in (0.5, 0.7, 0.9):
        num = round(1000 * lopsided)
        codes, classes = np.repeat([0, 1], 1000), np.r_[np.arange(1000) >= num, np.arange(1000) < num].astype(np.int64)
        ranks = np.concatenate([np.arange(n) / n for n in (num, 1000 - num, num, 1000 - num)])
        right = ranks < 0.9 - 0.3 * classes - 0.2 * codes
        found = dealer(right, codes, classes, 2000)(1, 0)
        assert found is not None
        gap = right[codes == 0].mean() - right[codes == 1].mean()
        assert gap - found.mean == pytest.approx(0.2 * found.shown, abs=4 * found.spread / np.sqrt(2000) + 0.002)
        shares[lopsided] = found.shown
    assert shares == {0.5: pytest.approx(1), 0.7: pytest.approx(0.84), 0.9: pytest.approx(0.36)}


def test_where_groups_hold_classes_alike_the_limit_is_the_one_given() -> None:
    """Deals then explain nothing: what is asked of a gap is what was asked without them, within their own error."""
    codes, classes = np.repeat([0, 1], 1000), np.tile([0, 1], 1000)
    right = np.arange(2000) % 1000 < np.where(codes == 0, 900, 600)
    assert limit(dealer(right, codes, classes, 2000)) == pytest.approx(0.1, abs=0.002)


def proportion(value: float, size: float) -> Estimate:
    """Return a figure of so many trials."""
    low, high = (float(bound) for bound in statistics.wilson(value, size))
    return Estimate(value, low, high, round(size), size, round(size), round(size))


@pytest.mark.parametrize("sizes", [(20, 1000), (1000, 20), (300, 300)])
@pytest.mark.parametrize("given", ["spread", "apart"])
def test_bounds_lie_closer_by_what_shortens_them_less(sizes: tuple[int, int], given: str) -> None:
    """A gap's own error is the smaller one where the small group fares well, that of deals of one class where it does not.

    Spread of the deals, or error within classes, of half the smaller halves the distance of the gap from its bound: twice
    the rest must reach as far as the whole distance. What is as large as the smaller shortens nothing.
    """
    better, worse = proportion(0.95, sizes[0]), proportion(0.55, sizes[1])
    own = np.sqrt(0.95 * 0.05 / sizes[0] + 0.55 * 0.45 / sizes[1])
    share = (0.95 * sizes[0] + 0.55 * sizes[1]) / sum(sizes)
    single = np.sqrt(share * (1 - share) * (1 / sizes[0] + 1 / sizes[1]))
    assert (own < single) == (sizes != (1000, 20))
    rest = 0.4 - 0.2 - 0.5 * 0.1  # the gap, less what classes explain and the part of the limit that deals show
    for size, expected in ((0.5, 0.4 - 2 * rest), (0.8, 0.4 - rest / 0.8), (1.0, 0.4 - rest), (3.0, 0.4 - rest)):
        told = {"spread": 0.0, "apart": 0.0} | {given: size * min(own, single)}
        deals = Deals(500, 0.2, told["spread"], 0.5, told["apart"])
        assert deals.limit(better, worse, 0.1) == pytest.approx(max(0.1, expected))


def test_deals_end_early_where_they_explain_all() -> None:
    """A gap that classes clearly explain, but for what is allowed, is told from few deals, another from all of them."""
    right, classes, codes = harder_class(1000)
    few = dealer(right, codes, classes, 100_000)(1, 0)
    more = dealer(right & ((codes == 0) | (np.arange(right.size) % 2 > 0)), codes, classes, 500)(1, 0)
    assert few is not None
    assert more is not None
    assert (few.num <= 1000, more.num) == (True, 500)


def _fails(codes: np.ndarray, classes: np.ndarray, hits: np.ndarray, totals: np.ndarray) -> bool:
    """Tell whether an audit of recall says FAIL."""
    return _audited(
        measures.proportion("recall", "recall", "objects", hits.astype(float), totals.astype(float)), codes, classes
    )


def _audited(measure: Measure, codes: np.ndarray, classes: np.ndarray) -> bool:
    """Tell whether an audit of two groups, with a floor that nobody misses, says FAIL."""
    way = Grouping(("g",), ("a", "b"), codes)
    compared = groups.compare(measure, way, min_group=10, num_bootstraps=0, random=np.random.default_rng(2))

    def deal(one: groups.Comparison) -> permutations.Dealer:
        return permutations.Dealer(one, classes, num_deals=200, allowed=0.1, random=lambda *_: np.random.default_rng(3))

    return verdicts.judge([compared], verdicts.Limits(0.1, 0.0, 0.05), deal)[0].verdict == verdicts.FAIL


@pytest.mark.parametrize("shared", [1, 3, 12])
def test_a_class_that_one_group_hardly_holds_fails_nobody(shared: int) -> None:
    """A thousand pictures of one group hide in deals how much the few of the other vary: at the limit few audits fail."""
    codes, rounds = np.repeat([0, 1], 1000), 60
    classes = codes.copy()
    classes[1000 : 1000 + shared] = 0
    rates = np.where(codes == 0, 0.98, np.where(classes == 0, 0.88, 0.6))
    failed = [
        _fails(codes, classes, np.random.default_rng(seed).random(2000) < rates, np.ones(2000)) for seed in range(rounds)
    ]
    assert sum(failed) <= 0.05 * rounds


@pytest.mark.parametrize("each", [1, 10])
def test_classes_weigh_what_the_figure_is_read_from(each: int) -> None:
    """A gap at the limit in each class, one class with ten objects a picture: recall weighs objects, and so do classes."""
    codes, failed = np.repeat([0, 1], 1500), 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        classes = (random.random(3000) < np.where(codes == 0, 0.1, 0.9)).astype(np.int64)
        totals = np.where(classes == 0, each, 1)
        failed += _fails(codes, classes, random.binomial(totals, np.where(classes == 0, 0.95, 0.65) - 0.1 * codes), totals)
    assert failed <= 3


def test_a_gap_within_a_class_that_both_hold_is_still_told() -> None:
    """Ten points are allowed, forty are there in the class that a tenth of the other group's pictures are of."""
    codes = np.repeat([0, 1], 1000)
    classes = codes.copy()
    classes[1000:1100] = 0
    rates = np.where(codes == 0, 0.98, np.where(classes == 0, 0.58, 0.6))
    failed = [_fails(codes, classes, np.random.default_rng(s).random(2000) < rates, np.ones(2000)) for s in range(20)]
    assert sum(failed) >= 18


def _mean_recall(codes: np.ndarray, classes: np.ndarray, right: np.ndarray) -> Measure:
    """Return the mean over classes of the share that is right, (N,) bool, and check that it says what is asked."""
    there = np.eye(int(classes.max()) + 1)[classes]
    measure = measures.mean_of_ratios(
        "recall", "recall", "pictures", there * right[:, None], there, there, counts=np.ones(right.size)
    )
    of = [right[(codes == 0) & (classes == one)].mean() for one in np.unique(classes[codes == 0])]
    assert measure.of(codes == 0) == pytest.approx(np.mean(of))
    return measure


def _sharing(num_own: int, num_shared: int, gap: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return groups, classes and outcomes: groups of a class each (95 and 60 % right) and of one both hold, 90 and less."""
    codes = np.repeat([0, 1], num_own + num_shared)
    classes = np.concatenate([np.repeat([own, 2], [num_own, num_shared]) for own in (0, 1)])
    rates = np.where(classes == 2, 0.9 - gap * codes, np.where(codes == 0, 0.95, 0.6))
    return codes, classes, np.random.default_rng(seed).random(codes.size) < rates


@pytest.mark.parametrize("sizes", [(300, 100), (1000, 300), (3000, 1000)])
def test_a_mean_over_classes_weighs_a_shared_class_as_one_of_the_classes(sizes: tuple[int, int]) -> None:
    """A fourth of the pictures is half of a mean over two classes: at the limit within the class that both hold few fail."""
    failed = 0
    for seed in range(40):
        codes, classes, right = _sharing(*sizes, 0.1, seed)
        failed += _audited(_mean_recall(codes, classes, right), codes, classes)
    assert failed <= 2


def test_a_gap_within_the_shared_class_of_a_mean_over_classes_is_still_told() -> None:
    """Thirty points lie beyond the ten allowed."""
    failed = 0
    for seed in range(10):
        codes, classes, right = _sharing(1000, 1000, 0.3, seed)
        failed += _audited(_mean_recall(codes, classes, right), codes, classes)
    assert failed >= 9


def test_where_groups_hold_classes_alike_a_mean_over_classes_is_asked_as_a_share_is() -> None:
    """All of a gap within classes is shown then, by counts and by classes; no more of it than all in any case."""
    codes, classes = np.repeat([0, 1], 1000), np.tile(np.repeat([0, 1, 2], [700, 200, 100]), 2)
    right = np.random.default_rng(1).random(2000) < 0.9 - 0.2 * codes
    way = Grouping(("g",), ("a", "b"), codes)
    shown = []
    for measure in (accuracy(right), _mean_recall(codes, classes, right)):
        found = groups.compare(measure, way, min_group=10, num_bootstraps=0, random=np.random.default_rng(2))
        ask = permutations.Dealer(found, classes, num_deals=50, allowed=0.1, random=lambda *_: np.random.default_rng(3))
        deals = ask(1, 0)
        assert deals is not None
        shown.append(deals.shown)
    assert shown == [pytest.approx(1), pytest.approx(1)]
