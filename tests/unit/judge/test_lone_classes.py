"""Classes that one picture of a group alone holds fare as this picture does."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.judge import measures
from stages.judge.crowds import Crowds
from tests.simulations import few_holders
from tests.simulations.few_holders import AT_LIMIT, GRID, Figure, average_recall, map50
from tests.simulations.long_tails import LongTail, miou

Floats = NDArray[np.float64]
ONE_GROUP = np.zeros(20, np.int64)
FIGURES = pytest.mark.parametrize(("figure", "each"), [(map50, 1), (average_recall, 1), (miou, 100)])


def added(held: Floats, found: Floats) -> float:
    """Return the variance that single pictures' classes have beside what is seen, of their sum."""
    measure = measures.mean_of_ratios("m", "m", "pixels", found, held, held, counts=held.sum(1))
    moves = measure.slope(np.zeros(len(held), np.int64), 1)  # type: ignore[misc]
    return float(moves.lone[0] * held.any(0).sum() ** 2)


def made_of(seed: int) -> tuple[Crowds, NDArray[np.int64], list[list[tuple[float, float, float]]]]:
    """Return classes of 30 rows in two groups, and of each row what its objects are: figure or move, deviation, lone."""
    random, groups = np.random.default_rng(seed), np.arange(30) % 3 - 1
    luck = random.random(30)
    crowds, made = Crowds(30, 2), [[] for _ in range(30)]  # type: list[list[tuple[float, float, float]]]
    for _ in range(3):  # classes of all rows, some objects of each
        moves = [random.normal(size=n) + 3 * own for n, own in zip(random.integers(0, 4, 30), luck, strict=True)]
        sums = (np.array([f(one) for one in moves]) for f in (np.sum, lambda one: (one**2).sum(), np.size))
        crowds.add(np.arange(30), *sums, groups)
        for g in range(2):
            of_group = np.concatenate([one for one, own in zip(moves, groups, strict=True) if own == g])
            deviation = float(np.sqrt((of_group**2).mean()))
            for row in np.flatnonzero(groups == g):
                made[row] += [(float(move) / deviation, deviation, 0.0) for move in moves[row]]
    figures: dict[int, list[tuple[int, float, float]]] = {0: [], 1: []}
    for row in random.integers(0, 30, 24):  # classes of one row
        each = (random.random(2) + luck[row]) / 2
        lone = np.where(np.arange(2) == groups[row], random.uniform(0.1, 0.25), 0.0)
        crowds.add_lone(np.array([row]), np.ones(1), groups[[row]], each, lone)
        if groups[row] >= 0:
            figures[int(groups[row])].append((int(row), float(each[groups[row]]), float(np.sqrt(lone.sum()))))
    for own in figures.values():
        values = np.array([figure for _, figure, _ in own])
        for row, figure, deviation in own:
            made[row].append(((figure - values.mean()) / values.std(), deviation, 1.0))
    return crowds, groups, made


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_pairs_of_classes_come_to(seed: int) -> None:
    """Of each group: every pair of a row's objects of which one is of a lone class, by how alike a row's objects are."""
    crowds, groups, made = made_of(seed)
    for g, told in enumerate(crowds.lone(groups)):
        own = [made[row] for row in np.flatnonzero(groups == g) if made[row]]
        parts = [np.array([z for z, _, _ in row]) for row in own]
        inside = sum(((z - z.mean()) ** 2).sum() for z in parts) / sum(z.size - 1 for z in parts)
        pairs = sum(
            a * b for row in own for i, (_, a, x) in enumerate(row) for j, (_, b, y) in enumerate(row) if i != j and x + y
        )
        alike, rows = max(1 - inside, 0.0), sum(any(lone for _, _, lone in row) for row in own)
        assert told == pytest.approx((alike + (1 - alike) / rows**2) * pairs)
        assert told > 0


def test_a_picture_of_classes_of_its_own_is_one_trial() -> None:
    """Its classes fare alike: together they vary as one class would, ten times as much."""
    held = np.kron(np.eye(20), np.ones(10))
    found = held * (np.arange(20) % 4 > 0)[:, None]
    assert added(held, found) == pytest.approx(20 * 10**2 * 3 / 16)  # one trial, half a success and half a failure added
    twice = np.kron(np.eye(20), np.ones(2))
    assert added(twice, twice * 0.1) == pytest.approx(20 * 2**2 * 0.21), "all figures alike tell nothing"
    once = np.eye(20)
    assert added(once, once * (np.arange(20) % 4 > 0)[:, None]) == pytest.approx(20 * 3 / 16)


def test_one_picture_does_not_tell_how_alike_its_classes_fare() -> None:
    """It alone holds twenty classes, of which one is wrong or half are: no other shows what they would make of it."""
    held = np.c_[np.zeros((30, 20)), np.ones(30)]
    held[0, :20] = 1
    for wrong in (1, 10):
        found = held * (np.arange(21) >= wrong)
        deviations = wrong * np.sqrt(3 / 16) + (20 - wrong) * np.sqrt(3 / 16)
        assert added(held, found) == pytest.approx(deviations**2)


def test_a_class_in_each_picture_adds_nothing_to_what_it_varies() -> None:
    """Of pictures of one class each, some of which no other holds, only what each single one varies is added."""
    held = np.zeros((20, 12))
    held[np.arange(20), np.minimum(np.arange(20), 11)] = 1
    assert added(held, held * 0.5) == pytest.approx(11 * 0.25)


@pytest.mark.parametrize("common", [0, 30])
def test_classes_of_a_picture_that_fare_each_for_itself_stay_so(common: int) -> None:
    """What it holds tells how alike: the lone classes by their figures, the others by what they move."""
    random = np.random.default_rng(0)
    held = np.c_[np.kron(np.eye(20), np.ones(5)), np.ones((20, common))]
    apart, alike = random.uniform(0.5, 1, held.shape), random.uniform(0.5, 1, (20, 1))
    assert added(held, held * apart) < 1.5 * 100 * 0.25
    assert added(held, held * alike) > 4 * 100 * 0.2


@pytest.mark.parametrize(
    ("figure", "each", "alike"),
    [
        (map50, 1, 1.0),
        (miou, 100, 0.3),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in ((map50, 1, 0.3), (average_recall, 1, 1.0), (average_recall, 1, 0.3), (miou, 100, 1.0))
        ),
    ],
)
def test_intervals_of_long_tails_cover(figure: Figure, each: int, alike: float) -> None:
    """Of a group and of a split; 91 %, and two standard errors of 60 tries less."""
    scene, random = LongTail(20, 0.85, alike, own=10, objects=each), np.random.default_rng(6)
    told = (few_holders.split(figure, scene, random) for _ in range(60))
    assert few_holders.held(told, scene.truth, GRID)[0] >= 0.91 - 0.074
    assert few_holders.group(figure, scene, 60)[0] >= 0.91 - 0.074


@pytest.mark.long
@FIGURES
def test_audits_of_long_tails_keep_their_promise(figure: Figure, each: int) -> None:
    """At a gap that is just allowed at most 5 % fail and at most 5 % pass (and sampling error)."""
    scenes = [LongTail(40, ability, own=5, objects=each) for ability in (0.95, 0.85)]
    told = few_holders.audits(figure, scenes, AT_LIMIT, 150)
    assert max(told.values()) <= 0.05 + 0.04  # what a true 5 % exceeds once in a hundred
