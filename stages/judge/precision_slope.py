"""How much an average precision moves with the weight of one picture, for all groups of pictures at once.

The area under the interpolated precision, AP = sum over right detections d of P(m(d)) / G, is smooth almost everywhere:
G is the number of objects and m(d) the place at or behind d where precision is highest. Its derivative by the weight of
a picture needs one pass over the detections. COCO's 101 recall levels are a fine grid on the same area, so the standard
error of this derivative serves the figure read on them; a test holds both against the exact bootstrap.
"""

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from stages.judge import average_precision as ap
from stages.judge import statistics, units
from stages.judge.confusion import mean_defined, ratio
from stages.judge.crowds import Crowds, least_of_mean
from stages.judge.rare_classes import alone, pooled
from stages.judge.ratio_slope import Moves, Slope
from stages.judge.row_weights import Weights

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def mean_precision(tables: Sequence[ap.Matches], thresholds: slice, recalls: Floats = ap.RECALLS) -> Slope:
    """Return the slope of the mean average precision of some classes.

    Args:
        tables: the matches of each class, over N pictures.
        thresholds: which IoU thresholds are averaged.
        recalls: where precision is read; none for the area under the curve.
    """

    def slope(codes: Codes, num_groups: int) -> Moves:
        return _by_group(tables, thresholds, recalls, codes, num_groups)

    return slope


def _by_group(tables: Sequence[ap.Matches], thresholds: slice, recalls: Floats, codes: Codes, num_groups: int) -> Moves:
    """Return the mean average precision of each group and the influence of each picture on its own group's.

    One class after the other, of each only the pictures that hold an object of it or were said to: what is held grows with
    the pictures and with the detections of a class, not with pictures times classes.

    Args:
        tables: the matches of each class, over N pictures.
        thresholds: which IoU thresholds are averaged.
        recalls: where precision is read; none for the area.
        codes: (N,) the group of each picture, -1 for none.
        num_groups: G.

    Returns:
        How the groups' figures move; the figures are those that weights of 0 and 1 give.
    """
    each, worth, variances, least = (np.zeros((num_groups, len(tables))) for _ in range(4))
    influence = np.zeros(codes.size)
    crowds, weights = Crowds(codes.size, num_groups), Weights(codes.size, num_groups)
    for k, table in enumerate(tables):
        few, at = table.condensed()
        own = codes[at]
        each[:, k], moves, squares = _class(few, thresholds, recalls, own, num_groups)
        held = statistics.sums(np.asarray(few.objects > 0, np.float64), own, num_groups)
        worth[:, k] = units.worth(few.objects, own, num_groups)
        scale = np.where(np.isfinite(each[:, k]), np.sqrt(held / np.maximum(held - 1, 1)), 0.0)
        least[:, k] = scale**2 * units.spread_of_objects(moves, squares, few.objects, own, num_groups)
        own_scale = np.where(own >= 0, scale[np.maximum(own, 0)], 0.0)
        moves *= own_scale
        variances[:, k] = statistics.sums(moves**2, own, num_groups)
        influence[at] += moves
        crowds.add(at, moves, squares * own_scale**2, few.objects, own)
        crowds.add_lone(at, few.objects, own, each[:, k], alone(each[:, k], worth[:, k]))
        some = (few.objects > 0) & (own >= 0)
        weights.add(at[some], own[some], each[own[some], k], held[own[some]])
    influence /= np.maximum(np.isfinite(each).sum(1), 1)[np.maximum(codes, 0)]
    shown = least_of_mean(each, variances, least, influence, codes, crowds.spread(codes))
    seen = np.maximum(statistics.sums(influence**2, codes, num_groups), shown)
    known_of = pooled(each, np.maximum(variances, least), worth, seen, weights.together(codes, crowds.lone(codes)))
    return Moves(mean_defined(each), influence, *known_of, shown)


