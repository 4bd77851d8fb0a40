"""Figures by group of pictures, and the gaps between groups.

Whether classes explain a gap is asked of deals: groups are dealt out anew among the pictures of each class, whole
units at a time, as if they had nothing to do with the outcome. A group of difficult classes is not a group that is
treated worse (conditional independence given the truth, as in equalised odds: M. Hardt, E. Price, N. Srebro, "Equality of
Opportunity in Supervised Learning", NeurIPS 2016). Where each class stands in one group alone, nothing tells the group
from its classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stages.judge import by_group, statistics
from stages.judge.columns import NO_VALUE, Column
from stages.judge.measures import Estimate, Measure
from stages.judge.units import Units, most_frequent

Floats = NDArray[np.float64]
Codes = NDArray[Any]
SETTLED = 50  # deals as extreme as what was found, of which more would change nothing
_CHUNK = 250  # deals at a time, at most
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Grouping:
    """A way to sort pictures into groups.

    Attributes:
        columns: one name, or two for an intersection.
        names: what each group is called, in the order of the codes.
        codes: (N,) the group of each picture, a whole number, -1 where it has none.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    codes: Codes


@dataclass(frozen=True)
class Comparison:
    """One measure over one grouping.

    Attributes:
        measure: the figure.
        grouping: the groups.
        estimates: the figure of each group, in the order of ``grouping.names``.
        compared: which groups are large enough, and their figure defined, to be compared.
        uneven: which groups have enough units, yet of so unequal size that they are worth too few (``Units.worth``); while
            there is one nothing passes.
    """

    measure: Measure
    grouping: Grouping
    estimates: tuple[Estimate, ...]
    compared: tuple[int, ...]
    uneven: tuple[int, ...] = ()

    @cached_property
    def _arrays(self) -> tuple[Floats, Floats, Floats]:
        found = [self.estimates[g] for g in self.compared]
        values, sizes, freedoms = ([getattr(e, name) for e in found] for name in ("value", "size", "freedom"))
        return np.array(values, np.float64), np.array(sizes, np.float64), np.array(freedoms, np.float64)

    @property
    def best(self) -> int:
        """Return the group with the highest figure among those compared."""
        return self.compared[int(np.argmax(self._arrays[0]))]

    @property
    def worst(self) -> int:
        """Return the group with the lowest figure among those compared."""
        return self.compared[int(np.argmin(self._arrays[0]))]

    def small(self, min_group: int) -> tuple[int, ...]:
        """Return the groups of fewer holders than a comparison needs; others that are not compared have no figure."""
        return tuple(g for g, e in enumerate(self.estimates) if e.num_holders < min_group)

    @property
    def num_claims(self) -> int:
        """Return how many claims the comparison makes: one for each ordered pair of groups and one for each floor."""
        return len(self.compared) ** 2 if len(self.compared) > 1 else 0

    def bounds(self, level: float = 0.95, times: float = 1.0, *, exact: bool = False) -> tuple[Floats, Floats, Floats]:
        """Return figures, lower and upper bounds of the groups compared, each (G,).

        Args:
            level: coverage.
            times: as if there were so many times the pictures.
            exact: bounds that verdicts may rest on (``statistics.exact``), not those that are shown (Wilson's).
        """
        values, sizes, freedoms = self._arrays
        interval = statistics.exact if exact else statistics.wilson
        return values, *interval(values, sizes * times, level, freedoms * times)

    def pairs(self, level: float = 0.95, times: float = 1.0, *, exact: bool = False) -> tuple[Floats, Floats, Floats]:
        """Return the gap of each ordered pair of groups compared with its interval; see ``statistics.differences``."""
        return statistics.differences(*self.bounds(level, times, exact=exact))

    def gap(self, level: float = 0.95, times: float = 1.0, *, exact: bool = False) -> tuple[float, float, float]:
        """Return the gap between best and worst group with its interval.

        The lower bound is that of best minus worst, at least 0; the upper one the largest of all pairs, so that a gap
        below it is shown for every pair. At least two groups must be compared.

        Args:
            level: coverage.
            times: as if there were so many times the pictures.
            exact: see ``bounds``.
        """
        value, low, high = self.pairs(level, times, exact=exact)
        pair = np.unravel_index(np.argmax(value), value.shape)
        off = ~np.eye(len(self.compared), dtype=bool)
        return float(value[pair]), max(float(low[pair]), 0.0), min(float(high[off].max()), 1.0)


@dataclass(frozen=True)
class Deals:
    """What comes of dealing the groups out anew within classes.

    Attributes:
        num: how many deals; 0 where no class has pictures in two groups, so that nothing tells group from class.
        p: share of deals with a gap as large as the one found, itself among them.
        tails: for each group compared, the share of deals in which it fares as badly.
    """

    num: int
    p: float
    tails: tuple[float, ...]


