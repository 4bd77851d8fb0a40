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
    held = tally.whole(totals)
    return _share((name, title, unit), tally.whole(hits), held, held, judged=judged)


def proportions(names: Sequence[tuple[str, str]], unit: str, above: Any, below: Any, there: Any) -> Iterator[Measure]:
    """Build a share of units of each class, of which each holds the pictures that speak of its class, to be listed alone.

    Args:
        names: name and title of each of K figures.
        unit: see ``Measure``.
        above: (N, K) sparse, the units that count for each class.
        below: (N, K) sparse, of how many.
        there: (N, K) sparse, of these the ones that are of the class: what was only said to be of it is no evidence of it
            (``Measure.held``), and where there is none its figure is undefined.

    Yields:
        The measures, one a class: where all of ``below`` are there, to the last bit those of ``proportion``.
    """
    tables = [sparse.csc_array(table, dtype=np.float64, copy=True) for table in (above, below, there)]
    for table in tables:
        table.sum_duplicates()  # rows rise
        table.eliminate_zeros()
    num = tables[0].shape[0]
    for k, named in enumerate(names):
        (at, right), (rows, of), (own, real) = (_column(table, k) for table in tables)
        numbers = np.zeros(rows.size)
        numbers[np.searchsorted(rows, at)] = right
        totals = Tally(rows, of, num)
        held = totals if np.array_equal(own, rows) and np.array_equal(real, of) else Tally(own, real, num)
        yield _share((*named, unit), Tally(rows, numbers, num), totals, held, judged=False)


def _column(table: Any, k: int) -> tuple[NDArray[np.intp], Floats]:
    """Return the rows that hold an entry of a column, and the entries; of one's own, so that the table may go."""
    some = slice(*table.indptr[k : k + 2])
    return table.indices[some].astype(np.intp), table.data[some].copy()


def _share(names: tuple[str, str, str], hits: Tally, totals: Tally, held: Tally, *, judged: bool) -> Measure:
    """Build a share of units; ``hits`` and ``totals`` are of the same pictures, ``held`` is ``totals`` or a part of it.

    Where it is a part, the figure is undefined without any, and the others of ``totals`` count but are no evidence.
    """
    rows, right, of, all_count = totals.rows, hits.numbers, totals.numbers, held is totals

    def values(weights: Floats) -> Floats:
        some = weights[:, rows]
        found = confusions.ratio(some @ right, some @ of)
        return found if all_count else np.where(weights[:, held.rows] @ held.numbers > 0, found, np.nan)

    def chosen(some: NDArray[np.intp]) -> Measure:
        right, of = (tally.whole(one.dense()[some]) for one in (hits, totals))
        return _share(names, right, of, of if all_count else tally.whole(held.dense()[some]), judged=judged)

    def merge(merged: Codes, num: int) -> Measure:
        right, of = (tally.whole(statistics.sums(one.numbers, merged[rows], num)) for one in (hits, totals))
        own = of if all_count else tally.whole(statistics.sums(held.numbers, merged[held.rows], num))
        return _share(names, right, of, own, judged=judged)

    whole = bool((right == np.floor(right)).all() and (of == np.floor(of)).all()) and all_count
    alike = (of * (right.max(initial=0) + 1) + right).astype(np.int64) if whole else None
    independent, objects = bool((of <= 1).all()) and all_count, WEIGHED.get(names[2], False)
    slope = ratio_slope.ratio(right, of, rows, objects=objects and not independent)
    kinds = None if alike is None else Tally(rows, alike, totals.size)
    slope = slope if all_count else _of_held(slope, held)
    return Measure(*names, held, values, independent, judged, slope, chosen, merge, kinds)


def _of_held(slope: ratio_slope.Slope, held: Tally) -> ratio_slope.Slope:
    """Return the slope of a ratio that is undefined, and shows nothing of how it varies, where too few rows hold a unit.

    A group's one row that holds any has no other to differ from: what is said by mistake elsewhere hardly moves the figure.
    """

    def of_group(codes: Codes, num_groups: int) -> ratio_slope.Moves:
        moves, mine = slope(codes, num_groups), codes[held.rows]
        holders = statistics.sums(np.asarray(held.numbers > 0, np.float64), mine, num_groups)
        values, own = np.where(holders > 0, moves.values, np.nan), holders[np.maximum(codes, 0)]
        influence = np.where(own > 1, moves.influence, 0.0)
        return replace(moves, values=values, influence=influence, freedom=np.maximum(holders - 1, 1))

    return of_group


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
