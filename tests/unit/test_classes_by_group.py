"""What the figures of a class by group rest on: the truth of the class, as those of the whole split."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stages.core import artefacts, dataset, figures, files
from stages.judge import by_group, groups, units
from stages.judge.draws import Draws
from stages.judge.measures import Measure
from stages.judge.regions import Rows
from stages.judge.units import Units
from stages.parts import evaluators
from stages.parts.evaluators.segment import Segment
from tests import judging

OF_CLASS = {"classify": "recall", "detect": "map50", "instance": "map50", "segment": "iou"}
CLASSES = ("ground", "tick", "flag")
PIXELS = 10_000


def _answer(task: str, data: dataset.Dataset) -> judging.Answer:
    """Return a model that says of every mask's first pixel that it is of the last class, and else errs now and then."""
    usual, last = judging.answer(task, data), len(data.info.mask_classes) - 1

    def answered(row: Any) -> judging.Prediction:
        found = usual(row)
        if task == "segment":
            found["mask"][0, 0] = last
        return found

    return answered


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("task", judging.TASKS)
def test_a_group_of_all_pictures_counts_what_the_split_counts(
    task: str, frames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each class: value, n, pictures or units that hold it; of each group the truth that is in it, one by one."""
    data = judging.project(tmp_path, monkeypatch, num_classes=4)
    rows = data.manifest
    if frames > 1:
        place = rows.groupby("split").cumcount()
        rows = rows.assign(unit=rows["split"] + (place // frames).astype(str))
    rows.to_parquet(data.root / "manifest.parquet", index=False)
    data = dataset.read(data.root)
    judging.judged(task, data, monkeypatch, _answer(task, data))
    folder, of = artefacts.evaluated(task), files.read_json(artefacts.evaluate_metrics(task))["per_class"]
    judge = evaluators.load(task, evaluators.settings(folder), data.subset("test"), folder)
    truth, names = judge.contents(), data.info.labels  # those of boxes and instances are the same
    if task == "segment":
        truth, names = judge.held.real, data.info.mask_classes  # type: ignore[attr-defined]
    figure = OF_CLASS[task]
    measures = {one.name: one for one in judge.measures()}
    codes, random = np.arange(judge.units.codes.size) % 5, np.random.default_rng(0)
    for label in of:
        measure, theirs = measures[f"{figure.replace('map', 'ap')}/{label}"], of[label][figure]
        one = by_group.estimates(measure, np.zeros(codes.size, np.int64), 1, 50, random, judge.units)[0]
        assert (one.n, one.num_holders) == (theirs["n"], theirs.get("units", theirs["pictures"])), label
        assert one.value == pytest.approx(theirs["value"])
        held = np.asarray(truth[:, [names.index(label)]].todense()).ravel()
        for g, part in enumerate(by_group.estimates(measure, codes, 5, 50, random, judge.units)):
            mine = (codes == g) & (held > 0)
            assert (part.n, part.num_holders) == (held[mine].sum(), np.unique(judge.units.codes[mine]).size), label


def _ious(there: Sequence[int], right: Sequence[int], stray: Sequence[int], held: Units) -> tuple[Segment, Measure]:
    """Return a judge of masks and its IoU of ``tick``.

    Args:
        there: pixels of tick in each picture.
        right: of these, those that were said.
        stray: pixels of the ground of which it was said.
        held: which pictures are drawn together.
    """
    num = len(there)
    judge = Segment(SimpleNamespace(info=SimpleNamespace(mask_classes=CLASSES)), Path())  # type: ignore[arg-type]
    cells = {4: right, 3: np.subtract(there, right), 1: stray, 0: np.full(num, PIXELS) - there - stray}  # truth * 3 + answer
    entries = [(at, cell, counts[at]) for at in range(num) for cell, counts in cells.items() if counts[at]]
    pictures, of, counts = (np.array(column, np.int64) for column in zip(*entries, strict=True))
    judge.__dict__ |= {"rows": Rows(pictures, of, counts, num, len(CLASSES)), "units": held}
    return judge, next(one for one in judge.measures() if one.name == "iou/tick")


def _width(low: float | None, high: float | None) -> float:
    return (1.0 if high is None else high) - (0.0 if low is None else low)


@pytest.mark.parametrize("right", [0, 60])
@pytest.mark.parametrize("frames", [1, 2])
def test_said_by_mistake_a_class_makes_no_group_surer(right: int, frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two benches hold tick in one unit each, a third in none; on each it is said of twenty pictures by mistake."""
    num = 60
    there = np.zeros(num, int)
    there[: 2 * frames * 3] = np.tile(np.repeat([100, 100, 0], frames), 2) * np.repeat([1, 0], 3 * frames)
    codes, held = np.arange(num) // frames % 3, units.of([str(at // frames) for at in range(num)])
    judge, measure = _ious(there, np.where(there > 0, right, 0), np.full(num, 2), held)
    monkeypatch.setattr(Segment, "_degenerate", lambda *_: {})
    split = judge.figures(Draws(held.num, 200, lambda: np.random.default_rng(0)))["per_class"]["tick"]["iou"]
    assert figures.is_figure(split)
    assert (split["n"], split["pictures"]) == (200 * frames, 2 * frames)
    way = groups.Grouping(("bench",), ("grass", "brick", "stone"), codes)
    found = groups.compare(measure, way, min_group=2, num_bootstraps=50, random=np.random.default_rng(0), units=held)
    for one, worth in zip(found.estimates[:2], found.worth, strict=False):
        assert (one.n, one.num_holders, worth) == (100 * frames, 1, 1)
        assert one.value == pytest.approx(right * frames / (100 * frames + 2 * (num // 3)))
        assert one.size <= 1
        assert _width(one.low, one.high) >= _width(split["low"], split["high"])
    none = found.estimates[2]
    assert np.isnan([none.value, none.low, none.high]).all()
    assert (none.n, none.num_holders, none.size, found.worth[2]) == (0, 0, 0, 0)
    assert found.compared == ()
    assert found.small(2) == (0, 1)  # the third has no figure, however large


def test_a_class_that_nobody_holds_has_no_figure_of_a_group() -> None:
    """Flag is absent from the split and not said, or said of some pictures: undefined by group in both cases."""
    num = 12
    judge, _ = _ious([50] * num, [40] * num, [3] * num, units.alone(num))
    said = np.arange(num) % 2 == 0
    extra = Rows(np.flatnonzero(said), np.full(said.sum(), 2), np.full(said.sum(), 9), num, len(CLASSES))
    rows = judge.rows
    judge.__dict__.pop("held")
    judge.__dict__["rows"] = Rows(
        *(np.concatenate([getattr(rows, of), getattr(extra, of)]) for of in ("pictures", "cells", "counts")),
        num,
        len(CLASSES),
    )
    flag = next(one for one in judge.measures() if one.name == "iou/flag")
    codes = np.arange(num) % 2
    found = by_group.estimates(flag, codes, 2, 50, np.random.default_rng(0), judge.units)
    assert [(np.isnan(one.value), one.n, one.num_holders) for one in found] == [(True, 0, 0)] * 2
    assert np.isnan(flag.values(np.ones((2, num)))).all()
    assert np.isnan(flag.chosen(np.arange(4)).values(np.ones((1, 4)))).all()  # type: ignore[misc]
