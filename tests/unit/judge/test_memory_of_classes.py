"""The figures of each class hold the pictures that hold the class, never an array of pictures for each class."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from stages.judge import by_group, classes, confusion, labels, measures, panels, ratio_slope, statistics, tally, units
from stages.judge.measures import Measure
from stages.judge.regions import Rows
from stages.parts.evaluators.classify import Classify
from stages.parts.evaluators.segment import Segment
from tests.unit.judge.test_memory_of_precision import made

Floats = NDArray[np.float64]
NUM, CLASSES = 200, 12


def of_pixels(num: int, num_classes: int, random: np.random.Generator) -> classes.Counts:
    """Return pixels by picture and class; a picture holds three classes, the last class is held by none and never said."""
    pictures = np.repeat(np.arange(num), 3)
    truth, said = random.integers(0, num_classes - 1, (2, pictures.size))
    said = np.where(random.random(pictures.size) < 0.7, truth, said)
    numbers = random.integers(1, 5000, pictures.size)
    return classes.counts(pictures, truth * num_classes + said, numbers, num, num_classes)


def dense(name: str, unit: str, hits: Floats, totals: Floats, there: Floats) -> Measure:
    """Return a share of units whose every part is an array of all pictures, written out anew; ``there`` are its evidence."""
    every = bool((totals == there).all())

    def slope(codes: NDArray[np.int64], num_groups: int) -> ratio_slope.Moves:
        of = statistics.sums(totals, codes, num_groups)
        found = confusion.ratio(statistics.sums(hits, codes, num_groups), of)
        own = np.maximum(codes, 0)
        moved = (hits - np.nan_to_num(found)[own] * totals) / np.where(of > 0, of, 1.0)[own]
        holders = statistics.sums(np.asarray(there > 0, np.float64), codes, num_groups)
        known = np.maximum(holders - 1, 1), np.zeros(num_groups), np.full(num_groups, np.inf)
        shown = (codes >= 0) & (every | (holders[own] > 1))
        return ratio_slope.Moves(np.where(holders > 0, found, np.nan), np.where(shown, moved, 0.0), *known)

    def values(weights: Floats) -> Floats:
        return np.where(weights @ there > 0, confusion.ratio(weights @ hits, weights @ totals), np.nan)

    kinds = tally.whole((totals * (hits.max(initial=0) + 1) + hits).astype(np.int64)) if every else None
    independent = every and bool((totals <= 1).all())
    return Measure(name, name, unit, tally.whole(there), values, independent, False, slope, alike=kinds)


def pairs(unit: str, above: Any, below: Any, there: Any) -> list[tuple[Measure, Measure]]:
    """Return each class's figure as it is held, and beside it the dense one."""
    names = [(f"c{k}", f"c{k}") for k in range(above.shape[1])]
    columns = ([np.asarray(t[:, [k]].todense()).ravel() for t in (above, below, there)] for k in range(len(names)))
    found = measures.proportions(names, unit, above, below, there)
    return [(one, dense(one.name, unit, *own)) for one, own in zip(found, columns, strict=True)]


def of_labels(random: np.random.Generator) -> list[tuple[Measure, Measure]]:
    """Return the recalls of a classifier."""
    truth = random.integers(0, CLASSES - 1, NUM)
    said = np.where(random.random(NUM) < 0.7, truth, random.integers(0, CLASSES, NUM))
    held = labels.counts(truth, said, CLASSES)
    return pairs("pictures", held.hit, held.real, held.real)


def of_masks(random: np.random.Generator) -> list[tuple[Measure, Measure]]:
    """Return the IoU of each class."""
    held = of_pixels(NUM, CLASSES, random)
    return pairs("pixels", held.hit, held.real + held.said - held.hit, held.real)


