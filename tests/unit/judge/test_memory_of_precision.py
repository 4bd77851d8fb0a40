"""Average precision holds what grows with pictures and with detections, never with both times classes, draws or deals."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.judge import average_precision as ap
from stages.judge import by_group, panels, permutations, precision_slope, statistics, units
from stages.judge.confusion import mean_defined
from stages.judge.crowds import Crowds, least_of_mean
from stages.judge.measures import Measure
from stages.judge.rare_classes import alone, pooled
from stages.judge.ratio_slope import Moves
from stages.judge.row_weights import Weights

Floats = NDArray[np.float64]


def made(num: int, num_classes: int, per_picture: int, random: np.random.Generator) -> list[ap.Matches]:
    """Return matches of so many classes; each picture holds objects and detections of a few, the last class of none."""
    of, labels = np.repeat(np.arange(num), per_picture), random.integers(0, num_classes - 1, num * per_picture)
    found = []
    for label in range(num_classes):
        pictures = random.permutation(of[labels == label])
        right = random.random((10, pictures.size)) < np.linspace(0.9, 0.3, 10)[:, None]
        holders, held = np.unique(of[labels == label], return_counts=True)
        kept = random.random(holders.size) < 0.8  # elsewhere detections alone
        scores = np.sort(random.random(pictures.size))[::-1]
        held = held[kept].astype(np.float64)
        found.append(ap.Matches(scores, pictures, right, ~right, holders[kept], held, num))
    return found


def at_once(
    tables: list[ap.Matches], thresholds: slice, recalls: Floats, codes: NDArray[np.int64], num_groups: int
) -> Moves:
    """Return how the figures move, all classes at once, each over all pictures: K arrays of N."""
    found = [precision_slope._class(table, thresholds, recalls, codes, num_groups) for table in tables]
    each = np.stack([value for value, _, _ in found], axis=1)
    held = np.stack([statistics.sums(np.asarray(t.objects > 0, np.float64), codes, num_groups) for t in tables], axis=1)
    scale = np.where(np.isfinite(each), np.sqrt(held / np.maximum(held - 1, 1)), 0.0)
    own = np.maximum(codes, 0)
    moves = [np.where(codes >= 0, move * scale[own, k], 0.0) for k, (_, move, _) in enumerate(found)]
    variances = np.stack([statistics.sums(move**2, codes, num_groups) for move in moves], axis=1)
    worth = np.stack([units.worth(t.objects, codes, num_groups) for t in tables], axis=1)
    rows = [(move, squares, t.objects, codes, num_groups) for (_, move, squares), t in zip(found, tables, strict=True)]
    least = scale**2 * np.stack([units.spread_of_objects(*row) for row in rows], axis=1)
    crowds, weights = Crowds(codes.size, num_groups), Weights(codes.size, num_groups)
    for k, (move, (_, _, squares), table) in enumerate(zip(moves, found, tables, strict=True)):
        lone = alone(each[:, k], worth[:, k])
        crowds.add(np.arange(codes.size), move, squares * scale[own, k] ** 2, table.objects, codes)
        crowds.add_lone(np.arange(codes.size), table.objects, codes, each[:, k], lone)
        some = np.flatnonzero((table.objects > 0) & (codes >= 0))
        weights.add(some, codes[some], each[codes[some], k], held[codes[some], k])
    influence = np.sum(moves, axis=0) / np.maximum(np.isfinite(each).sum(1), 1)[own]
    shown = least_of_mean(each, variances, least, influence, codes, crowds.spread(codes))
    seen = np.maximum(statistics.sums(influence**2, codes, num_groups), shown)
    together = weights.together(codes, crowds.lone(codes))
    return Moves(mean_defined(each), influence, *pooled(each, np.maximum(variances, least), worth, seen, together))


@pytest.mark.parametrize("rule", ap.LEVELS)
def test_class_by_class_is_all_at_once(rule: ap.Rule) -> None:
    """Figures, influences, freedom and added variance are those of dense arrays to the last bit, by group and of all."""
    random = np.random.default_rng(1)
    tables = made(150, 9, 4, random)
    for thresholds, codes in ((slice(0, 1), random.integers(-1, 3, 150)), (slice(None), np.zeros(150, np.int64))):
        slope = precision_slope.mean_precision(tables, thresholds, ap.LEVELS[rule])
        found, other = slope(codes, 3), at_once(tables, thresholds, ap.LEVELS[rule], codes, 3)
        for name in ("values", "influence", "freedom", "added"):
            assert np.array_equal(getattr(found, name), getattr(other, name), equal_nan=True), name


def test_a_condensed_class_is_the_class() -> None:
    """Matches over the pictures that a class touches say of these what the whole table says, and nothing else is there."""
    table = made(60, 30, 2, np.random.default_rng(2))[3]
    few, at = table.condensed()
    assert at.size < 20
    assert (few.num_pictures, set(at)) == (at.size, {*table.pictures.tolist(), *table.holders.tolist()})
    assert (at[few.pictures] == table.pictures).all()
    assert (few.objects == table.objects[at]).all()
    assert few.objects.sum() == table.objects.sum()


def peak(num: int, num_classes: int) -> int:
    """Return the bytes that a slope allocates at most, beside its tables."""
    tables = made(num, num_classes, 3, np.random.default_rng(3))
    slope, codes = precision_slope.mean_precision(tables, slice(0, 1)), np.arange(num) % 4
    slope(codes, 4)  # compiled
    tracemalloc.start()
    slope(codes, 4)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_memory_grows_with_pictures_not_with_classes() -> None:
    """Ten times as many classes add less than a handful of (G, K) tables, far below one more array per class and picture."""
    num, few, many = 4000, 20, 200
    assert peak(num, many) - peak(num, few) < 30 * 8 * 4 * (many - few)
    assert peak(num, many) < 26 * 8 * num < 8 * num * many


def test_objects_are_counted_class_by_class() -> None:
    """A measure's counts are the sums of dense ones, and to build it holds a few arrays of pictures."""
    tables = made(4000, 100, 3, np.random.default_rng(4))
    assert (panels.recall("ar", "AR", tables).counts == np.sum([t.objects for t in tables], axis=0)).all()
    tracemalloc.start()
    panels.precision("map", "mAP", tables, slice(None))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5 * 8 * 4000


