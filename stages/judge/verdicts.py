"""Turns comparisons of groups into PASS, FAIL or UNDECIDED.

FAIL says that a gap is larger than allowed, or a group's figure below the floor: the lower bound of the gap of a pair
of groups lies above the limit, or the upper bound of a group below the floor, at a level corrected (Bonferroni) for every
ordered pair and every floor of the whole audit. Further, the classes of the pictures must not explain it
(``judge.permutations``): the same bound of that very pair must lie above what classes explain of its gap and what is allowed
besides, that of a group of an intersection of two columns below the figure that classes explain. What holds for bounds holds
here: each claim has its share of ``alpha``, so any of the pairs may be the one that fails.
PASS says that every gap lies within the limit and every compared group above the floor: the 95 % bounds of all pairs and all
of these groups say so, each for itself (intersection-union: R. Berger, Technometrics 24, 1982). What is neither is
UNDECIDED, with the number of pictures that would settle it.

These bounds are Clopper and Pearson's, those of a gap made of its groups' (MOVER): Wilson's, which are shown, are narrower
where figures are close to 0 or 1, and do not keep there what they promise. A group whose units are of very unequal size, or
whose pictures hold very unequal numbers of objects, is not compared, and nothing passes beside it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from stages.judge.columns import NO_VALUE
from stages.judge.groups import Comparison, Floats, Times
from stages.judge.permutations import Asked, Deals

PASS, FAIL, UNDECIDED = "PASS", "FAIL", "UNDECIDED"
LEVEL = 0.95
MOST_PAIRS = 50  # of one comparison of which deals are asked, those shown to be widest first
MOST = 21.0  # times a group's pictures, twenty times as many again: beyond that a number of further ones says nothing
_LEAST = 1e-13  # chance below which a bound is not told from certainty


@dataclass(frozen=True)
class Limits:
    """What is allowed.

    Attributes:
        max_gap: largest gap between groups.
        min_worst_group: smallest figure of any group.
        alpha: the chance of a FAIL in the whole audit, over all its gaps and floors together, is at most this where every
            true gap, given the classes of the pictures, is at the limit or below and every true figure at the floor or
            above.
    """

    max_gap: float
    min_worst_group: float
    alpha: float


@dataclass(frozen=True)
class Finding:
    """The verdict on one comparison.

    Attributes:
        comparison: what was compared.
        verdict: PASS, FAIL or UNDECIDED.
        limits: what was allowed.
        num_claims: ordered pairs and floors of the whole audit, for which levels are corrected.
        named: the pair, better and worse, whose gap fails, or that classes explain least; None where no bounds say FAIL.
        limit: what the lower bound of the gap of ``named`` must exceed, above ``max_gap`` where classes explain some of it.
        gap_fails: a gap is shown to be larger than allowed.
        floor_fails: a group is shown to be below the floor.
        explained: the bounds say FAIL, but the classes of the pictures explain it, or so much of it that the rest is not
            shown to be larger than allowed, or cannot be told from the groups.
        faults: why the evaluation says nothing by the figure, by kind: then it does not pass.
    """

    comparison: Comparison
    verdict: str
    limits: Limits
    num_claims: int
    named: tuple[int, int] | None = None
    limit: float = float("nan")
    gap_fails: bool = False
    floor_fails: bool = False
    explained: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_compared(self) -> bool:
        """Tell whether there were two groups to compare."""
        return self.comparison.num_claims > 0

    @cached_property
    def p(self) -> float | None:
        """Return the smallest ``alpha`` at which the gap would fail; None where there was nothing to compare.

        Where bounds say FAIL it is that of the pair named, less what classes explain of its gap.
        """
        if not self.is_compared:
            return None
        limit = self.limit if self.named else self.limits.max_gap
        return _smallest_alpha(self.comparison, limit, self.num_claims, self.named)

    @cached_property
    def pair(self) -> tuple[int, int]:
        """Return the groups, better and worse, whose gap fails, or else is shown to be the largest."""
        return self.named or _pairs(self.comparison, _strict(self.limits, self.num_claims), -np.inf)[0]

    @cached_property
    def more(self) -> int | None:
        """Return how many further pictures would probably settle it; None if it is, or if no sensible number would.

        Uneven groups grow by what they lack; only where that does not settle it all groups grow from there.
        """
        whole, grown = self.comparison.evened()
        if self.verdict != UNDECIDED or self.faults or self.explained or not whole.num_claims:
            return None
        num = self.num_claims - self.comparison.num_claims + whole.num_claims  # with the groups that are compared then
        times = _times(whole, self.limits, _strict(self.limits, num), grown)
        if times * grown.max() > MOST:
            return None
        (pictures, lacking), _ = self._behind
        return max(1, lacking + math.ceil((times - 1) * (pictures + lacking)))

    @property
    def more_units(self) -> int | None:
        """Return how many further units hold ``more`` pictures, as many each as today's; None where that is.

        A unit brings what it has in each of the groups compared, as today's do.
        """
        if self.more is None:
            return None
        (pictures, lacking), (units, more) = self._behind
        return more + math.ceil((self.more - lacking) * (units + more) / (pictures + lacking))

    @property
    def _behind(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the pictures of the groups, uneven ones too, and how many further ones these lack; the same of units.

        A unit with pictures in several groups counts once, and a further one does for as many of the uneven ones as today's.
        """
        whole, grown = self.comparison.evened()
        found = [self.comparison.estimates[g] for g in whole.compared]
        each, parts = np.array([e.num_pictures for e in found]), np.array([e.num_units for e in found])
        lacking, lacks = (np.round((grown - 1) * of).astype(int) for of in (each, parts))
        (pictures, units), (_, uneven) = (self.comparison.behind(some) for some in (whole.compared, self.comparison.uneven))
        shared = math.ceil(int(lacks.sum()) * uneven / max(int(parts[lacks > 0].sum()), 1))
        return (pictures, int(lacking.sum())), (units, max(int(lacks.max()), shared))

    @property
    def decisive(self) -> bool:
        """Tell whether the finding counts towards the overall verdict.

        A column does where it has two groups or more, pictures without a value among them where they can be compared;
        an intersection of two columns where two of its groups are large enough to be compared. Groups that would be, if
        their units were of equal size, count as such.
        """
        grouping, large = self.comparison.grouping, {*self.comparison.compared, *self.comparison.uneven}
        if len(grouping.columns) > 1:
            return len(large) > 1
        return sum(name != NO_VALUE or group in large for group, name in enumerate(grouping.names)) > 1


