"""Standard errors from slopes are those of the exact bootstrap, for every figure and group."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from stages.judge import by_group, confusion, measures, panels, ratio_slope, statistics, units
from stages.judge.measures import Measure
from tests.simulations.matches import matches
from tests.simulations.worlds import WORLDS

NUM = 400
Made = Callable[[np.random.Generator], Measure]


def macro_f1(random: np.random.Generator) -> Measure:
    """Return macro F1 of four classes."""
    truth = random.choice(4, NUM, p=[0.4, 0.3, 0.2, 0.1])
    said = np.where(random.random(NUM) < 0.8, truth, random.integers(0, 4, NUM))
    hot, claimed = np.eye(4)[truth], np.eye(4)[said]
    return measures.mean_of_ratios(
        "f", "f", "pictures", 2 * hot * claimed, hot + claimed, hot, counts=np.ones(NUM), kinds=truth * 4 + said
    )


def recall(random: np.random.Generator) -> Measure:
    """Return recall of objects that share their picture's difficulty."""
    totals = random.integers(0, 9, NUM)
    return measures.proportion("r", "r", "objects", random.binomial(totals, random.beta(3, 1, NUM)) * 1.0, totals * 1.0)


FIGURES: dict[str, Made] = {
    "macro F1": macro_f1,
    "recall": recall,
    "average": lambda r: measures.average("a", "a", np.where(r.random(NUM) < 0.1, np.nan, r.beta(6, 2, NUM))),
    "mIoU": lambda r: WORLDS["mIoU"].draw(r.beta(8, 2, NUM), r),
    "mAP50": lambda r: WORLDS["mAP50"].draw(r.beta(8, 2, NUM), r),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_slope_gives_the_bootstraps_standard_error(name: str) -> None:
    """Value equal to weights of 0 and 1, standard error within 12 % of 1,000 exact draws, in each of three groups."""
    random = np.random.default_rng(3)
    measure = FIGURES[name](random)
    codes = random.choice([-1, 0, 1, 2], NUM, p=[0.1, 0.45, 0.3, 0.15])
    moves = measure.slope(codes, 3)  # type: ignore[misc]
    values, influence = moves.values, moves.influence
    spreads = statistics.standard_errors(influence, codes, 3)
    assert not influence[codes < 0].any()
    for g in range(3):
        rows = codes == g
        assert values[g] == pytest.approx(measure.of(rows), abs=1e-12)
        assert influence[rows].sum() == pytest.approx(0, abs=1e-12)
        weights = np.zeros((1000, NUM))
        weights[:, rows] = statistics.resamples(rows.sum(), 1000, random)
        drawn = measure.values(weights).std() * np.sqrt(rows.sum() / (rows.sum() - 1))
        assert spreads[g] == pytest.approx(drawn, rel=0.12)


def delete_one(hits: np.ndarray, totals: np.ndarray) -> float:
    """Return the standard error of a ratio of sums by the jackknife: each picture that holds something left out in turn."""
    hits, totals = hits[totals > 0], totals[totals > 0]
    left = (hits.sum() - hits) / (totals.sum() - totals)
    return float(np.sqrt((left.size - 1) / left.size * ((left - left.mean()) ** 2).sum()))


@pytest.mark.parametrize("num_empty", [0, 3, 500])
@pytest.mark.parametrize("holding", [2, 6, 40])
def test_the_error_of_a_ratio_is_the_jackknifes(holding: int, num_empty: int) -> None:
    """To rounding where pictures hold equally many objects, nearly where they do not, as a group, a split and a class."""
    random, num = np.random.default_rng([8, holding]), holding + num_empty
    order, codes = random.permutation(num), np.zeros(num, np.int64)
    for each, close in ((np.full(holding, 5), 1e-9), (random.integers(3, 8, holding), 0.6 / holding)):
        found = random.permutation(np.r_[1, 3, random.integers(0, 4, holding - 2)])
        hits, totals = (np.r_[some, np.zeros(num_empty)][order] for some in (found, each))
        expected = delete_one(hits, totals)
        share = measures.proportion("r", "r", "pixels", hits, totals)  # of objects there is a least besides
        group = by_group.estimates(share, codes, 1, 0, random)[0]
        assert np.sqrt(group.value * (1 - group.value) / group.size) == pytest.approx(expected, rel=close)
        panel = panels.of_measures([share], units.alone(num))
        assert [one.error for one in panel.shown()] == pytest.approx([expected], rel=close)
        tables = (sparse.csr_array(some[:, None]) for some in (hits, totals))
        assert ratio_slope.by_class(*tables) == pytest.approx([expected], rel=close)


@pytest.mark.parametrize("name", ["recall", "average", "mIoU", "mAP50"])
def test_pictures_without_anything_make_no_error_smaller(name: str) -> None:
    """Of a group and of a split: a thousand pictures that hold nothing beside seven that do change nothing."""
    random = np.random.default_rng(9)
    hits, there = random.integers(1, 4, 7) * 1.0, np.full(7, 4.0)
    found = []
    for num in (7, 1007):
        right, of = (np.r_[some, np.zeros(num - 7)] for some in (hits, there))
        at = np.repeat(np.arange(num), right.astype(int))
        table = matches(np.linspace(1, 0, at.size), at, np.ones(at.size, bool), of)
        figures = {
            "recall": measures.proportion("m", "m", "objects", right, of),
            "average": measures.average("m", "m", np.where(of > 0, right / 4, np.nan)),
            "mIoU": measures.mean_of_ratios("m", "m", "pixels", right[:, None], of[:, None], of[:, None], counts=of),
            "mAP50": panels.precision("m", "m", [table], slice(0, 1)),
        }
        one = by_group.estimates(figures[name], np.zeros(num, np.int64), 1, 0, random)[0]
        (whole,) = panels.of_measures([figures[name]], units.alone(num)).shown()
        found.append([one.value, one.size, one.freedom, one.low, one.high, whole.error, whole.trials, whole.varying])
    assert found[1] == pytest.approx(found[0])


@pytest.mark.parametrize("name", FIGURES)
def test_without_a_slope_draws_are_streamed(name: str) -> None:
    """A figure whose slope is not known gets nearly the same interval from draws over each group's own pictures."""
    random = np.random.default_rng(4)
    measure = FIGURES[name](random)
    codes = random.integers(0, 2, NUM)
    known = by_group.estimates(measure, codes, 2, 400, random)
    drawn = by_group.estimates(replace(measure, slope=None), codes, 2, 400, random)
    for one, other in zip(known, drawn, strict=True):
        assert (one.value, one.n, one.num_pictures) == (pytest.approx(other.value), other.n, other.num_pictures)
        assert one.high - one.low == pytest.approx(other.high - other.low, rel=0.2)


def test_a_part_is_the_measure_over_its_pictures() -> None:
    """A measure over chosen pictures has the figures of weights of 0 elsewhere, and the same kinds."""
    random = np.random.default_rng(5)
    for make in (macro_f1, recall, FIGURES["average"], FIGURES["mIoU"]):
        measure = make(random)
        rows = np.sort(random.choice(NUM, 120, replace=False))
        weights = random.integers(0, 4, (6, NUM)) * np.isin(np.arange(NUM), rows)
        part = measure.chosen(rows)  # type: ignore[misc]
        assert part.values(weights[:, rows] * 1.0) == pytest.approx(measure.values(weights * 1.0), abs=1e-12)
        if measure.kinds is not None:
            assert (part.kinds == measure.kinds[rows]).all()


def test_pictures_of_a_kind_are_alike() -> None:
    """To exchange two pictures of one kind changes no figure."""
    random = np.random.default_rng(6)
    for measure in (macro_f1(random), recall(random)):
        weights = random.integers(0, 4, (1, NUM)).astype(float)
        order = np.arange(NUM)
        for kind in np.unique(measure.kinds):
            same = np.flatnonzero(measure.kinds == kind)
            order[same] = random.permutation(same)
        assert measure.values(weights[:, order]) == pytest.approx(measure.values(weights), abs=1e-12)


def test_a_class_that_a_group_lacks_stays_out() -> None:
    """Macro F1 of a group leaves out a class that its truth lacks, though it was said there."""
    truth, said = np.array([0, 0, 1, 1, 0, 0]), np.array([0, 0, 1, 0, 0, 1])
    hot, claimed = np.eye(2)[truth], np.eye(2)[said]
    measure = measures.mean_of_ratios("f", "f", "pictures", 2 * hot * claimed, hot + claimed, hot, counts=np.ones(6))
    found = by_group.estimates(measure, np.array([0, 0, 0, 0, 1, 1]), 2, 10, np.random.default_rng(0))
    tables = [confusion.confusion_matrix(truth[a:b], said[a:b], 2) for a, b in ((0, 4), (4, 6))]
    scores = [confusion.precision_recall_f1(t)[2] for t in tables]
    assert found[0].value == pytest.approx(scores[0].mean())
    assert found[1].value == pytest.approx(scores[1][0])


def test_an_estimated_error_widens_the_interval() -> None:
    """The interval of a mean over few pictures is wider than that of as many known trials; a proportion's is Wilson's."""
    figures = np.r_[np.full(6, 0.7), np.full(6, 0.9)]
    codes = np.zeros(12, np.int64)
    found = by_group.estimates(measures.average("a", "a", figures), codes, 1, 10, np.random.default_rng(0))[0]
    low, high = statistics.wilson(found.value, found.size)
    assert found.freedom == 11
    assert found.low < low < high < found.high
    right = measures.proportion("p", "p", "pictures", np.r_[np.zeros(3), np.ones(9)], np.ones(12))
    share = by_group.estimates(right, codes, 1, 10, np.random.default_rng(0))[0]
    assert (share.low, share.high) == pytest.approx(tuple(float(b) for b in statistics.wilson(0.75, 12)))


@pytest.mark.parametrize("pictures", [(9, 1), (8, 2), (50, 50), (90, 10), (30, 5, 1), (4, 3, 3), (12,)])
def test_where_all_is_right_the_rarest_class_says_how_sure_that_is(pictures: tuple[int, ...]) -> None:
    """The bound is the lowest mean of shares that would be all right in 2.5 % of cases, as it is found on a grid."""
    truth = np.repeat(np.arange(len(pictures)), pictures)
    hot = np.eye(len(pictures))[truth]
    measure = measures.mean_of_ratios("f", "f", "pictures", 2 * hot, 2 * hot, hot, counts=np.ones(truth.size))
    found = by_group.estimates(measure, np.zeros(truth.size, np.int64), 1, 10, np.random.default_rng(0))[0]
    assert (found.value, found.freedom) == (1.0, np.inf)
    shares = np.stack(np.meshgrid(*[np.linspace(0.01, 1, 100)] * len(pictures)))
    chance = np.prod([share**n for share, n in zip(shares, pictures, strict=True)], axis=0)
    lowest = shares.mean(axis=0)[chance >= 0.025].min()
    assert float(statistics.exact(found.value, found.size)[0]) == pytest.approx(lowest, abs=0.01)
    assert found.size == pytest.approx(truth.size) or max(pictures) > min(pictures)


def test_where_all_is_found_the_last_digits_of_sums_say_nothing() -> None:
    """The average precision of two classes, one in nine pictures and one in one, all found: five trials."""
    own = np.r_[np.ones(9), 0.0]
    tables = [
        matches(np.linspace(0.9, 0.1, int(o.sum())), np.flatnonzero(o), np.ones(int(o.sum()), bool), o)
        for o in (own, 1 - own)
    ]
    for rule in ("coco", "voc2007", "voc2010"):
        measure = panels.precision("m", "m", tables, slice(0, 1), rule=rule)
        found = by_group.estimates(measure, np.zeros(10, np.int64), 1, 10, np.random.default_rng(0))[0]
        assert found.value == pytest.approx(1.0)
        assert (found.size, found.freedom) == (pytest.approx(5.0056, abs=1e-4), np.inf)


def test_a_class_that_few_pictures_hold_is_known_little() -> None:
    """A class in one picture adds the variance of one trial, known, which takes no freedom; one in two takes it."""
    random = np.random.default_rng(7)
    common, codes = random.random((40, 1)), np.zeros(40, np.int64)

    def moved(holders: int) -> ratio_slope.Moves:
        rare = np.zeros((40, 1))
        rare[:holders, 0] = 1
        there = np.hstack([np.ones((40, 1)), rare])
        hits = np.hstack([common, rare * random.choice([0.2, 0.9], (40, 1))])
        slope = measures.mean_of_ratios("m", "m", "pictures", hits, there, there, counts=np.ones(40)).slope
        return slope(codes, 1)  # type: ignore[misc]

    absent, one, two, every = (moved(holders) for holders in (0, 1, 2, 40))
    assert (absent.added[0], two.added[0], every.added[0]) == (0, 0, 0)
    assert absent.freedom[0] == pytest.approx(39)
    assert 0.15 / 4 <= one.added[0] <= 0.25 / 4
    assert one.freedom[0] >= 39
    assert 1 <= two.freedom[0] < 4
    assert 39 <= every.freedom[0] + 1e-9 <= 78
