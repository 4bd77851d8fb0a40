"""Classes of a mean that are all right leave as much open as they can, and no more."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from stages.judge import by_group, measures, panels, rare_classes, statistics, units
from stages.judge.draws import Draws, estimates
from stages.judge.groups import Comparison, Grouping
from stages.judge.measures import Measure
from stages.judge.row_weights import Together

Floats = NDArray[np.float64]
FEW = (2, 4, 4, 19)  # pictures of each class that is all right
HELD = (*FEW, 14, 14)


def recall(held: Floats, found: Floats) -> Measure:
    """Return the mean over classes of the share that is found, given (N, K) tables."""
    return measures.mean_of_ratios("m", "m", "objects", found, held, held, counts=held.sum(1))


def picked(pictures: tuple[int, ...]) -> Floats:
    """Return which picture holds which class, a class each, (N, K)."""
    return np.eye(len(pictures))[np.repeat(np.arange(len(pictures)), pictures)]


def compared(held: Floats, found: Floats) -> Comparison:
    """Return the figures of groups of the same pictures, given what is found in each, (G, N, K)."""
    num, codes = len(found), np.repeat(np.arange(len(found)), len(held))
    measure = recall(np.tile(held, (num, 1)), found.reshape(-1, held.shape[1]))
    way = Grouping(("group",), tuple(map(str, range(num))), codes)
    made = by_group.estimates(measure, codes, num, 10, np.random.default_rng(0))
    return Comparison(measure, way, made, tuple(range(num)))


def with_misses(pictures: tuple[int, ...], misses: tuple[tuple[int, ...], ...]) -> Comparison:
    """Return groups in which so many pictures of each class are wrong."""
    held = picked(pictures)
    turn = np.concatenate([np.arange(n) for n in pictures])
    own = np.repeat(np.arange(len(pictures)), pictures)
    return compared(held, np.stack([held * (turn >= np.array(each)[own])[:, None] for each in misses]))


def lowest() -> float:
    """Return the lowest mean of shares of the few classes that would all be right in 2.5 % of cases, by a search."""
    few = np.array(FEW, float)
    chance = {"type": "ineq", "fun": lambda shares: few @ np.log(shares) - np.log(0.025)}
    return float(minimize(np.mean, np.full(4, 0.95), bounds=[(0.01, 1.0)] * 4, constraints=chance).fun)


@pytest.mark.parametrize("missed", [1, 3])
def test_a_group_lies_between_its_parts_and_their_sum(missed: int) -> None:
    """The bound is farther off than for the classes all right alone, or the others alone, and no farther than for both."""
    one = with_misses(HELD, ((0, 0, 0, 0, missed, missed),))
    value, share = one.estimates[0].value, 1 - missed / 14
    seen = 2 * share * (1 - share) / 13 / 36
    down = value - float(statistics.exact(value, value * (1 - value) / seen, 0.95, one.estimates[0].freedom)[0])
    open_for = (1 - lowest()) * 4 / 6
    low = float(one.bounds(exact=True)[1][0])
    assert max(down, open_for) - 2e-3 <= value - low <= down + open_for + 1e-4
    assert value - low == pytest.approx(np.hypot(down, open_for), abs=2e-3)
    assert one.estimates[0].low >= low
    narrow = one.bounds(times=4.0, exact=True)
    assert low < narrow[1][0] < value < narrow[2][0] < 1


def test_each_group_may_grow_by_a_number_of_its_own() -> None:
    """Some of its classes all right or none: each has the bounds that it has where all grow by its number."""
    found = with_misses(HELD, ((0, 0, 0, 0, 1, 3), (1, 1, 1, 1, 1, 1), (0, 1, 0, 0, 2, 1)))
    times = np.array([1.0, 2.5, 4.0])
    for exact in (False, True):
        own = np.array(found.bounds(times=times, exact=exact))
        for g, number in enumerate(times.tolist()):
            assert own[:, g] == pytest.approx(np.array(found.bounds(times=number, exact=exact))[:, g], rel=1e-12)


def test_more_right_is_no_lower_bound() -> None:
    """Beside the few that are all right ever fewer of the common classes are wrong, up to none: neither bound falls."""
    options = [*product((0, 1, 2, 3), repeat=2)]
    found = with_misses(HELD, tuple((0,) * 4 + two for two in options))
    for exact in (False, True):
        _, low, high = found.bounds(exact=exact)
        for at, (one, two) in enumerate(options):
            for better in ((one - 1, two), (one, two - 1)):
                if min(better) >= 0:
                    assert low[options.index(better)] >= low[at] - 1e-9, (one, two, better)
                    assert high[options.index(better)] >= high[at] - 1e-9, (one, two, better)


def test_groups_whose_classes_all_vary_or_none_have_their_interval_as_it_stands() -> None:
    """To the last bit that of so many trials, shown and for verdicts; of all pictures where all is right."""
    found = with_misses(HELD, ((1, 1, 2, 5, 3, 3), (0,) * 6, HELD))
    assert [one.open for one in found.estimates] == [None] * 3
    sizes, freedoms = (np.array([getattr(one, name) for one in found.estimates]) for name in ("size", "freedom"))
    for interval, exact in ((statistics.wilson, False), (statistics.exact, True)):
        values, *ends = found.bounds(0.99, 2.0, exact=exact)
        assert [end.tolist() for end in ends] == [end.tolist() for end in interval(values, sizes * 2, 0.99, freedoms * 2)]
    assert sizes[1] == pytest.approx(19.92, abs=0.01)
    assert sizes[2] == sizes[1]


def test_a_split_has_the_interval_of_such_a_group() -> None:
    """The headline of the same pictures: its bootstrap sees no more of the classes that are all right."""
    held = picked(HELD)
    found = held * (np.arange(len(held)) != len(held) - 1)[:, None]
    group = compared(held, found[None]).estimates[0]
    panel = panels.of_measures([recall(held, found)], units.alone(len(held)))
    split = estimates(panel, Draws(len(held), 400, lambda: np.random.default_rng(1)))["m"]
    assert split.low == pytest.approx(group.low, abs=0.015)
    assert split.at(0.95)[1:] == (split.low, split.high)
    assert split.at(0.99)[1] < split.low < split.at(0.95, 4.0)[1]


@pytest.mark.parametrize(
    ("pictures", "ability", "together", "held_at_least", "width_at_most"),
    [
        ((40, 4), (0.97, 0.9), False, 0.95, 0.45),
        ((100, 10), (0.97, 0.97), False, 0.95, 0.22),
        ((4,) * 20, (0.9,) * 20, False, 0.94, 0.17),
        ((20, 20, 4, 4, 2), (0.9,) * 5, False, 0.95, 0.40),
        ((10, 5, 2, 1), (0.5,) * 4, True, 0.96, 0.77),
        ((20, 10, 4), (0.8,) * 3, True, 0.94, 0.52),
    ],
)
def test_the_truth_lies_within(
    pictures: tuple[int, ...], ability: tuple[float, ...], together: bool, held_at_least: float, width_at_most: float
) -> None:
    """Of 600 groups, classes in pictures of their own or in the same ones, which fare alike."""
    random, most = np.random.default_rng(len(pictures)), max(pictures)
    held = (np.arange(most)[:, None] < pictures).astype(float) if together else picked(pictures)
    found = held * (random.random((600, len(held), 1)) < ability)
    values, low, high = compared(held, found).bounds()
    truth = np.mean(ability)
    assert ((low - 1e-9 <= truth) & (truth <= high + 1e-9)).mean() >= held_at_least
    assert (high - low).mean() <= width_at_most
    assert (low <= values).all()
    assert (values <= high).all()


def test_classes_all_right_take_no_freedom_and_lend_none() -> None:
    """Fifty pictures of one class vary: with a class beside it that is all right, the variance is as well known as alone."""
    variances = np.array([[0.004, 0.0]])
    seen, apart = variances.sum(1) / 4, Together.apart(1)
    freedom, added, *_ = rare_classes.pooled(np.array([[0.7, 1.0]]), variances, np.array([[50.0, 10.0]]), seen, apart)
    assert freedom == pytest.approx([49.0])
    assert added[0] > 0
    single = rare_classes.pooled(np.array([[0.7, 0.5]]), variances, np.array([[50.0, 1.0]]), seen, apart)
    lone = 0.25  # one trial, half a success and half a failure added: known, so it is part of the variance without freedom
    assert single[0] == pytest.approx([(0.004 + lone) ** 2 / (0.004**2 / 49)])