def judge(
    comparisons: Sequence[Comparison], limits: Limits, deal: Callable[[Comparison], Asked] | None = None
) -> list[Finding]:
    """Judge all comparisons of an audit together.

    Args:
        comparisons: one per measure and grouping.
        limits: what is allowed.
        deal: returns what deals groups of a comparison out anew within classes, asked only where the bounds say FAIL;
            None where no picture has a class.

    Returns:
        One finding each, in order.
    """
    num_claims = sum(c.num_claims for c in comparisons)
    return [_finding(c, limits, num_claims, deal) for c in comparisons]


def withheld(findings: Sequence[Finding], faults: Mapping[str, Mapping[str, str]]) -> list[Finding]:
    """Let no finding pass on a figure by which the evaluation says nothing; the others stand.

    Args:
        findings: what was found.
        faults: why it says nothing, by name of the figure and by kind (``degenerate.parted``).
    """
    own = [(one, faults.get(one.comparison.measure.name, {})) for one in findings]
    return [
        replace(one, faults=found, verdict=UNDECIDED if found and one.verdict == PASS else one.verdict) for one, found in own
    ]


def overall(findings: Sequence[Finding], *, complete: bool = True) -> str:
    """Return the worst verdict; nothing compared is UNDECIDED, never PASS.

    Args:
        findings: all of them.
        complete: False where a column was left out because it holds no groups, or where the evaluation says nothing: then
            nothing passes.
    """
    verdicts = {f.verdict for f in findings if f.decisive} | (set() if complete else {UNDECIDED})
    return next((v for v in (FAIL, UNDECIDED, PASS) if v in verdicts), UNDECIDED)


def _strict(limits: Limits, num_claims: int) -> float:
    """Return the coverage at which one bound may say FAIL: two-sided, corrected for all claims of the audit."""
    return 1 - limits.alpha / num_claims


def _finding(comparison: Comparison, limits: Limits, num_claims: int, deal: Callable[[Comparison], Asked] | None) -> Finding:
    if not comparison.num_claims:
        return Finding(comparison, UNDECIDED, limits, num_claims)
    level = _strict(limits, num_claims)
    wide = _pairs(comparison, level, limits.max_gap)
    crossed = len(comparison.grouping.columns) > 1
    high = comparison.bounds(level, exact=True)[2]
    below = [(g, bound) for g, bound in zip(comparison.compared, high, strict=True) if bound < limits.min_worst_group]
    asked = deal(comparison) if deal and (wide or (crossed and below)) else None
    named, limit, gap_fails = _least_explained(comparison, wide, asked, level, limits.max_gap)
    floor_fails = any(not (asked and crossed) or _is_lower(bound, asked(group, None)) for group, bound in below)
    if gap_fails or floor_fails:
        return Finding(comparison, FAIL, limits, num_claims, named, limit, gap_fails, floor_fails)
    if _passes(comparison, limits) and not comparison.uneven:
        return Finding(comparison, PASS, limits, num_claims, named, limit)
    return Finding(comparison, UNDECIDED, limits, num_claims, named, limit, explained=bool(wide or below))