def groupings(columns: Sequence[Column], min_group: int = 1, units: Units | None = None) -> list[Grouping]:
    """Return a grouping for each column, and for each pair of columns that have two groups or more.

    Pictures without a value count as a group of a column where there are enough of them to be compared: else a pair with
    a column of one value would be the other column once more.

    Args:
        columns: the columns.
        min_group: units that a group needs to be compared.
        units: which pictures are drawn together; None where each is drawn for itself.

    Example:
        >>> from stages.judge.columns import sort_into_groups
        >>> made, _ = sort_into_groups({"a": ["x", "y", None], "b": ["u", "v", "v"], "c": ["w", "w", "w"]}, 20)
        >>> [g.names for g in groupings(made)]
        [('x', 'y', 'no value'), ('u', 'v'), ('w',), ('no value, v', 'x, u', 'y, v')]
    """
    singles = [Grouping((c.name,), c.names, c.codes) for c in columns]
    return singles + [_crossed(a, b) for a, b in combinations([c for c in columns if _parts(c, min_group, units)], 2)]


def _parts(column: Column, min_group: int, units: Units | None) -> bool:
    """Tell whether a column parts the pictures: two values or more, or one and enough pictures without a value."""
    if NO_VALUE not in column.names or len(column.names) != 2:  # noqa: PLR2004 - one value and none
        return len(column.names) > 1
    unknown = np.flatnonzero(column.codes == column.names.index(NO_VALUE))
    return (unknown.size if units is None else np.unique(units.codes[unknown]).size) >= min_group


def _crossed(first: Column, second: Column) -> Grouping:
    """Return the groups of two columns together, as far as they occur, by name."""
    both = np.where(
        (first.codes >= 0) & (second.codes >= 0), first.codes.astype(np.int64) * len(second.names) + second.codes, -1
    )
    cells = np.flatnonzero(np.bincount(both + 1, minlength=1)[1:])
    names = [f"{first.names[a]}, {second.names[b]}" for a, b in zip(*divmod(cells, len(second.names)), strict=True)]
    order = np.argsort(np.array(names, dtype=object), kind="stable")
    place = np.full(len(first.names) * len(second.names) + 1, -1, np.min_scalar_type(-max(cells.size, 1)))
    place[cells[order]] = np.arange(cells.size)  # the last place stays -1: pictures without a group
    return Grouping((first.name, second.name), tuple(names[i] for i in order), place[both])


def compare(  # noqa: PLR0913 - what is compared, and how
    measure: Measure,
    grouping: Grouping,
    *,
    min_group: int,
    num_bootstraps: int,
    random: np.random.Generator,
    units: Units | None = None,
) -> Comparison:
    """Return a measure by group.

    Args:
        measure: the figure.
        grouping: the groups.
        min_group: groups with fewer units that hold what the figure is read from, or such that are worth fewer of equal size
            (rounded), are shown but not compared.
        num_bootstraps: draws behind the standard error of a figure without a slope.
        random: where they come from.
        units: which pictures are drawn together; None where each is drawn for itself.
    """
    codes = grouping.codes.astype(np.int64)
    found = by_group.estimates(measure, codes, len(grouping.names), num_bootstraps, random, units)
    enough = [g for g, e in enumerate(found) if np.isfinite(e.value) and e.num_holders >= min_group]
    if units is None or units.single:
        return Comparison(measure, grouping, found, tuple(enough))
    worth = by_group.holders_worth(measure, codes, len(found), units)
    compared = tuple(g for g in enough if round(worth[g]) >= min_group)
    return Comparison(measure, grouping, found, compared, tuple(g for g in enough if g not in compared))


