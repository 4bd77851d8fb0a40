"""Units of several classes, or of sizes that go with them: what classes explain is asked of the classes of all pictures."""

from collections.abc import Sequence

import numpy as np
import pytest

from stages.judge import groups, measures, permutations, units, verdicts
from stages.judge.groups import Grouping
from stages.judge.verdicts import FAIL, Limits

Unit = tuple[int, int, int]  # its group, how many difficult pictures it holds and how many others
NUM = 60  # units of a kind


def failed(of: Sequence[Unit], gap: float, seed: int) -> bool:
    """Tell whether an audit says FAIL: 95 % are right, 40 of the difficult ones, in group 1 less by ``gap``."""
    codes = np.concatenate([np.repeat(group, hard + easy) for group, hard, easy in of])
    difficult = np.concatenate([np.repeat([1, 0], [hard, easy]) for _, hard, easy in of])
    names = np.concatenate([np.repeat(name, hard + easy) for name, (_, hard, easy) in enumerate(of)])
    random = np.random.default_rng(seed)
    right = random.random(codes.size) < np.where(difficult == 1, 0.4, 0.95) - gap * codes
    told = units.of(names.astype(str).tolist())
    measure, way = (
        measures.proportion("a", "a", "pictures", right.astype(float), np.ones(codes.size)),
        Grouping(("g",), ("x", "y"), codes),
    )
    found = groups.compare(measure, way, min_group=10, num_bootstraps=100, random=random, units=told)

    def deal(one: groups.Comparison) -> permutations.Dealer:
        return permutations.Dealer(one, difficult, num_deals=200, allowed=0.1, random=lambda *_: random, units=told)

    return verdicts.judge([found], Limits(0.1, 0.0, 0.05), deal)[0].verdict == FAIL


def mixed(better: int, worse: int) -> list[Unit]:
    """Return units of ten pictures, so many of them difficult in each group."""
    return [(0, better, 10 - better)] * NUM + [(1, worse, 10 - worse)] * NUM


SIZES = [
    (0, 1, 0),
    (0, 0, 10),
    (1, 10, 0),
    (1, 0, 1),
]  # each unit of one class, the difficult ones of group 1 the large ones


@pytest.mark.parametrize("gap", [0.0, 0.1])
@pytest.mark.parametrize("of", [mixed(0, 3), mixed(0, 5), mixed(2, 5), SIZES * NUM], ids=["0|3", "0|5", "2|5", "sizes"])
def test_pictures_that_a_unit_holds_less_of_explain_a_gap_too(of: list[Unit], gap: float) -> None:
    """Where difficult pictures are the fewer of each unit, or of its size, no audit fails without a gap or at the limit."""
    assert sum(failed(of, gap, seed) for seed in range(20)) <= 1


@pytest.mark.parametrize("of", [mixed(5, 5), mixed(2, 5), SIZES * NUM], ids=["alike", "unlike", "sizes"])
def test_a_gap_within_the_classes_of_units_is_told(of: list[Unit]) -> None:
    """Thirty-five points where ten are allowed."""
    assert sum(failed(of, 0.35, seed) for seed in range(10)) >= 8
