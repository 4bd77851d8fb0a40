"""How much a ratio of sums over pictures, or a mean of such ratios, moves with the weight of one picture.

All groups of pictures at once, in one pass (infinitesimal jackknife; for a ratio the delta method: W. Cochran, "Sampling
Techniques", 1977, section 6.3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from stages.judge import confusion as confusions
from stages.judge import statistics, units
from stages.judge.crowds import Crowds, least_of_mean
from stages.judge.rare_classes import alone, pooled
from stages.judge.row_weights import Weights
from stages.judge.tally import ALL, Rows

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Moves:
    """How the figures of several groups move with the weights of their pictures.

    Attributes:
        values: (G,) the figures, NaN where undefined.
        influence: (N,) of each picture on the figure of its own group, 0 where it has none.
        freedom: (G,) degrees of freedom of the variance that the influences show.
        added: (G,) variance that influences cannot show, of classes that one picture of a group alone holds, or of which all
            is right, or all wrong.
        trials: (G,) pictures that the group is worth where all is right, or all wrong; infinite where each that holds what
            the figure is read from counts.
        unseen: (G, 2, 3) share of the classes, figure and trials of those that are all right, and all wrong
            (``unseen.parts``). None where the figure is no mean over classes.
        lone: (G,) part of ``added`` that is of classes that one picture holds; None likewise.
        rows: (G,) degrees of freedom by what pictures weigh in a mean over classes; None likewise.
        least: (G,) variance that the figures have at least where pictures hold unequal numbers of objects
            (``units.spread``); 0 elsewhere.
    """

    values: Floats
    influence: Floats
    freedom: Floats
    added: Floats
    trials: Floats
    unseen: Floats | None = None
    lone: Floats | None = None
    rows: Floats | None = None
    least: Floats | float = 0.0


Slope = Callable[[Codes, int], Moves]
"""(N,) group of each picture, -1 for none, and the number G of groups, to how their figures move."""


@dataclass(frozen=True)
class Shown:
    """What a slope shows of a figure over everything.

    Attributes:
        error: its standard error, 0 where none is known.
        trials: that all is worth where it is right, or wrong (``Moves``); infinite where each unit counts.
        varying: standard error of the classes that show one.
        unseen: (2, 3) the others, see ``Moves``; None where there are none.
        freedom: degrees of freedom by what units weigh in a mean over classes; infinite where that tells nothing.
    """

    error: float = 0.0
    trials: float = float("inf")
    varying: float = 0.0
    unseen: Floats | None = None
    freedom: float = float("inf")


NOTHING = Shown()


def whole(slope: Slope, num_units: int, holders: int) -> Shown:
    """Return what a slope shows of a figure over everything.

    Args:
        slope: of the figure, over rows that are drawn for themselves.
        num_units: how many.
        holders: how many of them hold what it is read from.
    """
    codes = np.zeros(num_units, np.int64)
    moves = slope(codes, 1)
    seen = statistics.standard_errors(moves.influence, codes, 1, np.array([float(holders)]))
    error = float(np.maximum(seen, np.sqrt(moves.least))[0])
    unseen = moves.unseen[0] if moves.unseen is not None and moves.unseen[0].any() else None
    varying = error if moves.lone is None else float(np.hypot(error, np.sqrt(moves.lone[0])))
    freedom = float("inf") if moves.rows is None else float(moves.rows[0])
    return Shown(float(np.hypot(error, np.sqrt(moves.added[0]))), float(moves.trials[0]), varying, unseen, freedom)


def by_class(above: Any, below: Any, *, objects: bool = False) -> Floats:
    """Return the standard error of each class's ``above`` / ``below`` over everything.

    Args:
        above: (N, K) sparse.
        below: (N, K) sparse, above 0 where a row speaks of the class.
        objects: they count objects, of which a row may hold several; see ``Moves.least``.

    Returns:
        (K,), 0 for a class that one row alone speaks of, or none.
    """
    above, below = (sparse.csr_array(table, dtype=np.float64) for table in (above, below))
    codes = np.zeros(below.shape[0], np.int64)
    bottom = _sums(below, codes, 1)
    each = np.nan_to_num(confusions.ratio(_sums(above, codes, 1), bottom))
    left = sparse.csr_array(above - _scaled(below, codes, each))
    squares = sparse.csr_array((left.data**2, left.indices, left.indptr), shape=left.shape)
    touched = _sums(_pattern(below), codes, 1)
    few = touched / np.maximum(touched - 1, 1)
    found: Floats = (np.sqrt(_sums(squares, codes, 1) * few) / np.where(bottom > 0, bottom, 1.0))[0]
    if objects:
        hits = np.asarray(above[_rows(below), below.indices], np.float64).ravel()
        found = np.maximum(found, np.sqrt(units.spread_of_shares(hits, below.data, below.indices, below.shape[1])))
    return found


def ratio(hits: Floats, totals: Floats, rows: Rows = ALL, *, objects: bool = False) -> Slope:
    """Return the slope of ``hits`` over ``totals``, both summed over a group.

    Args:
        hits: (P,) of some pictures; those of the others are 0.
        totals: (P,) likewise.
        rows: (P,) positions of these pictures; all N of them where it is not given.
        objects: they count objects, of which a picture may hold several; see ``Moves.least``.
    """

    def slope(codes: Codes, num_groups: int) -> Moves:
        mine = codes[rows]
        num = statistics.sums(totals, mine, num_groups)
        found = confusions.ratio(statistics.sums(hits, mine, num_groups), num)
        own = np.maximum(mine, 0)
        moved = (hits - np.nan_to_num(found)[own] * totals) / np.where(num > 0, num, 1.0)[own]
        influence = np.zeros(codes.size)
        influence[rows] = np.where(mine >= 0, moved, 0.0)
        pictures = statistics.sums(np.asarray(totals > 0, np.float64), mine, num_groups)
        freedom = np.maximum(pictures - 1, 1)
        least = units.spread_of_shares(hits, totals, mine, num_groups) if objects else 0.0
        return Moves(found, influence, freedom, np.zeros(num_groups), np.full(num_groups, np.inf), least=least)

    return slope


def mean_of_ratios(above: Any, below: Any, there: Any, *, squares: Any = None, holds: Any = None) -> Slope:
    """Return the slope of the mean over classes of ``above`` / ``below``, each summed over a group.

    Args:
        above: (N, K) sparse.
        below: (N, K) sparse.
        there: (N, K) sparse; a class counts where the sum of this one is above 0.
        squares: (N, K) sparse, where they count objects, ``below`` those that are there, of which a picture may hold
            several: what the squares of the objects' parts of ``above`` come to (``Moves.least``).
        holds: (N, K) sparse, above 0 where a picture is one of those that the class's figure is read from; ``there`` unless
            it is given, which may count what was said falsely, too.
    """
    holds = there if holds is None else holds

    def slope(codes: Codes, num_groups: int) -> Moves:
        top, bottom, real = (_sums(table, codes, num_groups) for table in (above, below, there))
        each = np.where(real > 0, confusions.ratio(top, bottom), np.nan)
        known = np.isfinite(each)
        pictures = _sums(_pattern(there), codes, num_groups)
        touched = _sums(_pattern(below), codes, num_groups)
        few = np.sqrt(touched / np.maximum(touched - 1, 1))  # a class that few pictures speak of
        scale = np.where(known, few / np.where(bottom > 0, bottom, 1.0), 0.0)
        left = sparse.csr_array(above - _scaled(below, codes, np.nan_to_num(each)))
        moved = _scaled(left, codes, scale)
        varied = sparse.csr_array((moved.data**2, moved.indices, moved.indptr), shape=moved.shape)
        variances = _sums(varied, codes, num_groups)
        influence = np.asarray(moved.sum(axis=1), np.float64).ravel()
        influence /= np.maximum(known.sum(1), 1)[np.maximum(codes, 0)]
        weights = _weighed(holds, each, codes)
        if squares is None:
            common = _common(moved, holds, each, alone(each, pictures), codes)
            seen = statistics.sums(influence**2, codes, num_groups)
            known_of = pooled(each, variances, pictures, seen, weights.together(codes, common))
            return Moves(confusions.mean_defined(each), influence, *known_of)
        worth, least, together, common = _crowded((above, squares, below), each, scale, codes)
        shown = least_of_mean(each, variances, least, influence, codes, together)
        seen = np.maximum(statistics.sums(influence**2, codes, num_groups), shown)
        known_of = pooled(each, np.maximum(variances, least), worth, seen, weights.together(codes, common))
        return Moves(confusions.mean_defined(each), influence, *known_of, shown)

    return slope


def _weighed(holds: Any, each: Floats, codes: Codes) -> Weights:
    """Return what pictures weigh in the mean over the classes.

    Args:
        holds: (N, K) sparse, above 0 where a picture holds the class.
        each: (G, K) figure of each class.
        codes: (N,) the group of each picture, -1 for none.
    """
    found, at, holders = Weights(codes.size, len(each)), _rows(holds), _sums(_pattern(holds), codes, len(each))
    held = (holds.data != 0) & (codes[at] >= 0)
    at, of = at[held], holds.indices[held]
    found.add(at, codes[at], each[codes[at], of], holders[codes[at], of])
    return found


def _common(moved: Any, holds: Any, each: Floats, lone: Floats, codes: Codes) -> Floats:
    """Return what lone classes add to the variance of the sum over classes, (G,); see ``Crowds.lone``.

    Each class counts once in a picture, whatever its area.

    Args:
        moved: (N, K) sparse, what each picture moves of each class.
        holds: (N, K) sparse, above 0 where a picture holds the class.
        each: (G, K) figure of each class.
        lone: (G, K) what lone classes are taken to vary; see ``alone``.
        codes: (N,) the group of each picture, -1 for none.
    """
    held = sparse.csr_array(_pattern(holds))
    if not lone.any() or np.bincount(_rows(held), held.data, minlength=codes.size).max(initial=0) <= 1:
        return np.zeros(len(each))
    crowds, held, moved = Crowds(codes.size, len(each)), sparse.csc_array(held), sparse.csc_array(moved)
    for k in range(each.shape[1]):
        one = held[:, [k]]
        at = one.indices[one.data > 0].astype(np.intp)
        moves = np.asarray(moved[:, [k]].todense()).ravel()[at]
        crowds.add(at, moves, moves**2, np.ones(at.size), codes[at])
        crowds.add_lone(at, np.ones(at.size), codes[at], each[:, k], lone[:, k])
    return crowds.lone(codes)


def _crowded(
    tables: tuple[Any, Any, Any], each: Floats, scale: Floats, codes: Codes
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return what pictures are worth of each class and its least variance, (G, K), that of their sum and lone ones', (G,).

    Args:
        tables: (N, K) each, the parts of objects that are right, the sum of their squares, and the objects.
        each: (G, K) figure of each class.
        scale: (G, K) how much it moves with an object.
        codes: (N,) the group of each picture, -1 for none.
    """
    num_groups, num_classes = each.shape
    worth, least = np.zeros(each.shape), np.zeros(each.shape)
    crowds, columns = Crowds(codes.size, num_groups), [sparse.csc_array(table) for table in tables]
    for k in range(num_classes):
        held = columns[2][:, [k]]
        at = held.indices[held.data > 0].astype(np.intp)
        right, squares, num = (np.asarray(table[:, [k]].todense()).ravel()[at] for table in columns)
        own = codes[at]
        share, weight = (np.nan_to_num(table[np.maximum(own, 0), k]) for table in (each, scale))
        moves = weight * (right - share * num)
        of_objects = weight**2 * np.maximum(squares - 2 * share * right + num * share**2, 0.0)
        worth[:, k] = units.worth(num, own, num_groups)
        least[:, k] = units.spread_of_objects(moves, of_objects, num, own, num_groups)
        crowds.add(at, moves, of_objects, num, own)
        crowds.add_lone(at, num, own, each[:, k], alone(each[:, k], worth[:, k]))
    return worth, least, crowds.spread(codes), crowds.lone(codes)


def _pattern(table: Any) -> Any:
    """Return a sparse table with 1 wherever something stands."""
    return sparse.csr_array((np.asarray(table.data != 0, np.float64), table.indices, table.indptr), shape=table.shape)


def _rows(table: Any) -> NDArray[np.intp]:
    """Return the row of each entry of a sparse table."""
    return np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))


def _sums(table: Any, codes: Codes, num_groups: int) -> Floats:
    """Sum the rows of a sparse (N, K) table by group: (G, K)."""
    own = codes[_rows(table)]
    inside = own >= 0
    places = own[inside] * table.shape[1] + table.indices[inside]
    size = num_groups * table.shape[1]
    return np.bincount(places, table.data[inside], minlength=size).astype(np.float64).reshape(num_groups, -1)


def _scaled(table: Any, codes: Codes, scale: Floats) -> Any:
    """Scale each entry of a sparse (N, K) table as (G, K) says for its group and class; 0 without a group."""
    own = codes[_rows(table)]
    weight = np.where(own >= 0, scale[np.maximum(own, 0), table.indices], 0.0)
    return sparse.csr_array((table.data * weight, table.indices, table.indptr), shape=table.shape)