def deal(
    comparison: Comparison, strata: Codes, num_deals: int, random: np.random.Generator, units: Units | None = None
) -> Deals | None:
    """Ask whether the classes of its pictures explain how the groups of a comparison fare.

    Args:
        comparison: at least two groups compared.
        strata: (N,) the class of each picture, a whole number.
        num_deals: how many deals; fewer are made where more would change nothing.
        random: where they come from.
        units: which pictures are dealt together, as one of the class that most of them have; None where each is for itself.

    Returns:
        What came of it; None where all pictures are of one class, so that classes explain nothing.
    """
    measure, groups = comparison.measure, comparison.grouping.codes
    if units is not None and not units.single:
        rows, groups = units.within(groups)
        measure, strata = measure.merged(rows, groups.size), most_frequent(strata, rows, groups.size)
    members = np.flatnonzero(np.isin(groups, comparison.compared))
    order = np.full(max(comparison.compared) + 1, -1, np.int64)
    order[list(comparison.compared)] = np.arange(len(comparison.compared))
    codes = order[groups[members]]
    classes = np.unique(strata[members], return_inverse=True)[1]
    if not classes.any():
        return None
    cells = np.unique(classes * len(comparison.compared) + codes)
    values = np.array([comparison.estimates[g].value for g in comparison.compared])
    if np.unique(cells // len(comparison.compared)).size == cells.size:
        return Deals(0, 1.0, (1.0,) * values.size)
    num, wider, lower = 0, 0, np.zeros(values.size, np.int64)
    for figures in dealt_figures(measure, members, codes, classes, num_deals, random):
        num += figures.shape[1]
        wider += int(np.count_nonzero(_gaps(figures) >= np.ptp(values) - _ROUNDING))
        lower += np.count_nonzero(figures <= values[:, None] + _ROUNDING, axis=1)
        if min(wider, lower.min()) >= SETTLED:
            break
    return Deals(num, (1 + wider) / (1 + num), tuple(float(t) for t in (1 + lower) / (1 + num)))


def dealt_figures(  # noqa: PLR0913, PLR0917 - what to deal, and how
    measure: Measure,
    members: NDArray[np.intp],
    codes: NDArray[np.int64],
    classes: NDArray[np.int64],
    num_deals: int,
    random: np.random.Generator,
) -> Iterator[Floats]:
    """Deal the groups out anew among the pictures of each class and yield the figures that come of it.

    Pictures that are alike to the measure are dealt as counts (contingency tables of given margins), so that time does
    not grow with their number; a few deals are held at a time.

    Args:
        measure: the figure.
        members: (R,) positions of the pictures that are dealt.
        codes: (R,) their groups, 0 to G - 1.
        classes: (R,) their classes, from 0.
        num_deals: how many deals.
        random: where they come from.

    Yields:
        (G, some) figures, NaN where undefined.
    """
    num_groups = int(codes.max()) + 1
    kinds = members if measure.kinds is None else measure.kinds[members]
    first, alike = np.unique(kinds, return_index=True, return_inverse=True)[1:]
    counted = 2 * first.size <= members.size
    held = _part(measure, members[first] if counted else members)
    places = first.size if counted else members.size
    rows = int(np.clip(statistics.ENTRIES // (places * num_groups), 1, _CHUNK))
    for start in range(0, num_deals, rows):
        size = min(rows, num_deals - start)
        if counted:
            weights = _counts(codes, classes, alike.ravel(), (num_groups, places), size, random)
        else:
            weights = _permuted(codes, classes, num_groups, size, random)
        yield np.stack([held(weights[:, g]) for g in range(num_groups)])


def _part(measure: Measure, rows: NDArray[np.intp]) -> Any:
    """Return the figures as a function of the weights of some pictures alone."""
    if measure.chosen is not None:
        return measure.chosen(rows).values

    def values(weights: Floats) -> Floats:
        whole = np.zeros((weights.shape[0], measure.counts.size))
        whole[:, rows] = weights
        return measure.values(whole)

    return values


def _counts(  # noqa: PLR0913, PLR0917 - what to deal, and how
    codes: NDArray[np.int64],
    classes: NDArray[np.int64],
    kinds: NDArray[np.intp],
    shape: tuple[int, int],
    size: int,
    random: np.random.Generator,
) -> Floats:
    """Return (size, G, C): how many pictures of each kind fall to each group, dealt within classes."""
    found = np.zeros((size, *shape))
    for one in range(int(classes.max()) + 1):
        inside = classes == one
        rows = np.bincount(codes[inside], minlength=shape[0])
        held, (there, columns) = np.flatnonzero(rows), np.unique(kinds[inside], return_counts=True)
        if min(held.size, there.size) == 1:  # nothing to draw, and scipy 1.17 gives counts below 0 for it
            table = np.outer(rows[held], columns) // inside.sum()
        else:
            table = stats.random_table(rows[held], columns, seed=random).rvs(size=size)
        found[:, held[:, None], there] += table
    return found


def _permuted(
    codes: NDArray[np.int64], classes: NDArray[np.int64], num_groups: int, size: int, random: np.random.Generator
) -> Floats:
    """Return (size, G, R): 1 where a picture falls to a group, dealt within classes."""
    deals = np.tile(codes, (size, 1))
    for one in range(int(classes.max()) + 1):
        places = np.flatnonzero(classes == one)
        deals[:, places] = random.permuted(deals[:, places], axis=1)
    return np.asarray(deals[:, None] == np.arange(num_groups)[:, None], np.float64)


def _gaps(figures: Floats) -> Floats:
    """Return largest minus smallest of each deal; undefined figures do not count."""
    top = np.where(np.isnan(figures), -np.inf, figures).max(0)
    bottom = np.where(np.isnan(figures), np.inf, figures).min(0)
    return np.where(top >= bottom, top - bottom, 0.0)
