"""How many further pictures settle what uneven groups hold up: what these lack, and only then more of all."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stages import audit
from stages.judge import measures, statistics, units
from stages.judge.groups import Comparison, Grouping, compare
from stages.judge.verdicts import LEVEL, PASS, UNDECIDED, Finding, Limits, judge
from stages.parts.reports._words import sentence

EVEN, CROWD = 2000, 18.0  # pictures of one object at site a; objects of one of thirty pictures at site b
CLOSE = Limits(0.3, 0.3, 0.05)
Floats = NDArray[np.float64]


def _compared(found: Floats, held: Floats, owner: list[str] | None = None, even: int = EVEN) -> Comparison:
    """Return the recall at two sites: the first pictures are of a, of objects found and held."""
    measure = measures.proportion("recall", "recall", "objects", found, held)
    way, random = Grouping(("site",), ("a", "b"), np.repeat([0, 1], [even, held.size - even])), np.random.default_rng(0)
    joined = units.of(owner) if owner else None
    return compare(measure, way, min_group=10, num_bootstraps=50, random=random, units=joined)


def _sites(lost: int = 3) -> Comparison:
    """Site a finds 1,800 of 2,000; b, of thirty pictures worth 6.3, finds 16 of its crowd and loses some single ones."""
    held = np.r_[np.ones(EVEN + 29), CROWD]
    found = held - np.r_[np.arange(EVEN) % 10 == 0, np.arange(29) < lost, 2.0]
    return _compared(found, held)


def _said(finding: Finding) -> tuple[int | None, int | None]:
    """Return the further pictures and units as the metrics file has them."""
    entry = audit.summary("UNDECIDED", [], [finding])["by_group"]["recall"]["site"]
    return entry["more_pictures"], entry["more_units"]


def test_what_the_uneven_group_lacks_is_all_that_is_needed_where_that_settles_it() -> None:
    """Eighteen more like b's thirty, none of a's 2,000: page and metrics file say so."""
    one = _sites()
    assert one.worth == pytest.approx((EVEN, 47**2 / (CROWD**2 + 29)))
    assert (one.uneven, one.lacks(1)) == ((1,), 18)
    (finding,) = judge([one], CLOSE)
    assert finding.verdict == UNDECIDED
    assert _said(finding) == (18, 18)
    assert "about 18 more pictures like them needed); about 18 more labelled test pictures in all would" in sentence(
        finding, CLOSE
    )


def test_with_so_many_more_most_audits_pass() -> None:
    """Pictures drawn like those of b: one in thirty has a crowd."""
    random, passed = np.random.default_rng(1), 0
    for _ in range(30):
        held = np.r_[np.ones(EVEN + 29), CROWD, np.where(random.random(18) < 1 / 30, CROWD, 1.0)]
        found = random.binomial(held.astype(int), 0.9).astype(np.float64)
        passed += judge([_compared(found, held)], CLOSE)[0].verdict == PASS
    assert passed >= 24


def _needed(one: Comparison, limits: Limits, grown: float, *, fails: bool) -> float:
    """Return by how much both groups must grow, b from what it lacks on, in steps of a thousandth: by formula."""
    a, b = one.estimates
    level = 1 - limits.alpha / 4 if fails else LEVEL
    for times in 1.001 ** np.arange(3000):
        low, high = statistics.exact(
            [a.value, b.value],
            np.array([a.size, b.size * grown]) * times,
            level,
            np.array([a.freedom, b.freedom * grown]) * times,
        )
        _, lows, highs = statistics.differences(np.array([a.value, b.value]), low, high)
        if lows[0, 1] > limits.max_gap if fails else max(highs[0, 1], highs[1, 0]) <= limits.max_gap:
            return float(times)
    return float("inf")


@pytest.mark.parametrize(("lost", "max_gap"), [(3, 0.08), (12, 0.02)], ids=["to pass", "to fail"])
def test_where_more_than_the_lack_is_needed_all_groups_grow_from_there(lost: int, max_gap: float) -> None:
    """The lack first, then all pictures that are there with it: not today's by the product of both factors."""
    one, limits = _sites(lost), Limits(max_gap, 0.05, 0.05)
    (finding,) = judge([one], limits)
    assert finding.verdict == UNDECIDED
    lacks, grown = one.lacks(1), 1 + one.lacks(1) / 30
    times = _needed(one, limits, grown, fails=lost > 3)
    assert 1.1 < times < 6
    further, today = (times - 1) * (EVEN + 30 + lacks), EVEN + 30
    expected = lacks + further
    assert finding.more == pytest.approx(expected, abs=0.006 * times * today)
    assert abs((grown * times - 1) * today - expected) > 10 * 0.006 * times * today
    assert _said(finding) == (finding.more, finding.more)


def test_no_number_is_named_where_a_group_would_need_more_than_twenty_times_its_pictures() -> None:
    """What b lacks and what all need after it count together: 3.5 times after 8.7 are too many."""
    held = np.r_[np.ones(EVEN + 29), 400.0]
    one = _compared(held, held)
    grown = 1 + one.lacks(1) / 30
    near, far = (judge([one], Limits(max_gap, 0.05, 0.05))[0] for max_gap in (0.25, 0.1))
    for finding, limit in ((near, 0.25), (far, 0.1)):
        times = _needed(one, finding.limits, grown, fails=False)
        assert 1 < times < 21
        assert (grown * times > 21) == (finding.more is None) == (limit < 0.2)


def test_units_are_counted_as_the_uneven_group_has_them() -> None:
    """Site a has 400 units of five pictures; the fifteen of b, worth 8.4, lack three, five pictures by what its own hold."""
    clips = [5] * 3 + [1] * 12
    owner = [f"a{n}" for n in range(400) for _ in range(5)] + [f"b{n}" for n, size in enumerate(clips) for _ in range(size)]
    ones = np.ones(len(owner))
    one = _compared(ones, ones, owner)
    assert (one.uneven, one.lacks(1)) == ((1,), 3)
    (finding,) = judge([one], Limits(0.4, 0.05, 0.05))
    assert _said(finding) == (5, 3)
    assert "about 3 more units of labelled test pictures in all would" in sentence(finding, finding.limits)


@pytest.mark.parametrize("shared", [True, False])
def test_further_units_do_for_all_groups_that_units_are_in(shared: bool) -> None:
    """Two groups of fifteen clips worth 8.4 lack three clips each: three, or six where no clip is in both groups."""
    clips = np.repeat(np.arange(15), [5] * 3 + [1] * 12)
    owner = [f"{'' if shared else group}{n}" for group in "xy" for n in clips]
    ones = np.ones(len(owner))
    one = _compared(ones, ones, owner, even=clips.size)
    assert (one.uneven, one.lacks(0), one.lacks(1)) == ((0, 1), 3, 3)
    (finding,) = judge([one], Limits(0.5, 0.05, 0.05))
    assert _said(finding) == (10, 3 if shared else 6)