def test_recall_weighs_pictures_not_detections() -> None:
    """Average recall under a hundred weightings is the sum over detections, and holds no weight for each of them.

    Numbers of right detections are whole, so that the sum over pictures is exact; over detections, whose shares of ten
    thresholds are not, it strays by some last bits.
    """
    random = np.random.default_rng(5)
    table = made(100, 2, 400, random)[0]
    weights = statistics.resamples(100, 100, random)
    hits = weights[:, table.pictures] @ table.right.mean(axis=0)
    tracemalloc.start()
    found = ap.average_recall(table, weights)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == pytest.approx(hits / (weights @ table.objects), rel=1e-13)
    assert most < 50 * table.pictures.size + 8 * weights.size * 2 < 8 * 100 * table.pictures.size / 4


FIGURES: dict[str, Callable[[list[ap.Matches]], Measure]] = {
    "recall": lambda tables: panels.recall("ar", "AR", tables),
    **{
        f"precision {rule}": lambda tables, rule=rule: panels.precision("m", "m", tables, slice(0, 1), rule=rule)
        for rule in ap.LEVELS
    },
}


@pytest.mark.parametrize("name", FIGURES)
def test_chosen_pictures_have_the_figures_of_weights_of_nothing_elsewhere(name: str) -> None:
    """To the last bit (how average recall moves to the last digits), in any order of the pictures; and likewise a slice."""
    random = np.random.default_rng(6)
    measure = FIGURES[name](made(150, 5, 3, random))
    assert measure.chosen is not None
    assert measure.part is not None
    for rows in (random.permutation(150)[:60], np.arange(30, 50), np.array([7]), np.zeros(0, np.intp)):
        weights = random.integers(0, 4, (9, rows.size)).astype(np.float64)
        whole = np.zeros((9, 150))
        whole[:, rows] = weights
        few = measure.chosen(rows)
        assert np.array_equal(few.values(weights), measure.values(whole), equal_nan=True)
        assert (few.counts == measure.counts[rows]).all()
        codes = np.full(150, -1)
        codes[rows] = rows % 2
        if measure.slope is not None and few.slope is not None and rows.size:
            moved = few.slope(rows % 2, 2).influence, measure.slope(codes, 2).influence[rows]
            assert np.allclose(*moved, rtol=1e-12, atol=1e-15) if name == "recall" else np.array_equal(*moved)
    whole = np.zeros((4, 150))
    whole[:, 30:50] = weights = random.integers(0, 4, (4, 20)).astype(np.float64)
    assert np.array_equal(measure.part(slice(30, 50))(weights), measure.values(whole), equal_nan=True)


@pytest.mark.parametrize("name", [*FIGURES, "by weights of nothing", "rows added up"])
def test_deals_and_draws_of_a_few_pictures_hold_no_weights_of_all(name: str) -> None:
    """250 deals of a pair of 400 pictures of 40,000, and 500 draws of them, hold far fewer weights than all have."""
    num, random = 40_000, np.random.default_rng(7)
    measure = FIGURES.get(name, FIGURES["recall"])(made(num, 3, 2, random))
    if name not in FIGURES:
        measure = replace(measure, chosen=None, merge=None)
    rows, codes = np.sort(random.choice(num, 400, replace=False)), np.arange(400) % 2
    if name == "rows added up":
        measure = measure.merged(np.arange(num) // 2, num // 2)
        rows = np.unique(rows // 2)
        codes = np.arange(rows.size) % 2
    few = FIGURES["recall"](made(50, 3, 2, random))
    by_group._drawn(few, np.ones(50, bool), 2, random)  # compiled

    def deal() -> object:
        return list(permutations.dealt_figures(measure, rows, codes, rows % 3, 250, random))

    def draw() -> object:
        inside = np.isin(np.arange(measure.counts.size), rows)
        return by_group._drawn(measure, inside, 500, random)

    for todo, weightings in ((deal, 250), (draw, 500)):
        tracemalloc.start()
        todo()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < (8 * num * 40 if name in FIGURES else 8 * 3 * statistics.ENTRIES) < 8 * num * weightings / 1.5