@pytest.mark.parametrize("make", [of_labels, of_masks])
def test_few_rows_say_what_all_say(make: Callable[[np.random.Generator], list[tuple[Measure, Measure]]]) -> None:
    """Figures, counts, kinds, slopes and intervals by group and unit are the dense ones to the last bit: sums are whole."""
    random = np.random.default_rng(1)
    weights, codes = statistics.resamples(NUM, 20, random), random.integers(-1, 3, NUM)
    held, rows = units.of(random.integers(0, 40, NUM).astype(str).tolist()), np.sort(random.permutation(NUM)[:50])
    for few, every in make(random):
        assert np.array_equal(few.values(weights), every.values(weights), equal_nan=True)
        assert (few.counts == every.counts).all()
        assert (few.kinds is None) == (every.kinds is None)
        assert few.kinds is None or (few.kinds == every.kinds).all()
        assert few.independent == every.independent
        moves, others = (one.slope(codes, 3) for one in (few, every))  # type: ignore[misc]
        for name in ("values", "influence", "freedom", "added"):
            assert np.array_equal(getattr(moves, name), getattr(others, name), equal_nan=True), name
        assert repr(by_group.estimates(few, codes, 3, 10, random)) == repr(by_group.estimates(every, codes, 3, 10, random))
        merged, other = few.merged(held.codes, held.num), every.merged(held.codes, held.num)
        assert np.array_equal(merged.values(weights[:, : held.num]), other.values(weights[:, : held.num]), equal_nan=True)
        part = few.chosen(rows)  # type: ignore[misc]
        own = np.zeros((20, NUM))
        own[:, rows] = weights[:, rows]
        assert np.array_equal(part.values(weights[:, rows]), every.values(own), equal_nan=True)


def held_by(make: Callable[[], list[Measure]]) -> int:
    """Return the bytes that measures take as long as they live."""
    tracemalloc.start()
    found = make()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert found
    return taken


def test_memory_grows_with_what_is_there() -> None:
    """Of labels a picture takes one entry whatever the number of classes, of masks as many as it holds or is said to."""
    random, num, many = np.random.default_rng(2), 20_000, 500
    names = [(str(k), str(k)) for k in range(many)]
    truth = random.integers(0, many, num)
    counts, pixels = labels.counts(truth, truth, many), of_pixels(num, many, random)
    union = pixels.real + pixels.said - pixels.hit
    entry, measure = 5 * 8, 8000  # bytes: position, hits, totals, position and pixels there; what is without its pictures
    bounds = {"labels": (counts.hit, counts.real, counts.real), "masks": (pixels.hit, union, pixels.real)}
    for tables in bounds.values():
        entries = tables[1].nnz
        taken = held_by(lambda of=tables: list(measures.proportions(names, "pixels", *of)))  # type: ignore[misc]
        assert taken < entry * entries + measure * many < 8 * num * many / 4


def judges(num: int, num_classes: int) -> dict[str, Classify | Segment]:
    """Return the evaluators of labels and of masks, the tables that they read filled in."""
    random, names = np.random.default_rng(4), [f"c{k}" for k in range(num_classes)]
    truth = random.integers(0, num_classes, num)
    of_label = SimpleNamespace(
        info=SimpleNamespace(labels=names), manifest=pd.DataFrame({"label": [f"c{k}" for k in truth]})
    )
    classify = Classify(of_label, Path())  # type: ignore[arg-type]
    classify.__dict__["_said"] = np.where(random.random(num) < 0.8, truth, random.integers(0, num_classes, num))
    segment = Segment(SimpleNamespace(info=SimpleNamespace(mask_classes=names)), Path())  # type: ignore[arg-type]
    pictures, cells = np.repeat(np.arange(num), 3), random.integers(0, num_classes, num * 3) * (num_classes + 1)
    segment.__dict__["rows"] = Rows(pictures, cells, random.integers(1, 99, num * 3), num, num_classes)
    found: dict[str, Classify | Segment] = {"classify": classify, "segment": segment}
    for judge in found.values():
        assert judge.held.real.shape == (num, num_classes)  # read once
    return found


@pytest.mark.parametrize("task", ["classify", "segment"])
def test_an_evaluator_holds_no_class_by_picture(task: str) -> None:
    """Its figures of groups take what is there and some arrays of pictures, far below one array for each class."""
    num, many = 10_000, 400
    judge = judges(num, many)[task]
    entries = {"classify": num, "segment": 3 * num}[task]
    assert held_by(judge.measures) < 200 * num + 80 * entries + 8000 * many < 8 * num * many / 2


def test_average_precisions_of_classes_hold_their_own_pictures() -> None:
    """The measure of each class's average precision counts objects where there are some."""
    num, many = 20_000, 200
    tables = made(num, many, 2, np.random.default_rng(3))

    def make() -> list[Measure]:
        return [panels.precision("a", "a", [table], slice(0, 1), judged=False) for table in tables]

    assert held_by(make) < 16 * 2 * num + 10_000 * many < 8 * num * many / 4
    assert all((one.counts == table.objects).all() for one, table in zip(make(), tables, strict=True))
