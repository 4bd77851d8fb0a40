"""The figures that reports, metrics files and the gate have, built from tables: means over classes, and each class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from stages.judge import average_precision as ap
from stages.judge import classes, ratio_slope, tally
from stages.judge.classes import Counts, Read
from stages.judge.confusion import mean_defined
from stages.judge.draws import Panel, Values
from stages.judge.measures import Measure
from stages.judge.precision_slope import mean_precision
from stages.judge.ratio_slope import NOTHING, Shown, Slope
from stages.judge.units import Units, added, alone, spread_of_share, worth

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CHOSEN = {"map50": slice(0, 1), "map75": slice(5, 6), "map": slice(None)}  # which of COCO's ten IoU thresholds


def mean(name: str, title: str, unit: str, held: Counts, read: Read) -> Measure:
    """Build the headline mean over classes of a figure; a class that was said and is not there counts.

    Args:
        name: see ``Measure``.
        title: see ``Measure``.
        unit: see ``Measure``.
        held: of the split.
        read: hit, real and said, (M, K) each, to (M, K), NaN where undefined; those are dropped from the mean.
    """

    def values(weights: Floats) -> Floats:
        return mean_defined(read(*held.under(weights)))

    def merge(rows: Ints, num: int) -> Measure:
        return mean(name, title, unit, held.merged(rows, num), read)

    def chosen(rows: NDArray[np.intp]) -> Measure:
        return mean(name, title, unit, Counts(*(table[rows] for table in (held.hit, held.real, held.said))), read)

    counts = np.asarray(held.real.sum(axis=1), np.float64).ravel()
    held_by, slope = tally.whole(counts), _slope(held, read)
    return Measure(name, title, unit, held_by, values, slope=slope, chosen=chosen, merge=merge, by_class=True)


def _slope(held: Counts, read: Read) -> Slope | None:
    """Return the slope of the headline mean over classes of a figure; None where it is not known."""
    if (parts := classes.parts(read, held)) is None:
        return None
    above, below, holds = (sparse.csr_array(table, dtype=np.float64) for table in (*parts, held.real))
    return ratio_slope.mean_of_ratios(above, below, below, holds=holds)


def of_measures(measures: Sequence[Measure], units: Units) -> Panel:
    """Read headline figures in one pass, given over units.

    Args:
        measures: the figures, each over the same U units (``Measure.merged``).
        units: which pictures are drawn together.
    """
    num, num_pictures = units.num, units.codes.size

    def values(weights: Floats) -> Floats:
        return np.stack([measure.values(weights) for measure in measures], axis=1)

    def part(some: slice) -> Values:
        few = [of(some) for of in parts if of is not None]
        return lambda weights: np.stack([values(weights) for values in few], axis=1)

    def slopes() -> list[Shown]:
        return [_shown(m.slope, num, int(np.count_nonzero(m.counts))) for m in measures]

    names, n = tuple(measure.name for measure in measures), [int(measure.counts.sum()) for measure in measures]
    behind, independent = [num_pictures] * len(n), [measure.independent for measure in measures]
    parts = [measure.part for measure in measures]
    known = None if None in parts else part
    found = [_worth_of(measure, units) for measure in measures]
    worth, uneven = [one for one, _ in found], [unlike for _, unlike in found]
    return Panel(names, values, n, behind, [num] * len(n), independent, worth, uneven=uneven, slopes=slopes, part=known)


def _worth_of(measure: Measure, units: Units) -> tuple[float, bool]:
    """Return what the units that hold what a figure over units is read from are worth, and whether they hold unlike many."""
    if measure.weighed:
        return _worth_of_objects(measure.counts)
    return units.worth_of((measure.counts > 0)[units.codes]), False


def _worth_of_objects(objects: Floats) -> tuple[float, bool]:
    """Return what units are worth by the objects that each holds, (U,), and whether they hold unequal numbers."""
    found = float(worth(objects, np.zeros(objects.size, np.int64), 1)[0])
    return found, bool(found < np.count_nonzero(objects))


def _shown(slope: Slope | None, num_units: int, holders: int) -> Shown:
    return NOTHING if slope is None else ratio_slope.whole(slope, num_units, holders)


def _of_each(held: Counts, read: Read) -> Floats:
    """Return the standard error of a figure of each class; 0 where it is not known."""
    parts = classes.parts(read, held)
    return np.zeros(held.real.shape[1]) if parts is None else ratio_slope.by_class(*parts)


def of_classes(
    held: Counts, figures: Mapping[str, Read], headline: Mapping[str, Read], *, single: bool, units: Units | None = None
) -> Panel:
    """Read figures of each class (``<figure>/<index>``) and headline means in one pass.

    Args:
        held: of the split, by picture.
        figures: of each class; n counts what is there, of ``precision`` what was said, and pictures and units are those that
            hold it.
        headline: figures whose mean over classes, by the headline's rule, stands before them.
        single: no picture holds more than one of what is counted: shares are proportions of pictures.
        units: which pictures are drawn together; None where each is drawn for itself.
    """
    num_pictures, num_classes = held.real.shape
    units = units or alone(num_pictures)
    drawn = held if units.single else held.merged(units.codes, units.num)

    def under(held: Counts, weights: Floats) -> Floats:
        found = held.under(weights)
        means = [mean_defined(read(*found))[:, None] for read in headline.values()]
        return np.concatenate([*means, *(read(*found) for read in figures.values())], axis=1)

    def values(weights: Floats) -> Floats:
        return under(drawn, weights)

    def part(some: slice) -> Values:
        few = drawn.part(some)
        return lambda weights: under(few, weights)

    def slopes() -> list[Shown]:
        holders = int(np.count_nonzero(np.asarray(drawn.real.sum(axis=1))))
        means = [_shown(_slope(drawn, read), units.num, holders) for read in headline.values()]
        return means + [Shown(error) for read in figures.values() for error in _of_each(drawn, read).tolist()]

    there, said = (np.asarray(table.sum(axis=0)).ravel().astype(int).tolist() for table in (held.real, held.said))
    n = [sum(there)] * len(headline)
    behind, drawn_from = [num_pictures] * len(headline), [units.num] * len(headline)
    independent = [single and read is classes.share for read in headline.values()]
    for read in figures.values():
        says = read is classes.precision
        n += said if says else there
        behind += _holders(held.said if says else held.real)
        drawn_from += _holders(drawn.said if says else drawn.real)
        independent += [single and read in (classes.precision, classes.recall)] * num_classes
    names = [*headline, *(f"{name}/{label}" for name in figures for label in range(num_classes))]
    if units.single:
        return Panel(tuple(names), values, n, behind, drawn_from, independent, slopes=slopes, part=part)
    worths = [float(units.worth()[0])] * len(headline)
    for read in figures.values():
        worths += _worth(held.said if read is classes.precision else held.real, units)
    least = [_least(drawn, read, each=False) if single else [0.0] for read in headline.values()]
    least += [_least(drawn, read, each=True) if single else [0.0] * num_classes for read in figures.values()]
    known = [v for one in least for v in one]
    return Panel(tuple(names), values, n, behind, drawn_from, independent, worths, known, slopes, part)


def _worth(table: Any, units: Units) -> list[float]:
    """Return how many units of equal size those that hold each class are worth, by their pictures of it."""
    held = sparse.csr_array(sparse.csr_array(table) != 0, dtype=np.float64)
    sizes = added(held, units.codes, units.num)
    total, squares = (np.asarray(table.sum(axis=0)).ravel() for table in (sizes, sizes.multiply(sizes)))
    return list((total**2 / np.maximum(squares, 1.0)).tolist())


def _least(drawn: Counts, read: Read, *, each: bool) -> list[float]:
    """Return the least variance of shares of pictures, of each class or of all, given counts by unit; see ``spread``."""
    tables: dict[Read, Any] = {classes.share: drawn.real, classes.recall: drawn.real, classes.precision: drawn.said}
    below = tables.get(read)
    if below is None:
        return [0.0] * (drawn.real.shape[1] if each else 1)
    hits, of = (sparse.csr_array(table) for table in (drawn.hit, below))
    if not each:
        hits, of = (sparse.csr_array(np.asarray(table.sum(axis=1)).reshape(-1, 1)) for table in (hits, of))
    return [spread_of_share(*(np.asarray(t[:, [k]].todense()).ravel() for t in (hits, of))) for k in range(of.shape[1])]


def _holders(table: Any) -> list[int]:
    """Return how many rows of a sparse (N, K) table hold each class."""
    held = sparse.csr_array(table, copy=True)
    held.eliminate_zeros()
    return list(np.bincount(held.indices, minlength=held.shape[1]).tolist())


def precision(  # noqa: PLR0913 - two of them say what the figure is called
    name: str, title: str, tables: list[ap.Matches], chosen: slice, *, rule: ap.Rule = "coco", judged: bool = True
) -> Measure:
    """Build the mean of the average precision over classes (those without objects dropped) and the chosen IoU thresholds."""

    def values(weights: Floats) -> Floats:
        each = [ap.average_precision(table, weights, chosen, rule).mean(axis=1) for table in tables]
        return mean_defined(np.stack(each, axis=1))

    held = tally.of(ap.objects(tables))
    slope = mean_precision(tables, chosen, ap.LEVELS[rule])

    def merge(rows: Ints, num: int) -> Measure:
        return precision(name, title, [table.merged(rows, num) for table in tables], chosen, rule=rule, judged=judged)

    def few(rows: NDArray[np.intp]) -> Measure:
        return precision(name, title, _chosen(tables, rows), chosen, rule=rule, judged=judged)

    of = name, title, "objects", held, values
    return Measure(*of, judged=judged, slope=slope, chosen=few, merge=merge, by_class=True)


def _chosen(tables: Sequence[ap.Matches], rows: NDArray[np.intp]) -> list[ap.Matches]:
    """Return the matches of some pictures alone, given as positions (R,)."""
    places = np.full(tables[0].num_pictures, -1)
    places[rows] = np.arange(rows.size)
    return [table.chosen(places, rows.size) for table in tables]


def recall(name: str, title: str, tables: list[ap.Matches]) -> Measure:
    """Build COCO's average recall, the mean over classes (those without objects dropped)."""

    def values(weights: Floats) -> Floats:
        return mean_defined(np.stack([ap.average_recall(table, weights) for table in tables], axis=1))

    def merge(rows: Ints, num: int) -> Measure:
        return recall(name, title, [table.merged(rows, num) for table in tables])

    def chosen(rows: NDArray[np.intp]) -> Measure:
        return recall(name, title, _chosen(tables, rows))

    held, slope = tally.of(ap.objects(tables)), _recall_slope(tables)
    of = name, title, "objects", held, values
    return Measure(*of, judged=False, slope=slope, chosen=chosen, merge=merge, by_class=True)


