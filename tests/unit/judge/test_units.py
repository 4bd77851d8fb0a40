"""Pictures of one unit count as one draw: in intervals, standard errors, deals and comparisons of two models."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.judge import by_group, classes, draws, groups, measures, paired, panels, permutations, statistics, tally, units
from stages.judge.draws import Draws
from stages.judge.measures import Measure
from tests.simulations import clips
from tests.simulations.matches import matches

NUM = 60


def _share(random: np.random.Generator) -> Measure:
    right = np.asarray(random.random(NUM) < 0.7, np.float64)
    return measures.proportion("a", "a", "pictures", right, np.ones(NUM))


def _mean(random: np.random.Generator) -> Measure:
    return measures.average("a", "a", np.where(random.random(NUM) < 0.1, np.nan, random.random(NUM)))


def _ratios(random: np.random.Generator) -> Measure:
    real = np.floor(random.gamma(1, 50, (NUM, 3))) * (random.random((NUM, 3)) < 0.6)
    hit = np.floor(real * random.random((NUM, 3)))
    said = hit + random.integers(0, 9, (NUM, 3))
    return measures.mean_of_ratios("a", "a", "pixels", hit, real + said - hit, real, counts=real.sum(1))


def _headline(random: np.random.Generator) -> Measure:
    cells = random.integers(0, 9, NUM)
    held = classes.counts(np.arange(NUM), cells, np.ones(NUM, np.int64), NUM, 3)
    return panels.mean("a", "a", "pictures", held, classes.f1)


def _precision(random: np.random.Generator) -> Measure:
    tables = []
    for _ in range(2):
        num = 150
        right = random.random(num) < 0.6
        objects = random.poisson(2.0, NUM).astype(float)
        tables.append(matches(random.permutation(num) / num, random.integers(0, NUM, num), right, objects))
    return panels.precision("a", "a", tables, slice(0, 1))


def _drawn(random: np.random.Generator) -> Measure:
    table = _precision(random)
    return Measure("a", "a", "objects", tally.whole(table.counts), table.values)


MEASURES = [_share, _mean, _ratios, _headline, _precision, _drawn]


@pytest.mark.parametrize("make", MEASURES)
@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 9), min_size=NUM, max_size=NUM), st.integers(0, 99))
def test_a_unit_weighs_as_its_pictures_do(
    make: Callable[[np.random.Generator], Measure], names: list[int], seed: int
) -> None:
    """A measure over units under weights of units is the measure over pictures, each weighed as its unit: exactly."""
    random = np.random.default_rng(seed)
    measure, held = make(random), units.of([str(n) for n in names])
    merged = measure.merged(held.codes, held.num)
    weights = statistics.resamples(held.num, 20, random)
    assert merged.values(weights) == pytest.approx(measure.values(weights[:, held.codes]), nan_ok=True)
    assert merged.counts.tolist() == [measure.counts[held.codes == u].sum() for u in range(held.num)]


@pytest.mark.parametrize("make", MEASURES)
def test_errors_by_group_are_those_of_drawn_units(make: Callable[[np.random.Generator], Measure]) -> None:
    """Each group's effective size is that of a bootstrap that draws whole units, also where a unit stands in both groups."""
    random = np.random.default_rng(8)
    measure = make(random)
    order = random.permutation(NUM)
    held = units.of([str(n // 4) for n in order])
    codes = order % 2
    found = by_group.estimates(measure, codes, 2, 2000, random, held)
    for group, estimate in enumerate(found):
        inside = codes == group
        there = np.unique(held.codes[inside])
        weights = np.zeros((4000, held.num))
        weights[:, there] = statistics.resamples(there.size, 4000, random)
        replicates = measure.values(weights[:, held.codes] * inside)
        spread = np.nanstd(replicates) * np.sqrt(there.size / (there.size - 1))
        own = np.sqrt(estimate.value * (1 - estimate.value) / estimate.size)
        assert own == pytest.approx(spread, rel=0.35)  # the slope of an average precision, from 15 units
        assert (estimate.num_pictures, estimate.num_units) == (inside.sum(), there.size)
        assert estimate.value == pytest.approx(measure.of(inside))
        assert estimate.freedom <= there.size - 1


def test_pictures_that_are_units_of_their_own_change_nothing() -> None:
    """With a unit for each picture every estimate is that without units, to the bit, and carries no count of units."""
    random = np.random.default_rng(3)
    codes = random.integers(0, 3, NUM)
    for make in MEASURES:
        measure = make(np.random.default_rng(1))
        own = by_group.estimates(measure, codes, 3, 200, np.random.default_rng(2), units.alone(NUM))
        plain = by_group.estimates(measure, codes, 3, 200, np.random.default_rng(2))
        assert own == plain
        assert all("units" not in estimate.content() for estimate in own)


def test_copies_of_a_picture_add_nothing() -> None:
    """Thirty pictures tell as much as the same thirty ten times over: n grows, the effective size does not."""
    random = np.random.default_rng(5)
    right = np.asarray(random.random(30) < 0.8, np.float64)
    names = [str(n) for n in range(30)]
    once = by_group.estimates(
        measures.proportion("a", "a", "pictures", right, np.ones(30)), np.zeros(30, np.int64), 1, 10, random
    )[0]
    many = measures.proportion("a", "a", "pictures", np.repeat(right, 10), np.ones(300))
    held = units.of(np.repeat(names, 10).tolist())
    told = by_group.estimates(many, np.zeros(300, np.int64), 1, 10, random, held)[0]
    assert (told.n, told.num_pictures, told.num_units) == (300, 300, 30)
    assert told.value == pytest.approx(once.value)
    assert told.size == pytest.approx(once.size, rel=0.05)
    assert told.high - told.low >= once.high - once.low


def test_panels_count_pictures_and_units_and_draw_units() -> None:
    """Of each class the units that hold it; a class whose pictures are all of other units keeps Wilson's interval."""
    truth, said = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 1, 0])
    held = units.of(["a", "a", "b", "c", "d", "e"])
    table = classes.counts(np.arange(6), truth * 2 + said, np.ones(6, np.int64), 6, 2)
    each = {"recall": classes.recall, "precision": classes.precision}
    panel = panels.of_classes(table, each, {"accuracy": classes.share}, single=True, units=held)
    assert (panel.n, panel.pictures, panel.units) == ([6, 3, 3, 3, 3], [6, 3, 3, 3, 3], [5, 2, 3, 2, 3])
    found = draws.estimates(panel, Draws(held.num, 500, lambda: np.random.default_rng(0)))
    assert found["recall/1"].content() == pytest.approx(
        {"value": 2 / 3, "low": 0.2077, "high": 0.9385, "n": 3, "pictures": 3}, abs=1e-3
    )
    assert found["recall/0"].content()["units"] == found["precision/0"].content()["units"] == 2
    assert found["accuracy"].freedom == pytest.approx(36 / 8 - 1)  # five units, of which one has two pictures


@pytest.mark.parametrize("values", ["shares", "figures"])
def test_two_models_are_compared_by_unit(values: str) -> None:
    """Ten copies of each outcome give the interval of one each, a little wider for Student's quantile; not a third of it."""
    random = np.random.default_rng(2)
    one, two = (np.asarray(random.random(40) < p, np.float64) for p in (0.8, 0.6))
    if values == "figures":
        one, two = one * 0.7 + 0.1, two * 0.7 + 0.1
    names = np.repeat([str(n) for n in range(40)], 10).tolist()
    plain = paired.difference(one.tolist(), two.tolist())
    told = paired.difference(np.repeat(one, 10).tolist(), np.repeat(two, 10).tolist(), units=units.of(names))
    blind = paired.difference(np.repeat(one, 10).tolist(), np.repeat(two, 10).tolist())
    assert told[0] == pytest.approx(plain[0])
    assert (told[2] - told[1]) / (plain[2] - plain[1]) == pytest.approx(1.03, abs=0.07)
    assert blind[2] - blind[1] < 0.4 * (told[2] - told[1])


def test_models_that_never_differ_are_told_by_units() -> None:
    """Ten pictures of one patient that both models get right show as little as one picture does."""
    _, low, high = paired.difference([1.0] * 40, [1.0] * 40, units=units.of([str(n // 10) for n in range(40)]))
    _, least, most = paired.difference([1.0] * 4, [1.0] * 4)
    assert low <= least
    assert high >= most


def test_what_classes_leave_of_a_gap_varies_by_units() -> None:
    """Clips of twenty like frames: what classes explain is the mean of all deals of clips, how sure that is their spread.

    Taken for frames on their own, the rest of a gap that chance gives looks like none that it gives.
    """
    right = np.repeat([1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0], 20)
    measure = measures.proportion("a", "a", "pictures", right, np.ones(160))
    codes = np.repeat([0, 1, 0, 1, 0, 0, 1, 1], 20)
    strata = np.repeat([0, 0, 1, 1, 0, 0, 1, 1], 20)
    held = units.of([str(n // 20) for n in range(160)])
    way = groups.Grouping(("c",), ("x", "y"), codes)
    random, beyond = np.random.default_rng(0), []
    for told in (held, None):
        found = groups.compare(measure, way, min_group=4, num_bootstraps=100, random=random, units=told)
        dealt = permutations.Dealer(
            found, strata, num_deals=4000, allowed=0.1, random=lambda *_: np.random.default_rng(1), units=told
        )(1, 0)
        assert dealt is not None
        error = max(dealt.spread, dealt.apart)
        beyond.append((found.gap()[0] - dealt.mean) / error)
        if told:
            gaps = _all_deals(right[::20], codes[::20], strata[::20])
            assert dealt.mean == pytest.approx(gaps.mean(), abs=0.02)
            assert error == pytest.approx(gaps.std(), rel=0.25)
    assert beyond[0] < 2.5
    assert beyond[1] > 4


def _all_deals(right: np.ndarray, codes: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Return the gap of the first group over the second in each deal of units within classes; all are equally likely."""
    ways = [sorted(set(itertools.permutations(codes[strata == s].tolist()))) for s in (0, 1)]
    gaps = []
    for first, second in itertools.product(*ways):
        dealt = np.empty(codes.size, int)
        dealt[strata == 0], dealt[strata == 1] = first, second
        gaps.append(right[dealt == 0].mean() - right[dealt == 1].mean())
    return np.array(gaps)


def test_a_group_needs_units_not_pictures() -> None:
    """Forty pictures of four patients are four: with ten asked for, the group is shown and not compared."""
    measure = _share(np.random.default_rng(0))
    codes = np.repeat([0, 1], NUM // 2)
    held = units.of([str(n // 10) for n in range(NUM // 2)] + [f"own{n}" for n in range(NUM // 2)])
    way = groups.Grouping(("c",), ("x", "y"), codes)
    found = groups.compare(measure, way, min_group=10, num_bootstraps=100, random=np.random.default_rng(0), units=held)
    assert found.compared == (1,)


def test_audits_of_clips_keep_their_promise() -> None:
    """Two groups of thirty clips, a true gap at the limit: at most 5 % FAIL or PASS by clips; by frames far more do."""
    told, blind = clips.judged(2, 30, 0.1, 300)
    assert told.count("FAIL") / 300 <= 0.05
    assert told.count("PASS") / 300 <= 0.05
    assert (blind.count("FAIL") + blind.count("PASS")) / 300 > 0.25


@pytest.mark.parametrize("world", list(clips.WORLDS))
def test_intervals_of_thirty_clips_cover(world: str) -> None:
    """Thirty clips of ten like frames: the 95 % interval holds the true figure in 92 to 98 of 100 tries; frames, half."""
    told, blind = clips.coverage(clips.Setting(world, 30, 10, 0.8), 400)
    assert 0.92 - 0.02 <= told <= 0.98 + 0.01  # beside: three standard errors of 400 tries would be 0.03
    assert blind < 0.75
