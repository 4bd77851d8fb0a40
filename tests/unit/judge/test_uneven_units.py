"""Units of very unequal size: intervals cover, fair models do not fail, and what the units are worth decides what passes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.judge import by_group, degenerate, draws, groups, labels, measures, panels, statistics, units, verdicts
from stages.judge import classes as read
from stages.judge.draws import Draws
from stages.judge.verdicts import UNDECIDED, Limits
from tests.simulations.matches import matches

WORLDS = {
    "one in five of 50": [1, 1, 1, 1, 50],
    "one in ten of 20": [1] * 9 + [20],
    "log-normal": np.exp(np.random.default_rng(0).normal(2.0, 1.0, 300)).astype(int).clip(1).tolist(),
}


def sizes(names: list[int]) -> np.ndarray:
    """Count the pictures of each unit."""
    return np.unique(names, return_counts=True)[1]


def one_share(right: np.ndarray, codes: np.ndarray) -> tuple[measures.Measure, units.Units]:
    """Return the share of right pictures, and the units they belong to."""
    return measures.proportion("a", "a", "pictures", right, np.ones(right.size)), units.of(codes.tolist())


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_units_are_worth_what_kish_says(names: list[int]) -> None:
    """The square of their sum over the sum of squares: as many as there are only where all are of one size."""
    own, held = sizes(names), units.of([str(n) for n in names])
    found = float(held.worth()[0])
    assert found == pytest.approx(own.sum() ** 2 / (own**2).sum())
    assert (found == own.size) == (own.min() == own.max())
    both = held.worth(np.array([0, 1] * 20)[: len(names)], 2)
    for group in (0, 1):
        part = np.array([n for i, n in enumerate(names) if i % 2 == group])
        assert both[group] == pytest.approx(sizes(part).sum() ** 2 / (sizes(part) ** 2).sum() if part.size else 0)


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_units_of_one_size_change_nothing(frames: int) -> None:
    """To the bit: error by units, size, degrees of freedom and what is compared are those of so many rows."""
    random = np.random.default_rng(frames)
    right = np.asarray(random.random(40 * frames) < 0.8, np.float64)
    measure, held = one_share(right, np.arange(40 * frames) // frames)
    codes = np.arange(40 * frames) // (20 * frames)
    rows, own = held.within(codes)
    assert (units.spread(np.ones(rows.size), rows, own, 2) == 0).all()
    assert held.worth(codes, 2).tolist() == [20.0, 20.0]
    merged = measure.merged(rows, own.size)
    moves = merged.slope(own, 2)
    errors = statistics.standard_errors(moves.influence, own, 2)
    found = by_group.estimates(measure, codes, 2, 10, random, held)
    if frames > 1:
        expected = statistics.effective_sizes(moves.values, errors, [20.0, 20.0]).tolist()
        assert [(e.size, e.freedom) for e in found] == [(size, 19.0) for size in expected]


def test_the_spread_of_a_share_is_that_of_its_influences() -> None:
    """Read from hits and pictures of each unit it is the one read from pictures; Kish's where a unit's fare alike."""
    random = np.random.default_rng(1)
    own = np.array([1] * 30 + [5] * 4 + [40])
    codes = np.repeat(np.arange(own.size), own)
    for alike in (False, True):
        luck = random.random(own.size)[codes] if alike else random.random(codes.size)
        right = np.asarray(luck < 0.7, np.float64)
        measure, held = one_share(right, codes)
        rows, groups_of = held.within(np.zeros(codes.size, np.int64))
        influence = measure.slope(np.zeros(codes.size, np.int64), 1).influence
        found = float(units.spread(influence, rows, groups_of, 1)[0])
        hits = np.bincount(codes, right)
        assert units.spread_of_share(hits, own.astype(float)) == pytest.approx(found)
        share = right.mean()
        worth = float(held.worth()[0]) if alike else codes.size
        assert share * (1 - share) / found == pytest.approx(worth, rel=1e-9 if alike else 0.5)


@pytest.mark.parametrize("ability", [0.8, 0.95])
@pytest.mark.parametrize("world", WORLDS)
def test_intervals_cover(world: str, ability: float) -> None:
    """Units whose pictures fare alike: the interval of a group, and that of evaluation, hold the truth in 92 to 98 %."""
    random, rounds = np.random.default_rng(7), 150
    held_it = np.zeros(2)
    for turn in range(rounds):
        own = random.choice(WORLDS[world], 120)
        codes = np.repeat(np.arange(120), own)
        right = np.asarray((random.random(120) < ability)[codes], np.float64)
        measure, held = one_share(right, codes)
        group = by_group.estimates(measure, np.zeros(codes.size, np.int64), 1, 10, random, held)[0]
        table = labels.counts(np.zeros(codes.size, int), (1 - right).astype(int), 2)
        panel = panels.of_classes(table, {}, {"accuracy": read.share}, single=True, units=held)
        drawn = Draws(held.num, 200, lambda seed=turn: np.random.default_rng(seed))
        found = draws.estimates(panel, drawn)["accuracy"]
        held_it += [e.low <= ability <= e.high for e in (group, found)]
    assert (held_it / rounds >= 0.92 - 0.03).all()  # beside: a standard error and a half of 150 tries
    assert (held_it / rounds <= 0.98 + 0.02).all()


def audited(random: np.random.Generator, num: int, world: str, gap: float) -> verdicts.Finding:
    """Audit two groups of which one fares worse by a gap, units whole in a group."""
    own = random.choice(WORLDS[world], num)
    codes = np.repeat(np.arange(num), own)
    luck = random.random(num)[codes]
    right = np.asarray(luck < np.where(codes % 2, 0.95, 0.95 - gap), np.float64)
    measure, held = one_share(right, codes)
    way = groups.Grouping(("c",), ("x", "y"), codes % 2)
    one = groups.compare(measure, way, min_group=10, num_bootstraps=10, random=random, units=held)
    return verdicts.judge([one], Limits(0.1, 0.0, 0.05))[0]


@pytest.mark.parametrize("num", [60, 300])
@pytest.mark.parametrize("world", WORLDS)
def test_audits_keep_their_promise(world: str, num: int) -> None:
    """At a gap that is just allowed at most 5 % fail and at most 5 % pass (and sampling error)."""
    random = np.random.default_rng(num)
    found = [audited(random, num, world, 0.1).verdict for _ in range(100)]
    assert max(found.count("FAIL"), found.count("PASS")) <= 10  # what a true 5 % exceeds once in 100


def test_a_large_gap_is_still_found_and_equal_groups_pass() -> None:
    """Many units, unequal as they are: half the figure fails, the same figure passes."""
    random = np.random.default_rng(0)
    assert [audited(random, 1200, "log-normal", 0.45).verdict for _ in range(5)] == ["FAIL"] * 5
    assert [audited(random, 3000, "log-normal", 0.0).verdict for _ in range(5)].count("PASS") >= 4


def test_a_group_of_one_giant_is_not_compared_and_holds_a_pass_up() -> None:
    """Forty-one units of which one has 200 pictures are worth 1.4: shown, named, not compared; all else passes."""
    own = np.r_[np.ones(1200, int), np.ones(40, int), 200]
    codes = np.repeat(np.arange(own.size), own)
    column = np.repeat(np.r_[np.arange(1200) % 2, np.full(41, 2)], own)
    measure, held = one_share(np.ones(codes.size), codes)
    way = groups.Grouping(("c",), ("x", "y", "z"), column)
    one = groups.compare(measure, way, min_group=10, num_bootstraps=10, random=np.random.default_rng(0), units=held)
    assert (one.compared, one.uneven) == ((0, 1), (2,))
    finding = verdicts.judge([one], Limits(0.1, 0.5, 0.05))[0]
    assert (finding.verdict, finding.more, finding.decisive) == (UNDECIDED, None, True)
    assert verdicts.judge([replace(one, uneven=())], Limits(0.1, 0.5, 0.05))[0].verdict == "PASS"
    alone = replace(one, compared=(0,), uneven=(1, 2))
    assert verdicts.overall(verdicts.judge([alone], Limits(0.1, 0.5, 0.05))) == UNDECIDED


@pytest.mark.parametrize("first", [(10, 0), (1, 99)])
def test_a_group_is_compared_by_the_pictures_of_its_units_that_hold_something(first: tuple[int, int]) -> None:
    """Pictures without an object are no part of a unit's size, whether they make units unequal or hide that they are.

    Twelve units, eleven of which have one picture with an object and nine without. By hand: a first one of ten pictures,
    each with an object, makes them worth 21 squared over 111, or 3.97, though all are of one size; with a single object
    in a hundred pictures they are worth 12, though by their size they would be 3.97.
    """
    holding, empty = np.r_[first[0], np.ones(11, int)], np.r_[first[1], np.full(11, 9)]
    names = np.r_[np.repeat(np.arange(12), holding), np.repeat(np.arange(12), empty), np.arange(12, 32)]
    totals = np.r_[np.ones(holding.sum()), np.zeros(empty.sum()), np.ones(20)]
    column = np.asarray(names >= 12, np.int64)
    held = units.of(names.tolist())
    recall = measures.proportion("r", "r", "objects", totals, totals)
    way = groups.Grouping(("c",), ("x", "y"), column)
    one = groups.compare(recall, way, min_group=10, num_bootstraps=10, random=np.random.default_rng(0), units=held)
    assert [found.num_holders for found in one.estimates] == [12, 20]
    assert held.worth(column, 2)[0] == pytest.approx(12 if first[0] > 1 else 210**2 / (100**2 + 11 * 100))
    assert (one.compared, one.uneven) == (((1,), (0,)) if first[0] > 1 else ((0, 1), ()))


def test_few_units_are_judged_by_what_they_are_worth() -> None:
    """Forty singles and one of 200 say too little; the reason names the unequal units."""
    held = units.of([str(n) for n in range(40)] + ["giant"] * 200)
    worth = float(held.worth()[0])
    fault = degenerate.of_units(held.num, 240, worth)[0]
    assert (fault.kind, round(worth, 1)) == ("few_units", 1.4)
    assert "of 41 units of very unequal size, worth 1.4 of equal size" in fault.reason
    assert not degenerate.of_units(11, 110, 11.0)
    assert degenerate.of_units(10, 10, 10.0) == degenerate.of_units(10, 10)


def test_a_panel_says_what_the_units_of_each_class_are_worth() -> None:
    """Counted by hand: a class of one large unit and a class of singles; nothing is said where pictures stand alone."""
    truth = np.r_[np.zeros(30, int), np.ones(6, int)]
    held = units.of(["big"] * 10 + [str(n) for n in range(26)])
    table = labels.counts(truth, truth, 2)
    panel = panels.of_classes(table, {"recall": read.recall}, {"accuracy": read.share}, single=True, units=held)
    assert panel.worth == pytest.approx([36**2 / 126, 30**2 / 120, 6.0])
    assert panels.of_classes(table, {}, {"accuracy": read.share}, single=True).worth == ()


def test_precision_rests_on_the_units_of_which_a_class_was_said() -> None:
    """One unit of ten and 26 singles, the ten all called class 1: precision counts those said, recall those that are so.

    By hand, of 30 pictures of class 0 and 6 of class 1: class 0 was said of 20 singles, class 1 of the ten and of six.
    """
    truth = np.r_[np.zeros(30, int), np.ones(6, int)]
    said = np.r_[np.ones(10, int), np.zeros(20, int), np.ones(6, int)]
    held = units.of(["big"] * 10 + [str(n) for n in range(26)])
    each = {"precision": read.precision, "recall": read.recall}
    panel = panels.of_classes(labels.counts(truth, said, 2), each, {}, single=True, units=held)
    assert panel.names == ("precision/0", "precision/1", "recall/0", "recall/1")
    assert panel.worth == pytest.approx([20.0, 16**2 / 106, 30**2 / 120, 6.0])
    hits = {"precision/1": ([0, *[1] * 6], [10, *[1] * 6]), "recall/0": ([0, *[1] * 20], [10, *[1] * 20])}
    for name, (right, of) in hits.items():
        expected = units.spread_of_share(np.array(right, float), np.array(of, float))
        assert panel.least[panel.names.index(name)] == pytest.approx(expected)
    assert panel.least[panel.names.index("precision/0")] == panel.least[panel.names.index("recall/1")] == 0.0


def test_average_precision_rests_on_the_units_that_hold_the_class() -> None:
    """A class in one unit of ten pictures and 20 singles, another in six singles: Kish's number of these, not of all."""
    held = units.of(["big"] * 10 + [str(n) for n in range(26)])
    there = np.r_[np.ones(30), np.zeros(6)], np.r_[np.zeros(30), np.ones(6)]
    tables = [matches(np.ones(36), np.arange(36), own > 0, own) for own in there]
    panel = panels.of_precision(tables, units=held, each=True)
    worth = dict(zip(panel.names, panel.worth, strict=True))
    assert [worth[name] for name in ("map50", "map50/0", "map50/1")] == pytest.approx([36**2 / 126, 30**2 / 120, 6.0])
