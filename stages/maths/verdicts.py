"""Turns comparisons of groups into PASS, FAIL or UNDECIDED.

FAIL needs proof: a gap above the limit that chance does not explain (permutation null, Holm's correction over all
comparisons of the audit), or a group whose figure is below the floor beyond doubt (upper bound at a level corrected
for the number of groups); an intersection of two columns, whose classes may all be difficult ones, must also fare worse than
pictures of the same classes do. PASS needs proof too: the interval of every gap below the limit and of every group above
the floor. What is neither is UNDECIDED, with the number of pictures that would settle it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stages.maths import statistics
from stages.maths.groups import Comparison

PASS, FAIL, UNDECIDED = "PASS", "FAIL", "UNDECIDED"
LEVEL = 0.95
MOST = 1000.0  # times today's pictures beyond which a number of further ones says nothing


@dataclass(frozen=True)
class Limits:
    """What is allowed.

    Attributes:
        max_gap: largest gap between groups.
        min_worst_group: smallest figure of any group.
        alpha: chance of a false alarm in the whole audit, for gaps and for floors each.
    """

    max_gap: float
    min_worst_group: float
    alpha: float


@dataclass(frozen=True)
class Finding:
    """The verdict on one comparison.

    Attributes:
        comparison: what was compared.
        p: chance of the gap after Holm's correction; None where there was nothing to compare.
        verdict: PASS, FAIL or UNDECIDED.
        gap_fails: the gap is above the limit beyond chance.
        floor_fails: the worst group is below the floor beyond doubt.
        more: further pictures that would probably settle it; None if settled, or if no sensible number would.
    """

    comparison: Comparison
    p: float | None
    verdict: str
    gap_fails: bool = False
    floor_fails: bool = False
    more: int | None = None

    @property
    def decisive(self) -> bool:
        """Tell whether the finding counts towards the overall verdict.

        An intersection of two columns that is too small to tell is listed, but holds nothing up: it can only fail. Nor does
        a column of one group, where there is nothing to compare.
        """
        grouping = self.comparison.grouping
        return self.verdict == FAIL or (len(grouping.columns) == 1 and len(grouping.names) > 1)


def judge(comparisons: Sequence[Comparison], limits: Limits) -> list[Finding]:
    """Judge all comparisons of an audit together.

    Args:
        comparisons: one per measure and grouping.
        limits: what is allowed.

    Returns:
        One finding each, in order.
    """
    tested = [i for i, c in enumerate(comparisons) if c.p is not None]
    adjusted = dict(zip(tested, statistics.holm([comparisons[i].p or 0.0 for i in tested]), strict=True)) if tested else {}
    num_groups = max(sum(len(c.compared) for c in comparisons), 1)
    strict = 1 - 2 * limits.alpha / num_groups
    return [_finding(c, adjusted.get(i), limits, strict, max(len(tested), 1)) for i, c in enumerate(comparisons)]


def overall(findings: Sequence[Finding]) -> str:
    """Return the worst verdict; nothing compared is UNDECIDED, never PASS."""
    verdicts = {f.verdict for f in findings if f.decisive}
    return next((v for v in (FAIL, UNDECIDED, PASS) if v in verdicts), UNDECIDED)


def _finding(comparison: Comparison, p: float | None, limits: Limits, strict: float, num_tests: int) -> Finding:
    if p is None:
        return Finding(comparison, None, UNDECIDED)
    value, _, high = comparison.gap(LEVEL)
    gap_fails = p < limits.alpha and value > limits.max_gap
    found = [comparison.estimates[g] for g in comparison.compared]
    alone = len(comparison.grouping.columns) == 1
    worse = [alone or tail < limits.alpha for tail in comparison.tails]
    floor_fails = any(e.at(strict)[2] < limits.min_worst_group and w for e, w in zip(found, worse, strict=True))
    if gap_fails or floor_fails:
        return Finding(comparison, p, FAIL, gap_fails, floor_fails)
    if high <= limits.max_gap and all(e.at(LEVEL)[1] >= limits.min_worst_group for e in found):
        return Finding(comparison, p, PASS)
    return Finding(comparison, p, UNDECIDED, more=_more(comparison, limits, strict, num_tests))


def _more(comparison: Comparison, limits: Limits, strict: float, num_tests: int) -> int | None:
    """Return how many further pictures of the same kind would settle a comparison if figures stay as they are."""
    worst = comparison.estimates[comparison.worst]
    if comparison.gap()[0] > limits.max_gap:
        gap_settled = _first(lambda t: comparison.gap(1 - limits.alpha / num_tests, t)[1] > 0)
    else:
        gap_settled = _first(lambda t: comparison.gap(LEVEL, t)[2] <= limits.max_gap)
    if worst.value < limits.min_worst_group:
        floor_settled = _first(lambda t: worst.at(strict, t)[2] < limits.min_worst_group)
    else:
        floor_settled = _first(lambda t: worst.at(LEVEL, t)[1] >= limits.min_worst_group)
    times = max(gap_settled, floor_settled)
    pictures = sum(comparison.estimates[g].num_pictures for g in comparison.compared)
    return max(1, int(np.ceil((times - 1) * pictures))) if times <= MOST else None


def _first(settled: Callable[[float], bool]) -> float:
    """Return the smallest multiple of today's pictures that settles a question, infinity if none up to MOST does."""
    if settled(1.0):
        return 1.0
    if not settled(MOST):
        return float("inf")
    low, high = 1.0, MOST
    while high / low > 1.005:  # noqa: PLR2004 - half a percent is precise enough for an estimate
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if settled(middle) else (middle, high)
    return high
