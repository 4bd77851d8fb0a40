"""Figures of a test split as functions of how much each picture weighs.

Written so, one definition serves the figure itself (every weight 1), its exact bootstrap (weights = how often a
picture was drawn), a group (weights 0 and 1) and a permutation of groups. Nothing is matched or predicted anew. Pictures
that are drawn together are added up to rows (``merged``): then a row is a unit, and weights are those of units.

A figure also knows its slope: how much it moves when one picture weighs a little more (its influence). All groups of a
column then get value and standard error in one pass over the pictures, with no draw at all (infinitesimal jackknife:
L. Jaeckel, Bell Laboratories, 1972; B. Efron, "Nonparametric estimates of standard error", Biometrika 68, 1981).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from stages.judge import confusion as confusions
from stages.judge import ratio_slope, statistics, tally, units
from stages.judge.tally import Tally

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
WEIGHED = {"objects": True, "pictures": False, "pixels": False}
"""What a figure may count, and whether a picture that holds more of it counts for more."""


@dataclass(frozen=True)
class Measure:
    """One figure between 0 and 1; more is better.

    Attributes:
        name: as in metrics files, for instance ``map50``.
        title: as in reports, for instance ``mAP50``.
        unit: what is counted, one of ``WEIGHED``.
        held: how many of them each of the N pictures holds.
        values: (M, N) weights to (M,) figures, NaN where undefined.
        independent: the figure is a proportion of independent pictures, so that Wilson's interval holds as it stands.
        judged: an audit's verdict rests on it; others are only listed by group.
        slope: (N,) group of each picture (-1 for none) and the number G of groups, to how their figures move with the
            weights of their pictures; None where that is not known, and the standard error comes from a bootstrap.
        chosen: positions (R,) to the same measure over these pictures alone; None where there is no shorter way than
            weights of 0.
        merge: (N,) row of each picture and the number R of rows to the same measure over rows of pictures added up; None
            where there is no shorter way than equal weights.
        alike: pictures with the same number are alike to the measure; None where each is its own.
        by_class: it is a mean over classes, each of which weighs alike, however many pictures hold it.
    """

    name: str
    title: str
    unit: str
    held: Tally
    values: Callable[[Floats], Floats]
    independent: bool = False
    judged: bool = True
    slope: ratio_slope.Slope | None = None
    chosen: "Callable[[NDArray[np.intp]], Measure] | None" = None
    merge: "Callable[[Codes, int], Measure] | None" = None
    alike: Tally | None = None
    by_class: bool = False

    def __post_init__(self) -> None:
        """Refuse a unit of which nobody has said how pictures weigh.

        Raises:
            ValueError: it is none of ``WEIGHED``.
        """
        if self.unit not in WEIGHED:
            known = ", ".join(WEIGHED)
            raise ValueError(f"{self.name} counts {self.unit!r}; known are {known} (stages/judge/measures.py: WEIGHED)")

    @property
    def weighed(self) -> bool:
        """Tell whether a picture that holds more units counts for more."""
        return WEIGHED[self.unit]

    @property
    def counts(self) -> Floats:
        """How many units each picture holds, (N,)."""
        return self.held.dense()

    @property
    def sizes(self) -> Floats:
        """How much each picture counts, (N,): what it holds where it is ``weighed`` by that, else 1 where it holds any."""
        return self.counts if self.weighed else np.asarray(self.counts > 0, np.float64)

    @property
    def kinds(self) -> Codes | None:
        """Number of the kind of each picture, (N,); see ``alike``."""
        return None if self.alike is None else self.alike.dense()

    @property
    def part(self) -> Callable[[slice], Callable[[Floats], Floats]] | None:
        """From a slice of the pictures to ``values`` over these alone; None where no way is shorter than weights of 0."""
        chosen = self.chosen
        return None if chosen is None else lambda some: chosen(np.arange(some.start, some.stop)).values

    def of(self, rows: NDArray[np.bool_]) -> float:
        """Return the figure over some pictures, given as (N,) bool."""
        return float(self.values(rows[None].astype(np.float64))[0])

    def over(self, rows: NDArray[np.intp]) -> Callable[[Floats], Floats]:
        """Return ``values`` over some pictures, given as positions (R,): from (M, R) weights of these alone.

        Where no way is shorter the others weigh 0, in a few rows of N weights at a time.
        """
        if self.chosen is not None:
            return self.chosen(rows).values
        num, values = self.counts.size, self.values

        def among_all(weights: Floats) -> Floats:
            whole = np.zeros((len(weights), num))
            whole[:, rows] = weights
            return values(whole)

        return lambda weights: statistics.a_few_at_a_time(among_all, weights, num)

    def merged(self, rows: Codes, num_rows: int) -> "Measure":
        """Return the measure over rows of pictures that weigh the same: units, or their parts in a group.

        Args:
            rows: (N,) the row of each picture.
            num_rows: R.
        """
        if num_rows == rows.size and (rows == np.arange(num_rows)).all():
            return self
        if self.merge is not None:
            return self.merge(rows, num_rows)
        held, of_all = tally.whole(statistics.sums(self.counts, rows, num_rows)), self.values

        def values(weights: Floats) -> Floats:
            return statistics.a_few_at_a_time(lambda some: of_all(some[:, rows]), weights, rows.size)

        return Measure(self.name, self.title, self.unit, held, values, judged=self.judged, by_class=self.by_class)


def proportion(  # noqa: PLR0913 - three of them say what the figure is called
    name: str, title: str, unit: str, hits: Floats, totals: Floats, *, judged: bool = True
) -> Measure:
    """Build a share of units, ``hits`` (N,) of ``totals`` (N,); independent when no picture holds more than one."""
    return _share((name, title, unit), tally.whole(hits), tally.whole(totals), judged=judged)


def proportions(names: Sequence[tuple[str, str]], unit: str, above: Any, below: Any) -> Iterator[Measure]:
    """Build a share of units of each class, of which each holds the pictures that hold its units, to be listed alone.

    Args:
        names: name and title of each of K figures.
        unit: see ``Measure``.
        above: (N, K) sparse, the units that count for each class.
        below: (N, K) sparse, of how many.

    Yields:
        The measures, one a class: to the last bit those of ``proportion``.
    """
    hits, totals = (sparse.csc_array(table, dtype=np.float64, copy=True) for table in (above, below))
    for table in (hits, totals):
        table.sum_duplicates()  # rows rise
        table.eliminate_zeros()
    for k, (name, title) in enumerate(names):
        some, there = (slice(*table.indptr[k : k + 2]) for table in (hits, totals))
        rows = totals.indices[there].astype(np.intp)
        numbers = np.zeros(rows.size)
        numbers[np.searchsorted(rows, hits.indices[some])] = hits.data[some]
        num = totals.shape[0]
        of_class = Tally(rows, numbers, num), Tally(rows, totals.data[there].copy(), num)
        yield _share((name, title, unit), *of_class, judged=False)


def _share(names: tuple[str, str, str], hits: Tally, totals: Tally, *, judged: bool) -> Measure:
    """Build a share of units; both tallies are of the same pictures."""
    rows, right, of = totals.rows, hits.numbers, totals.numbers

    def values(weights: Floats) -> Floats:
        some = weights[:, rows]
        return confusions.ratio(some @ right, some @ of)

    def chosen(some: NDArray[np.intp]) -> Measure:
        parts = (tally.whole(one.dense()[some]) for one in (hits, totals))
        return _share(names, *parts, judged=judged)

    def merge(merged: Codes, num: int) -> Measure:
        sums = (tally.whole(statistics.sums(x, merged[rows], num)) for x in (right, of))
        return _share(names, *sums, judged=judged)

    whole = bool((right == np.floor(right)).all() and (of == np.floor(of)).all())
    alike = (of * (right.max(initial=0) + 1) + right).astype(np.int64) if whole else None
    independent, objects = bool((of <= 1).all()), WEIGHED.get(names[2], False)
    slope = ratio_slope.ratio(right, of, rows, objects=objects and not independent)
    kinds = None if alike is None else Tally(rows, alike, totals.size)
    return Measure(*names, totals, values, independent, judged, slope, chosen, merge, kinds)


def average(name: str, title: str, figures: Floats) -> Measure:
    """Build the mean of one figure per picture, (N,), NaN where a picture has none."""
    known = np.isfinite(figures)
    share = proportion(name, title, "pictures", np.where(known, figures, 0.0), known.astype(np.float64))

    def chosen(rows: NDArray[np.intp]) -> Measure:
        return average(name, title, figures[rows])

    def merge(rows: Codes, num: int) -> Measure:
        return replace(share.merged(rows, num), independent=False, alike=None)

    return replace(share, independent=False, chosen=chosen, merge=merge, alike=None)


def mean_of_ratios(  # noqa: PLR0913, PLR0917 - three of them say what the figure is called
    name: str,
    title: str,
    unit: str,
    above: Any,
    below: Any,
    there: Any,
    *,
    counts: Floats,
    judged: bool = True,
    kinds: Codes | None = None,
) -> Measure:
    """Build the mean over classes of a ratio of sums over pictures: mean IoU, macro F1, mean recall.

    Give the truth as ``there`` and classes that do not occur in it are left out: else, in a group of pictures that lacks a
    class, one pixel of it said by mistake would count as a whole class missed. Give ``below`` and they count as 0.

    Args:
        name: see ``Measure``.
        title: see ``Measure``.
        unit: see ``Measure``.
        above: (N, K) dense or sparse, what each picture adds to the numerator of each class.
        below: (N, K), likewise to the denominator.
        there: (N, K), a class counts where the sum of this one is above 0.
        counts: (N,) how many units each picture holds.
        judged: see ``Measure``.
        kinds: (N,) pictures with the same number are alike to the measure.

    Returns:
        The measure, its slope known.
    """
    tables = [sparse.csr_array(x, dtype=np.float64) for x in (above, below, there)]

    def values(weights: Floats) -> Floats:
        top, bottom, real = ((table.T @ weights.T).T for table in tables)
        return confusions.mean_defined(np.where(real > 0, confusions.ratio(top, bottom), np.nan))

    def chosen(rows: NDArray[np.intp]) -> Measure:
        top, bottom, real = (table[rows] for table in tables)
        own = None if kinds is None else kinds[rows]
        return mean_of_ratios(name, title, unit, top, bottom, real, counts=counts[rows], judged=judged, kinds=own)

    def merge(rows: Codes, num: int) -> Measure:
        top, bottom, real = (units.added(table, rows, num) for table in tables)
        sums = statistics.sums(counts, rows, num)
        return mean_of_ratios(name, title, unit, top, bottom, real, counts=sums, judged=judged)

    slope = ratio_slope.mean_of_ratios(*tables)
    held, alike = tally.whole(counts), None if kinds is None else tally.whole(kinds)
    return Measure(name, title, unit, held, values, False, judged, slope, chosen, merge, alike, by_class=True)
