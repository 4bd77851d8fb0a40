"""Figures by group of pictures, their gap, and how large a gap chance alone would give.

The largest minus the smallest of several groups is above zero even when all are truly equal (12 equal groups of 20
pictures: 21 points on average), so a gap is held against a permutation null: groups are dealt out anew among the
pictures, whole pictures at a time, as if they had nothing to do with the outcome.
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
    """

    measure: Measure
    grouping: Grouping
    estimates: tuple[Estimate, ...]
    compared: tuple[int, ...]
    p: float | None

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
) -> Comparison:
    """Return a measure by group, and the chance of its gap.

    Args:
        measure: the figure.
        grouping: the groups.
        weights: (M, N) bootstrap weights for figures that are no proportions.
        min_group: groups with fewer pictures are shown but not compared.
        num_permutations: deals behind the chance; it cannot come out below 1 / (this + 1).
        random: where the deals come from.
    """
    codes = grouping.codes
    found = tuple(estimate(measure, codes == g, weights) for g in range(len(grouping.names)))
    compared = tuple(g for g, e in enumerate(found) if np.isfinite(e.value) and e.num_pictures >= min_group)
    p = None
    if len(compared) > 1 and measure.judged:
        value = max(found[g].value for g in compared) - min(found[g].value for g in compared)
        null = gap_null(measure, codes, compared, num_permutations, random)
        p = float((1 + np.count_nonzero(null >= value - 1e-12)) / (1 + null.size))
    return Comparison(measure, grouping, found, compared, p)


def gap_null(
    measure: Measure, codes: Codes, compared: Sequence[int], num_permutations: int, random: np.random.Generator
) -> Floats:
    """Deal the groups out anew among the pictures and return the gaps that come of it.

    Args:
        measure: the figure.
        codes: (N,) groups; pictures outside ``compared`` stay out.
        compared: at least two codes.
        num_permutations: how many deals.
        random: where they come from.

    Returns:
        (num_permutations,) gaps; one where a group's figure is undefined counts the groups that are defined.
    """
    members = np.flatnonzero(np.isin(codes, compared))
    gaps = []
    for start in range(0, num_permutations, CHUNK):
        deals = np.tile(codes[members], (min(CHUNK, num_permutations - start), 1))
        random.permuted(deals, axis=1, out=deals)
        figures = np.stack([_dealt(measure, deals == g, members, codes.size) for g in compared])
        top, bottom = (
            np.where(np.isnan(figures), -np.inf, figures).max(0),
            np.where(np.isnan(figures), np.inf, figures).min(0),
        )
        gaps.append(np.where(top >= bottom, top - bottom, 0.0))
    return np.concatenate(gaps)


def _dealt(measure: Measure, taken: NDArray[np.bool_], members: NDArray[np.intp], num: int) -> Floats:
    weights = np.zeros((taken.shape[0], num))
    weights[:, members] = taken
    return measure.values(weights)
