"""Classes of a picture are no independent evidence of how a mean over them varies."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.judge import measures, panels, units
from stages.judge.crowds import Crowds
from tests.simulations import few_holders
from tests.simulations.few_holders import AT_LIMIT, GRID, Crowded, Figure, average_recall, map50

NUM = 60
MEANS = pytest.mark.parametrize("figure", [map50, average_recall])
Floats = NDArray[np.float64]


def objects(seed: int, num_classes: int, groups: NDArray[np.int64]) -> list[tuple[Floats, Floats, Floats]]:
    """Return of each class what each object moves, which picture it is in and what false detections move besides."""
    random = np.random.default_rng(seed)
    luck = random.normal(size=NUM)
    made = []
    for _ in range(num_classes):
        owners = np.repeat(np.arange(NUM), random.integers(0, 9, NUM))
        moves = random.lognormal() * (luck[owners] + random.normal(size=owners.size))
        beside = np.where(np.isin(np.arange(NUM), owners) | (groups < 0), 0.0, random.normal(size=NUM))
        made.append((moves, owners, beside))
    return made


def one_by_one(made: list[tuple[Floats, Floats, Floats]], mine: NDArray[np.bool_]) -> float:
    """Return the variance of a group, object by object, from the analysis of variance of their multiples."""
    of_class = np.concatenate([np.full(moves.size, k) for k, (moves, _, _) in enumerate(made)])
    moves, owners = (np.concatenate(parts) for parts in list(zip(*made, strict=True))[:2])
    of_class, moves, owners = (some[mine[owners.astype(int)]] for some in (of_class, moves, owners.astype(int)))
    deviations = np.array([np.sqrt((moves[of_class == k] ** 2).mean()) for k in range(len(made))])[of_class]
    standard, variance = moves / deviations, 0.0
    rows = [standard[owners == row] for row in np.unique(owners)]
    inside = sum(((row - row.mean()) ** 2).sum() for row in rows) / (standard.size - len(rows))
    alike = 1 - min(inside, 1.0)
    for row in np.unique(owners):
        own = deviations[owners == row]
        variance += sum(a * b * (1.0 if i == j else alike) for i, a in enumerate(own) for j, b in enumerate(own))
    return float(variance + (sum(beside for _, _, beside in made)[mine] ** 2).sum())  # type: ignore[index]


@pytest.mark.parametrize("num_classes", [1, 4])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_objects_one_by_one_come_to(num_classes: int, seed: int) -> None:
    """Of each group; of one class it is the rule for pictures of unequal numbers of objects."""
    groups = np.arange(NUM) % 3 - 1
    made = objects(seed, num_classes, groups)
    crowds = Crowds(NUM, 2)
    for moves, owners, beside in made:
        at = np.flatnonzero(np.bincount(owners.astype(int), minlength=NUM) + np.abs(beside))
        sums = [np.bincount(owners.astype(int), some, NUM)[at] for some in (moves, moves**2, np.ones(moves.size))]
        crowds.add(at, sums[0] + beside[at], sums[1], sums[2], groups[at])
        if num_classes == 1:
            alone = units.spread_of_objects(sums[0] + beside[at], sums[1], sums[2], groups[at], 2)
    found = crowds.spread(groups)
    assert found == pytest.approx([one_by_one(made, groups == g) for g in range(2)])
    if num_classes == 1:
        assert found == pytest.approx(alone)


@MEANS
def test_the_same_class_ten_times_is_as_sure_as_once(figure: Figure) -> None:
    """Ten classes of the same pictures, found or not as one: the mean is the one class's figure, and so is its variance."""
    random, codes = np.random.default_rng(0), np.zeros(100, np.int64)
    scene = Crowded(100, "1, 10 % have 50", 0.9)
    held, found = scene.draw(random)
    once, often = (
        figure(np.tile(held, num), np.tile(found, num), np.random.default_rng(1)).slope(codes, 1)  # type: ignore[misc]
        for num in (1, 10)
    )
    assert once.values == pytest.approx(often.values, abs=1e-2)  # scores are another draw
    assert often.least == pytest.approx(once.least, rel=0.05)
    assert once.least > 10 * (once.influence**2).sum() / 10


@MEANS
@pytest.mark.parametrize("seed", range(5))
def test_a_class_that_is_all_right_tells_nothing_of_how_alike_others_are(figure: Figure, seed: int) -> None:
    """Beside one of which all is found, in other numbers, half the mean varies as that class alone does."""
    random, codes = np.random.default_rng(seed), np.zeros(100, np.int64)
    held, found = Crowded(100, "log-normal, sigma 1", 0.8, 0.3).draw(random)
    right = random.integers(0, 30, (100, 1)).astype(float)
    alone, beside = (
        figure(*both, np.random.default_rng(1)).slope(codes, 1)  # type: ignore[misc]
        for both in ((held, found), (np.c_[held, right], np.c_[found, right]))
    )
    assert beside.least == pytest.approx(alone.least / 4, rel=0.02)  # scores are another draw


@MEANS
def test_pictures_of_equally_many_objects_of_several_classes_change_nothing(figure: Figure) -> None:
    """No least variance at all."""
    random = np.random.default_rng(1)
    held = np.full((NUM, 3), 4.0)
    moved = figure(held, random.binomial(4, 0.8, held.shape).astype(float), random).slope(np.arange(NUM) % 2, 2)  # type: ignore[misc]
    assert not np.any(moved.least)


@MEANS
@pytest.mark.parametrize("apart", [False, True])
def test_intervals_of_crowded_classes_cover(figure: Figure, *, apart: bool) -> None:
    """Of a group and of a split; 91 %, and two standard errors of 60 tries less."""
    scene, random = Crowded(100, "1, 10 % have 50", 0.9, classes=10, apart=apart), np.random.default_rng(6)
    told = (few_holders.split(figure, scene, random) for _ in range(60))
    assert few_holders.held(told, scene.truth, GRID)[0] >= 0.91 - 0.074
    assert few_holders.group(figure, scene, 60)[0] >= 0.91 - 0.074


@pytest.mark.long
def test_audits_of_crowded_classes_keep_their_promise() -> None:
    """At a gap that is just allowed at most 5 % fail and at most 5 % pass (and sampling error)."""
    scenes = [Crowded(100, "1, 10 % have 50", ability, classes=10) for ability in (0.95, 0.85)]
    told = few_holders.audits(map50, scenes, AT_LIMIT, 150)
    assert max(told.values()) <= 0.05 + 0.04  # what a true 5 % exceeds once in a hundred


def test_average_recall_of_a_group_is_what_draws_show() -> None:
    """Of pictures with equally many objects, its slope gives the error that draws of pictures give."""
    random = np.random.default_rng(2)
    held = np.full((200, 2), 3.0)
    measure = average_recall(held, random.binomial(3, 0.7, held.shape).astype(float), random)
    error = float(np.sqrt((measure.slope(np.zeros(200, np.int64), 1).influence ** 2).sum()))  # type: ignore[misc]
    drawn = measure.values(random.multinomial(200, np.full(200, 1 / 200), 2000).astype(float))
    assert error == pytest.approx(drawn.std(), rel=0.06)
    assert panels.of_measures([measure], units.alone(200)).shown()[0].error == pytest.approx(error, rel=0.01)


def test_a_unit_of_which_nobody_said_how_pictures_weigh_is_refused() -> None:
    """A misspelt one would count crowded pictures as single ones."""
    with pytest.raises(ValueError, match="counts 'boxes'; known are objects, pictures, pixels"):
        measures.proportion("r", "r", "boxes", np.ones(3), np.ones(3))
