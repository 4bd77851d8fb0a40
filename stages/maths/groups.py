"""Figures by group of pictures, their gap, and how large a gap chance alone would give.

The largest minus the smallest of several groups is above zero even when all are truly equal (12 equal groups of 20
pictures: 21 points on average), so a gap is held against a permutation null: groups are dealt out anew among the
pictures, whole pictures at a time, as if they had nothing to do with the outcome. They are dealt out among pictures of
the same class: a group of difficult classes is not a group that is treated worse (conditional independence given the
truth, as in equalised odds: M. Hardt, E. Price, N. Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016).
Where each class stands in one group alone, nothing tells the group from its classes, and nothing is compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from stages.maths import statistics
from stages.maths.measures import Estimate, Measure, estimate

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
CHUNK = 250  # permutations at a time; bounds memory
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Grouping:
    """A way to sort pictures into groups.

    Attributes:
        columns: one name, or two for an intersection.
        names: what each group is called, in the order of the codes.
        codes: (N,) the group of each picture, -1 where it has none.
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
        p: chance of so large a gap if groups meant nothing; None with fewer than two groups to compare.
        tails: for each group compared, the chance of so low a figure if groups meant nothing; empty where ``p`` is None.
    """

    measure: Measure
    grouping: Grouping
    estimates: tuple[Estimate, ...]
    compared: tuple[int, ...]
    p: float | None
    tails: tuple[float, ...] = ()

    @property
    def best(self) -> int:
        """Return the group with the highest figure among those compared."""
        return max(self.compared, key=lambda g: self.estimates[g].value)

    @property
    def worst(self) -> int:
        """Return the group with the lowest figure among those compared."""
        return min(self.compared, key=lambda g: self.estimates[g].value)

    def gap(self, level: float = 0.95, times: float = 1.0) -> tuple[float, float, float]:
        """Return the gap between best and worst group with its interval.

        The lower bound is that of best minus worst, at least 0; the upper one the largest of all pairs, so that a gap
        below it is shown for every pair.

        Args:
            level: coverage.
            times: as if there were so many times the pictures.
        """
        found = {g: self.estimates[g].at(level, times) for g in self.compared}
        value, low, _ = statistics.difference(found[self.best], found[self.worst])
        high = max(statistics.difference(found[a], found[b])[2] for a, b in permutations(self.compared, 2))
        return value, max(low, 0.0), min(high, 1.0)


def groupings(columns: Mapping[str, Sequence[str | None]]) -> list[Grouping]:
    """Return a grouping for each column, and for each pair of columns that have two groups or more.

    Args:
        columns: name to the group of each picture; None where unknown.

    Example:
        >>> [g.names for g in groupings({"a": ["x", "y", None], "b": ["u", "v", "v"], "c": ["w", "w", "w"]})]
        [('x', 'y'), ('u', 'v'), ('w',), ('x, u', 'y, v')]
    """
    singles = [_grouping((name,), [None if v is None else str(v) for v in values]) for name, values in columns.items()]
    pairs = []
    for first, second in combinations([g.columns[0] for g in singles if len(g.names) > 1], 2):
        both = zip(columns[first], columns[second], strict=True)
        pairs.append(_grouping((first, second), [None if a is None or b is None else f"{a}, {b}" for a, b in both]))
    return singles + pairs


def _grouping(columns: tuple[str, ...], values: list[str | None]) -> Grouping:
    names = tuple(sorted({v for v in values if v is not None}))
    order = {name: code for code, name in enumerate(names)}
    return Grouping(columns, names, np.array([order.get(v, -1) if v is not None else -1 for v in values], np.int64))


def compare(  # noqa: PLR0913 - what to compare, and how hard to look
    measure: Measure,
    grouping: Grouping,
    weights: Floats,
    *,
    min_group: int,
    num_permutations: int,
    random: np.random.Generator,
    strata: Codes | None = None,
) -> Comparison:
    """Return a measure by group, and the chance of its gap.

    Args:
        measure: the figure.
        grouping: the groups.
        weights: (M, N) bootstrap weights for figures that are no proportions.
        min_group: groups with fewer pictures are shown but not compared.
        num_permutations: deals behind the chance; it cannot come out below 1 / (this + 1).
        random: where the deals come from.
        strata: (N,) the class of each picture; None where they have none.
    """
    codes = grouping.codes
    classes = np.zeros(codes.size, np.int64) if strata is None else strata
    found = tuple(estimate(measure, codes == g, weights) for g in range(len(grouping.names)))
    compared = tuple(g for g, e in enumerate(found) if np.isfinite(e.value) and e.num_pictures >= min_group)
    if not (len(compared) > 1 and measure.judged and _is_separable(codes, compared, classes)):
        return Comparison(measure, grouping, found, compared, None)
    values = np.array([found[g].value for g in compared])
    dealt = dealt_figures(measure, codes, compared, num_permutations, random, classes)
    p = _chance(_gaps(dealt) >= np.ptp(values) - _ROUNDING)
    tails = tuple(_chance(row <= value + _ROUNDING) for row, value in zip(dealt, values, strict=True))
    return Comparison(measure, grouping, found, compared, p, tails)


def _chance(happened: NDArray[np.bool_]) -> float:
    """Return the share of deals in which it happened, the observed one among them."""
    return float((1 + np.count_nonzero(happened)) / (1 + happened.size))


def _is_separable(codes: Codes, compared: Sequence[int], strata: Codes) -> bool:
    """Tell whether any class has pictures in two of the groups."""
    inside = np.isin(codes, compared)
    return any(np.unique(codes[inside & (strata == s)]).size > 1 for s in np.unique(strata[inside]))


def dealt_figures(  # noqa: PLR0913, PLR0917 - what to deal, and how
    measure: Measure,
    codes: Codes,
    compared: Sequence[int],
    num_permutations: int,
    random: np.random.Generator,
    strata: Codes | None = None,
) -> Floats:
    """Deal the groups out anew among the pictures of each class and return the figures that come of it.

    Args:
        measure: the figure.
        codes: (N,) groups; pictures outside ``compared`` stay out.
        compared: at least two codes.
        num_permutations: how many deals.
        random: where they come from.
        strata: (N,) the class of each picture; None deals among all.

    Returns:
        (len(compared), num_permutations) figures, NaN where undefined.
    """
    members = np.flatnonzero(np.isin(codes, compared))
    classes = np.zeros(members.size, np.int64) if strata is None else strata[members]
    alike = [np.flatnonzero(classes == s) for s in np.unique(classes)]
    figures = []
    for start in range(0, num_permutations, CHUNK):
        deals = np.tile(codes[members], (min(CHUNK, num_permutations - start), 1))
        for places in alike:
            deals[:, places] = random.permuted(deals[:, places], axis=1)
        figures.append(np.stack([_dealt(measure, deals == g, members, codes.size) for g in compared]))
    return np.concatenate(figures, axis=1)


def gap_null(
    measure: Measure, codes: Codes, compared: Sequence[int], num_permutations: int, random: np.random.Generator
) -> Floats:
    """Return (num_permutations,) gaps between groups that mean nothing; see ``dealt_figures``."""
    return _gaps(dealt_figures(measure, codes, compared, num_permutations, random))


def _gaps(figures: Floats) -> Floats:
    """Return largest minus smallest of each deal; undefined figures do not count."""
    top = np.where(np.isnan(figures), -np.inf, figures).max(0)
    bottom = np.where(np.isnan(figures), np.inf, figures).min(0)
    return np.where(top >= bottom, top - bottom, 0.0)


def _dealt(measure: Measure, taken: NDArray[np.bool_], members: NDArray[np.intp], num: int) -> Floats:
    weights = np.zeros((taken.shape[0], num))
    weights[:, members] = taken
    return measure.values(weights)