def _class(
    table: ap.Matches, thresholds: slice, recalls: Floats, codes: Codes, num_groups: int
) -> tuple[Floats, Floats, Floats]:
    """Return the average precision of one class by group, the influence of each picture, and its objects' sum of squares.

    What an object moves is what the detection that found it does, less its share of what else its picture moves: that it
    is there, and false detections.

    Returns:
        (G,), (N,) and (N,).
    """
    groups = codes[table.pictures]
    order = np.argsort(groups, kind="stable")  # by group, by falling score within
    order = order[groups[order] >= 0]
    starts = np.searchsorted(groups[order], np.arange(num_groups + 1))
    objects = statistics.sums(table.objects, codes, num_groups)
    values, areas, moves, right, squares = _accumulate(
        np.ascontiguousarray(table.right[thresholds][:, order]),
        np.ascontiguousarray(table.wrong[thresholds][:, order]),
        table.pictures[order],
        starts,
        objects,
        recalls,
        codes.size,
    )
    own = np.maximum(codes, 0)
    moves -= np.where(codes >= 0, areas[own], 0.0) * ratio(table.objects, objects[own]).clip(0)
    moves = np.nan_to_num(moves)
    rest = (moves - right) / np.maximum(table.objects, 1.0)
    squares = np.maximum(squares + 2 * right * rest + table.objects * rest**2, 0.0)
    return values if recalls.size else np.where(objects > 0, areas, np.nan), moves, squares


@numba.njit(cache=True)
def _accumulate(  # noqa: PLR0913, PLR0917 - plain arrays, as numba wants them
    right: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
    pictures: NDArray[np.int64],
    starts: NDArray[np.int64],
    objects: Floats,
    recalls: Floats,
    num_pictures: int,
) -> tuple[Floats, Floats, Floats, Floats, Floats]:  # pragma: no cover - compiled
    """Return figures on COCO's recalls, exact areas, and of each picture what comes from detections.

    That is their part of its influence, and sum and sum of squares of those that found an object, all thresholds of a
    detection together.
    """
    values, areas, moves = np.full(objects.size, np.nan), np.zeros(objects.size), np.zeros(num_pictures)
    found, squares = np.zeros(num_pictures), np.zeros(num_pictures)
    for g in range(objects.size):
        if objects[g] <= 0:
            continue
        first, last, scale = starts[g], starts[g + 1], objects[g] * right.shape[0]
        values[g] = 0.0
        own, useful = np.zeros(last - first), np.zeros(last - first, np.bool_)
        for t in range(right.shape[0]):
            hit, miss = right[t, first:last], wrong[t, first:last]
            top, at, hits = _envelope(hit, miss)
            d = 0
            for r in range(recalls.size):
                while d < hits.size and hits[d] / objects[g] < recalls[r]:
                    d += 1
                if d == hits.size:
                    break
                values[g] += top[d] / (recalls.size * right.shape[0])
            shifts = _shifts(hit, miss, top, at, hits)
            for d in range(hits.size):
                areas[g] += top[d] / scale if hit[d] else 0.0
                moves[pictures[first + d]] += shifts[d] / scale
                own[d] += shifts[d] / scale
                useful[d] |= hit[d]
        for d in range(last - first):
            if useful[d]:
                found[pictures[first + d]] += own[d]
                squares[pictures[first + d]] += own[d] ** 2
    return values, areas, moves, found, squares


@numba.njit(cache=True)
def _envelope(
    right: NDArray[np.bool_], wrong: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.int64], Floats]:  # pragma: no cover - compiled
    """Return of each detection the highest precision at or behind it, where that is, and the right ones up to it."""
    top, at, hits = np.empty(right.size), np.empty(right.size, np.int64), np.empty(right.size)
    hit, miss = 0.0, 0.0
    for d in range(right.size):
        hit += right[d]
        miss += wrong[d]
        hits[d] = hit
        top[d] = hit / (hit + miss + 2.220446049250313e-16)
        at[d] = d
    for d in range(right.size - 2, -1, -1):
        if top[d + 1] > top[d]:
            top[d], at[d] = top[d + 1], at[d + 1]
    return top, at, hits


@numba.njit(cache=True)
def _shifts(
    right: NDArray[np.bool_], wrong: NDArray[np.bool_], top: Floats, at: NDArray[np.int64], hits: Floats
) -> Floats:  # pragma: no cover - compiled
    """Return how the sum of precisions at right detections moves with the weight of each detection."""
    num = right.size
    up, down, shifts = np.zeros(num), np.zeros(num), np.zeros(num)
    for d in range(num):
        if right[d]:
            m = at[d]
            total = hits[m] / max(top[m], 1e-300)  # detections down to m that count
            up[m] += (total - hits[m]) / total**2
            down[m] += hits[m] / total**2
    for d in range(num - 2, -1, -1):
        up[d] += up[d + 1]
        down[d] += down[d + 1]
    for d in range(num):
        if right[d]:
            shifts[d] = top[d] + up[d]
        elif wrong[d]:
            shifts[d] = -down[d]
    return shifts
