"""Pictures that hold nothing of what a figure is read from tell nothing of it, however many there are."""

import numpy as np
import pytest

from stages.judge import by_group, degenerate, measures, panels, statistics, units
from stages.judge.draws import Draws, estimates
from stages.judge.groups import Grouping, compare
from stages.judge.units import Units
from tests.simulations import few_holders
from tests.simulations.few_holders import AUDITS, GRID, MACRO, Audit, Figure, Scene, headline, held, macro_f1, map50, recall

EMPTY, HOLDING = 200, 6


def drawn(num_empty: int, *, patients: bool) -> Units:
    """Return units of pictures of which the first hold objects: each its own, or two of these one."""
    return units.of([str(at // 2 if patients and at < HOLDING else at) for at in range(HOLDING + num_empty)])


def expected(right: float, *, patients: bool) -> tuple[float, float]:
    """Return Wilson's interval of six pictures, or of three patients, all right or all wrong."""
    low, high = statistics.wilson(right, 3, freedom=2) if patients else statistics.wilson(right, HOLDING)
    return float(low), float(high)


@pytest.mark.parametrize("right", [0.0, 1.0])
@pytest.mark.parametrize("patients", [False, True])
@pytest.mark.parametrize("num_empty", [0, EMPTY])
def test_a_split_is_worth_the_pictures_that_hold_an_object(right: float, patients: bool, num_empty: int) -> None:
    """All found, or nothing: every figure of the split, of a class and of a size has the interval of these pictures."""
    random, chosen = np.random.default_rng(0), drawn(num_empty, patients=patients)
    made = [
        few_holders.everywhere(t)
        for t in few_holders.tables(*Scene(HOLDING + num_empty, (HOLDING,), (right,), 2).draw(random), random)
    ]
    for part in (False, True):
        panel = panels.of_precision(made, units=chosen, each=True, part=part)
        found = estimates(panel, Draws(chosen.num, 50, lambda: np.random.default_rng(1)))
        assert len(found) == 6
        for name, one in found.items():
            assert (one.low, one.high) == pytest.approx(expected(right, patients=patients)), name


@pytest.mark.parametrize("right", [0.0, 1.0])
@pytest.mark.parametrize("patients", [False, True])
@pytest.mark.parametrize("figure", [recall, map50])
def test_a_group_is_worth_the_pictures_that_hold_an_object(figure: Figure, right: float, patients: bool) -> None:
    """Likewise of a group, which six holders of 206 pictures do not make large enough for ``min_group`` of seven."""
    random, chosen = np.random.default_rng(0), drawn(EMPTY, patients=patients)
    measure = figure(*Scene(HOLDING + EMPTY, (HOLDING,), (right,), 2).draw(random), random)
    codes, num = np.zeros(HOLDING + EMPTY, np.int64), 3 if patients else HOLDING
    one = by_group.estimates(measure, codes, 1, 50, random, chosen)[0]
    assert one.size == pytest.approx(num)
    assert (one.num_pictures, one.num_units, one.num_holders) == (206, 200 + num, num)
    way = Grouping(("site",), ("a",), codes)
    for least in (num, num + 1):
        told = compare(measure, way, min_group=least, num_bootstraps=50, random=random, units=chosen)
        assert (told.compared, told.small(least)) == (((0,), ()) if least == num else ((), (0,)))


@pytest.mark.parametrize("figure", ["average", "measures"])
def test_figures_of_pictures_and_pixels_count_those_that_have_any(figure: str) -> None:
    """A picture without a figure, or all of whose pixels are ignored, is no trial of a mean or share either."""
    there = np.r_[np.ones(HOLDING), np.zeros(EMPTY)]
    share = measures.proportion("p", "p", "pixels", 50 * there, 50 * there)
    one = measures.average("a", "a", np.where(there > 0, 1.0, np.nan)) if figure == "average" else share
    panel = panels.of_measures([one], units.alone(there.size))
    found = estimates(panel, Draws(there.size, 50, lambda: np.random.default_rng(1)))[one.name]
    assert (found.low, found.high) == pytest.approx(expected(1.0, patients=False))


def test_few_units_count_those_that_hold_an_object() -> None:
    """Eleven units are enough, ten of them among 200 pictures without an object are not; and the line says of what."""
    holding = np.arange(210) < 10
    (fault,) = degenerate.of_units(*units.alone(210).behind(holding), "with an object that counts")
    assert fault.reason.startswith("the test split has 10 pictures with an object that counts, fewer than the 11")
    assert not degenerate.of_units(*units.alone(210).behind(np.arange(210) < 11))


@pytest.mark.parametrize(("holding", "each", "ability"), [(5, 1, 0.9), (8, 1, 0.9), (15, 2, 0.95)])
def test_a_split_of_few_holders_is_seldom_off(holding: int, each: int, ability: float) -> None:
    """Of 300 pictures 5, 8 or 15 hold an object: mAP50's interval holds the truth; it did in 42, 57 and 72 %."""
    random, scene = np.random.default_rng(3), Scene(300, (holding,), (ability,), each)
    assert held((headline(scene, random) for _ in range(60)), scene.truth, GRID)[0] >= 0.9


@pytest.mark.parametrize(("counts", "abilities"), MACRO)
def test_a_rare_class_that_is_all_right_leaves_doubt(counts: tuple[int, ...], abilities: tuple[float, ...]) -> None:
    """Macro F1 of a common class and of four to ten pictures of another: held in 80 to 91 % before."""
    random = np.random.default_rng(3)
    truth = few_holders.f1_of_many(counts, abilities)
    assert held((macro_f1(counts, abilities, random) for _ in range(100)), truth)[0] >= 0.93


def test_a_class_without_spread_leaves_doubt_beside_one_that_varies() -> None:
    """Three of three found say little of a class, though the common one beside it shows all the spread there is."""
    random, scene = np.random.default_rng(3), Scene(99, (96, 3), (0.9, 0.7))
    made = (panels.of_measures([map50(*scene.draw(random), random)], units.alone(99)) for _ in range(100))
    assert held(made, scene.truth, GRID)[0] >= 0.92


@pytest.mark.parametrize("flat", [0.0, 1.0])
def test_a_class_that_is_all_wrong_leaves_as_much_doubt_as_one_that_is_all_right(flat: float) -> None:
    """96 pictures of one class, five of another all wrong, or all right: a fifth of such pictures may be otherwise.

    Five of five happen in 33 % of cases then, so the interval holds that mean; right and wrong exchanged, it is mirrored.
    """
    there = np.eye(2)[np.repeat([0, 1], [96, 5])]
    right = np.r_[np.arange(96) < 87, np.full(5, flat)].astype(float)
    bounds = []
    for outcome in (right, 1 - right):
        hits, counts = there * outcome[:, None], np.ones(101)
        measure = measures.mean_of_ratios("recall", "mean recall", "pictures", hits, there, there, counts=counts)
        whole = by_group.estimates(measure, np.zeros(101, np.int64), 1, 0, np.random.default_rng(0))[0]
        split = estimates(panels.of_measures([measure], units.alone(101)), Draws(101, 400, lambda: np.random.default_rng(0)))
        bounds.append([(whole.low, whole.high), (split["recall"].low, split["recall"].high)])
    otherwise = (87 / 96 + abs(flat - 0.2)) / 2
    for (low, high), (mirrored_low, mirrored_high) in zip(*bounds, strict=True):
        assert low <= otherwise <= high
        assert (low, high) == pytest.approx((1 - mirrored_high, 1 - mirrored_low), abs=0.01)


@pytest.mark.parametrize("setting", AUDITS)
@pytest.mark.parametrize("min_group", [10, 2])
def test_few_holders_neither_fail_nor_pass(setting: Audit, min_group: int) -> None:
    """Gaps beyond or at the limit, groups below or at the floor: no more PASS, or FAIL, than 5 % where it would be false."""
    figure, scenes, limits = setting
    told = few_holders.audits(figure, scenes, limits, 150, min_group=min_group)
    lowest, highest = min(s.truth for s in scenes), max(s.truth for s in scenes)
    most = 0.05 + 3.09 * np.sqrt(0.05 * 0.95 / 150)
    if highest - lowest > limits.max_gap - 1e-9 or lowest < limits.min_worst_group:
        assert told["PASS"] <= most
    if highest - lowest < limits.max_gap + 1e-9 and lowest >= limits.min_worst_group:
        assert told["FAIL"] <= most
