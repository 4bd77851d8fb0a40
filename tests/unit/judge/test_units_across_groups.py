"""Units with pictures in several groups: of all groups together each counts once, whatever it counts in each of them."""

import numpy as np
import pytest

from stages import audit
from stages.judge import units
from stages.judge.columns import sort_into_groups
from stages.judge.groups import Comparison, compare, groupings
from stages.judge.measures import proportion
from stages.judge.verdicts import UNDECIDED, Limits, judge
from stages.parts import reports

NUM, SIZE = 160, 4
PLACE = np.arange(NUM)
SESSION = PLACE // SIZE
LIMITS = Limits(0.1, 0.1, 0.05)
RIGHT = np.random.default_rng(1).random(NUM) < 0.85
COLUMNS = {"across": PLACE % 2, "apart": SESSION % 2, "one of each": PLACE % SIZE}


def _compared(column: np.ndarray, right: np.ndarray | None = None, alone: bool = False, min_group: int = 10) -> Comparison:
    """Compare accuracy of one column: forty sessions of four pictures."""
    outcomes = RIGHT if right is None else right
    measure = proportion("accuracy", "accuracy", "pictures", outcomes.astype(float), np.ones(NUM))
    (way,) = groupings(sort_into_groups({"g": [f"g{n}" for n in column]}, 50)[0], 10)
    held = units.alone(NUM) if alone else units.of([f"s{n}" for n in SESSION])
    return compare(measure, way, min_group=min_group, num_bootstraps=50, random=np.random.default_rng(0), units=held)


@pytest.mark.parametrize(("column", "max_gap"), [("across", 0.1), ("apart", 0.1), ("one of each", 0.18)])
def test_units_behind_a_gap_and_further_ones_are_those_that_are_drawn(column: str, max_gap: float) -> None:
    """A hundred and sixty pictures are forty sessions however they are grouped; of further ones a quarter are sessions."""
    limits = Limits(max_gap, 0.1, 0.05)
    (found,) = judge([_compared(COLUMNS[column])], limits)
    assert found.verdict == UNDECIDED
    entry = audit.summary(found.verdict, [], [found])["by_group"]["accuracy"]["g"]
    assert (entry["gap"]["n"], entry["gap"]["pictures"], entry["gap"]["units"]) == (NUM, NUM, NUM // SIZE)
    more = entry["more_pictures"]
    assert more > SIZE
    assert entry["more_units"] == -(-more // SIZE)
    (reason,) = reports.reasons([found], limits)
    assert f"about {entry['more_units']} more units of labelled test pictures would" in reason


def test_pictures_drawn_singly_are_counted_singly() -> None:
    """No `units` where none are drawn, and further pictures are told as such."""
    (found,) = judge([_compared(PLACE % 2, alone=True)], LIMITS)
    entry = audit.summary(found.verdict, [], [found])["by_group"]["accuracy"]["g"]
    assert "units" not in entry["gap"]
    assert entry["more_units"] == entry["more_pictures"]
    assert f"about {entry['more_pictures']} more labelled test pictures would" in reports.reasons([found], LIMITS)[0]


def test_units_of_groups_that_are_not_compared_do_not_count() -> None:
    """Nine sessions whose pictures stand in a small group alone are no part of the gap; of those in both the rest is."""
    column = np.where(SESSION < 9, 2, PLACE % 2)
    one = _compared(column)
    assert one.compared == (0, 1)
    (found,) = judge([one], LIMITS)
    gap = audit.summary(found.verdict, [], [found])["by_group"]["accuracy"]["g"]["gap"]
    assert (gap["pictures"], gap["units"]) == ((40 - 9) * SIZE, 40 - 9)


def test_a_pair_that_fails_has_its_own_units() -> None:
    """Of four groups, one picture of each session in each, one is always wrong: its pair is of forty sessions."""
    (found,) = judge([_compared(PLACE % SIZE, right=PLACE % SIZE > 0)], LIMITS)
    assert found.gap_fails
    gap = audit.summary(found.verdict, [], [found])["by_group"]["accuracy"]["g"]["decisive"]["gap"]
    assert (gap["n"], gap["pictures"], gap["units"]) == (80, 80, 40)


def test_of_units_that_each_have_a_picture_in_a_pair_of_groups_it_is_still_told_that_they_are_drawn() -> None:
    """Compared groups with one picture of each session: pictures and units are as many, and both are said."""
    column = np.where(PLACE % SIZE > 0, 2 + SESSION, SESSION % 2)
    one = _compared(column)
    assert one.compared == (0, 1)
    (found,) = judge([one], LIMITS)
    entry = audit.summary(found.verdict, [], [found])["by_group"]["accuracy"]["g"]
    assert (entry["gap"]["pictures"], entry["gap"]["units"]) == (40, 40)
    assert entry["more_units"] == entry["more_pictures"]
    assert f"about {found.more_units} more units of labelled test pictures would" in reports.reasons([found], LIMITS)[0]
