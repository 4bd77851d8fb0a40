"""Figures by group of pictures, and the gaps between groups."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.judge import by_group, statistics, unseen
from stages.judge.columns import NO_VALUE, Column
from stages.judge.estimate import Estimate
from stages.judge.measures import Measure
from stages.judge.units import Units

Floats = NDArray[np.float64]
Codes = NDArray[Any]
Times = float | Floats


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
        uneven: which groups have enough units, yet of so unequal size, or pictures of so unequal numbers of objects, that
            they are worth too few (``by_group.holders_worth``); while there is one nothing passes.
        worth: how many units of equal size those of each group are worth that hold what the figure is read from.
        min_group: how many a group needs to be worth.
        units: which pictures are drawn together; None where each is drawn for itself.
    """

    measure: Measure
    grouping: Grouping
    estimates: tuple[Estimate, ...]
    compared: tuple[int, ...]
    uneven: tuple[int, ...] = ()
    worth: tuple[float, ...] = ()
    min_group: int = 0
    units: Units | None = None

    @cached_property
    def _arrays(self) -> tuple[Floats, Floats, Floats]:
        found = [self.estimates[g] for g in self.compared]
        values, sizes, freedoms = ([getattr(e, name) for e in found] for name in ("value", "size", "freedom"))
        return np.array(values, np.float64), np.array(sizes, np.float64), np.array(freedoms, np.float64)

    @cached_property
    def _extremes(self) -> tuple[int, int]:
        """Return the places in ``compared`` of best and worst: two different ones where there are two."""
        values = self._arrays[0]
        best = int(np.argmax(values))
        others = np.where(np.arange(values.size) == best, np.inf, values)
        return best, int(np.argmin(others))

    @property
    def best(self) -> int:
        """Return the group with the highest figure among those compared, the first of equals."""
        return self.compared[self._extremes[0]]

    @property
    def worst(self) -> int:
        """Return the group with the lowest figure among those compared, the first of equals.

        Never the best one where two are compared: where all figures are equal it is the next.
        """
        return self.compared[self._extremes[1]]

    @property
    def single(self) -> bool:
        """Tell whether each picture is drawn for itself."""
        return self.units is None or self.units.single

    def behind(self, chosen: Sequence[int]) -> tuple[int, int]:
        """Return how many pictures some groups have, and of how many units: one with pictures in several counts once."""
        inside = np.isin(self.grouping.codes, chosen)
        pictures = int(np.count_nonzero(inside))
        return pictures, pictures if self.units is None else int(np.unique(self.units.codes[inside]).size)

    def small(self, min_group: int) -> tuple[int, ...]:
        """Return the groups of fewer holders than a comparison needs; others that are not compared have no figure.

        Of these are large groups without any holder, too.
        """
        each = enumerate(self.estimates)
        return tuple(g for g, e in each if (e.num_holders or e.num_units) < min_group)

    def lacks(self, group: int) -> int:
        """Return about how many more units, as unequal as today's, would make an uneven group worth enough."""
        held = self.estimates[group].num_holders
        return max(1, math.ceil(held * self.min_group / self.worth[group] - held))

    def evened(self) -> tuple["Comparison", Floats]:
        """Return the comparison with uneven groups among those compared, and by how much each must grow for it, (G,).

        An uneven group grows by what it lacks, the others stay as they are: 1.
        """
        compared = tuple(sorted((*self.compared, *self.uneven)))
        grown = [1 + self.lacks(g) / self.estimates[g].num_holders if g in self.uneven else 1.0 for g in compared]
        return replace(self, compared=compared, uneven=()), np.array(grown)

    @property
    def num_claims(self) -> int:
        """Return how many claims the comparison makes: one for each ordered pair of groups and one for each floor."""
        return len(self.compared) ** 2 if len(self.compared) > 1 else 0

    def bounds(self, level: float = 0.95, times: Times = 1.0, *, exact: bool = False) -> tuple[Floats, Floats, Floats]:
        """Return figures, lower and upper bounds of the groups compared, each (G,).

        Args:
            level: coverage.
            times: as if there were so many times the pictures, of all groups compared or, (G,), of each.
            exact: bounds that verdicts may rest on (``statistics.exact``), not those that are shown (Wilson's).
        """
        values, sizes, freedoms = self._arrays
        interval = statistics.exact if exact else statistics.wilson
        rest = [self.estimates[g].open for g in self.compared]
        return values, *unseen.bounds(interval, values, sizes, freedoms, rest, level, times)

    def pairs(self, level: float = 0.95, times: Times = 1.0, *, exact: bool = False) -> tuple[Floats, Floats, Floats]:
        """Return the gap of each ordered pair of groups compared with its interval; see ``statistics.differences``."""
        return statistics.differences(*self.bounds(level, times, exact=exact))

    def gap(self, level: float = 0.95, times: Times = 1.0, *, exact: bool = False) -> tuple[float, float, float]:
        """Return the gap between best and worst group with its interval.

        The lower bound is that of best minus worst, at least 0; the upper one the largest of all pairs, so that a gap
        below it is shown for every pair. At least two groups must be compared.

        Args:
            level: coverage.
            times: as if there were so many times the pictures, of all groups compared or, (G,), of each.
            exact: see ``bounds``.
        """
        value, low, high = self.pairs(level, times, exact=exact)
        pair = self._extremes
        off = ~np.eye(len(self.compared), dtype=bool)
        return float(value[pair]), max(float(low[pair]), 0.0), min(float(high[off].max()), 1.0)


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
    worth = by_group.holders_worth(measure, codes, len(found), units)
    compared = tuple(g for g in enough if round(worth[g]) >= min_group)
    uneven = tuple(g for g in enough if g not in compared)
    return Comparison(measure, grouping, found, compared, uneven, tuple(worth.tolist()), min_group, units)