def of_precision(
    tables: list[ap.Matches], rule: ap.Rule = "coco", *, units: Units | None = None, each: bool = False, part: bool = False
) -> Panel:
    """Read mAP50, mAP75, mAP and COCO's average recall (``ar``) in one pass.

    Args:
        tables: the matches of each class, by picture.
        rule: how the curves are averaged.
        units: which pictures are drawn together; None where each is drawn for itself.
        each: mAP and mAP50 of each class too, as ``map/<index>`` and ``map50/<index>``.
        part: the tables hold a part of the objects (of one size): pictures and units of the means are named as those that
            hold one of them, not as those of the whole split. Intervals rest on holders in any case.
    """

    def under(tables: list[ap.Matches], weights: Floats) -> Floats:
        found = np.stack([ap.average_precision(table, weights, rule=rule) for table in tables], axis=1)  # (m, K, T)
        means: list[Floats] = [mean_defined(found[..., chosen].mean(axis=2))[:, None] for chosen in CHOSEN.values()]
        recalls = np.stack([ap.average_recall(table, weights) for table in tables], axis=1)
        classes = [found.mean(axis=2), found[..., 0]] if each else []
        return np.concatenate([*means, mean_defined(recalls)[:, None], *classes], axis=1)

    def values(weights: Floats) -> Floats:
        return under(drawn, weights)

    def share(some: slice) -> Values:
        few = [table.part(some) for table in drawn]
        return lambda weights: under(few, weights)

    def slopes() -> list[Shown]:
        num_units = drawn[0].num_pictures

        def shown(some: list[ap.Matches], chosen: slice) -> Shown:
            slope = mean_precision(some, chosen, ap.LEVELS[rule])
            return ratio_slope.whole(slope, num_units, int(np.count_nonzero(ap.objects(some))))

        found = [shown(drawn, chosen) for chosen in CHOSEN.values()]
        found.append(ratio_slope.whole(_recall_slope(drawn), num_units, int(np.count_nonzero(ap.objects(drawn)))))
        of_each = [shown([table], CHOSEN[name]) for name in ("map", "map50") for table in drawn] if each else []
        return [*found, *of_each]

    units = units or alone(tables[0].num_pictures)
    drawn = tables if units.single else [table.merged(units.codes, units.num) for table in tables]
    counts = [table.num_objects for table in tables]
    pictures, of_units = ([table.holders.size for table in some] for some in (tables, drawn))
    names = [f"{figure}/{label}" for figure in ("map", "map50") for label in range(len(tables))] if each else []
    num, num_units, means_of = tables[0].num_pictures, units.num, (*CHOSEN, "ar")
    if part:
        num, num_units = (int(np.unique(np.concatenate([t.holders for t in some])).size) for some in (tables, drawn))
    whole, unlike = _worth_of_objects(ap.objects(drawn))
    of_each = [_worth_of_objects(table.held) for table in drawn]
    each_worth, each_unlike = [one for one, _ in of_each], [other for _, other in of_each]
    return Panel(
        (*means_of, *names),
        values,
        [sum(counts)] * len(means_of) + (counts * 2 if each else []),
        [num] * len(means_of) + (pictures * 2 if each else []),
        [num_units] * len(means_of) + (of_units * 2 if each else []),
        [False] * (len(means_of) + len(names)),
        [whole] * len(means_of) + (each_worth * 2 if each else []),
        uneven=[unlike] * len(means_of) + (each_unlike * 2 if each else []),
        slopes=slopes,
        part=share,
    )


def _recall_slope(tables: list[ap.Matches]) -> Slope:
    """Return the slope of COCO's average recall."""
    shape = tables[0].num_pictures, len(tables)

    def table(parts: list[tuple[Ints, Floats]]) -> sparse.csr_array:
        rows, data = (np.concatenate(some) for some in zip(*parts, strict=True))
        labels = np.repeat(np.arange(len(parts)), [numbers.size for _, numbers in parts])
        return sparse.csr_array((data, (rows, labels)), shape=shape, dtype=np.float64)

    def found(power: int) -> sparse.csr_array:
        hits = [(*t.found(power), t.right.shape[0] ** power) for t in tables]
        return table([(at, numbers / thresholds) for at, numbers, thresholds in hits])

    held = table([(t.holders, t.held) for t in tables])
    return ratio_slope.mean_of_ratios(found(1), held, held, squares=found(2))