def _least_explained(
    comparison: Comparison, pairs: Sequence[tuple[int, int]], asked: Asked | None, level: float, max_gap: float
) -> tuple[tuple[int, int] | None, float, bool]:
    """Return the first pair that classes do not explain, or the one they explain least, its limit, and which it is."""
    least, found, beyond = None, float("nan"), -np.inf
    for better, worse in pairs[:MOST_PAIRS]:
        deals, each = asked(worse, better) if asked else None, comparison.estimates
        limit = deals.limit(each[better], each[worse], max_gap) if deals else max_gap
        above = _widest(comparison, level, pair=(better, worse)) - limit
        if least is None or above > beyond:
            least, found, beyond = (better, worse), limit, above
        if above > 0:
            break
    return least, found, beyond > 0


def _is_lower(bound: float, deals: Deals | None) -> bool:
    """Tell whether a group is shown to fare worse than classes explain; they explain nothing where all are of one."""
    return deals is None or (deals.num > 0 and bound < deals.mean)


def _widest(comparison: Comparison, level: float, times: Times = 1.0, pair: tuple[int, int] | None = None) -> float:
    """Return the largest lower bound of all ordered pairs, or that of one."""
    low = comparison.pairs(level, times, exact=True)[1]
    if pair:
        return float(low[tuple(comparison.compared.index(group) for group in pair)])
    np.fill_diagonal(low, -np.inf)
    return float(low.max())


def _pairs(comparison: Comparison, level: float, limit: float) -> list[tuple[int, int]]:
    """Return the groups, better and worse, of all ordered pairs whose lower bound is above a limit, the highest first."""
    low = comparison.pairs(level, exact=True)[1]
    np.fill_diagonal(low, -np.inf)
    order = np.argsort(-low, axis=None, kind="stable")
    at = np.unravel_index(order[: np.count_nonzero(low > limit)], low.shape)
    return [(comparison.compared[int(better)], comparison.compared[int(worse)]) for better, worse in zip(*at, strict=True)]


def _passes(comparison: Comparison, limits: Limits, times: Times = 1.0) -> bool:
    """Tell whether every gap is shown to be within the limit and every group at the floor or above."""
    lows = comparison.bounds(LEVEL, times, exact=True)[1]
    return comparison.gap(LEVEL, times, exact=True)[2] <= limits.max_gap and bool((lows >= limits.min_worst_group).all())


def _smallest_alpha(comparison: Comparison, limit: float, num_claims: int, pair: tuple[int, int] | None = None) -> float:
    """Return the smallest ``alpha`` at which a gap, or that of a pair, would fail: the bound inverted, over all claims."""
    if comparison.gap()[0] <= limit:
        return 1.0

    def fails(log_alpha: float) -> bool:
        return _widest(comparison, 1 - float(np.exp(log_alpha)), pair=pair) > limit

    low, high = np.log(_LEAST), 0.0
    if fails(low):
        high = low
    while high - low > 1e-4:  # noqa: PLR2004 - a hundredth of a percent of p
        middle = (low + high) / 2
        low, high = (low, middle) if fails(middle) else (middle, high)
    return float(min(1.0, num_claims * np.exp(high)))


def _times(comparison: Comparison, limits: Limits, level: float, grown: Floats) -> float:
    """Return how many times the pictures, of the same kind, would settle a comparison if figures stay as they are.

    Args:
        comparison: with all groups that are compared then.
        limits: what is allowed.
        level: coverage at which one bound may say FAIL.
        grown: (G,) by how much each group grows before all of them do.
    """
    wide = comparison.gap()[0] > limits.max_gap
    below = bool((comparison.bounds()[0] < limits.min_worst_group).any())
    questions: list[Callable[[float], bool]] = []
    if wide:
        questions.append(lambda t: _widest(comparison, level, t * grown) > limits.max_gap)
    if below:
        questions.append(lambda t: bool((comparison.bounds(level, t * grown, exact=True)[2] < limits.min_worst_group).any()))
    if not questions:
        questions.append(lambda t: _passes(comparison, limits, t * grown))
    return min(_first(q) for q in questions)


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
