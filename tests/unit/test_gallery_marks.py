"""What is drawn into pictures of objects, and that the words beside it hold in crowded pictures too."""

from pathlib import Path

import numpy as np
import pytest

from stages.core import artefacts, dataset, files
from stages.core.dataset import Dataset
from stages.parts import evaluators
from stages.parts.evaluators import _gallery
from stages.parts.evaluators._objects import Objects
from tests.judging import answer, judged, project


@pytest.mark.parametrize("num", [3, _gallery.MOST_TEXTS, 30])
def test_the_first_names_are_drawn_however_many_there_are(num: int) -> None:
    """As the legend says: all of a few, of many the first twelve; every box is drawn."""
    blank = np.zeros((400, 400, 3), np.uint8)
    boxes = [(10.0 + 60 * (n % 6), 20.0 + 70 * (n // 6), 40.0 + 60 * (n % 6), 50.0 + 70 * (n // 6)) for n in range(num)]
    texts = [f"cat {n}" for n in range(num)]
    kept = [text if n < 12 else "" for n, text in enumerate(texts)]
    drawn, first, bare = (_gallery.with_boxes(blank, boxes, some, _gallery.TRUTH, 1) for some in (texts, kept, [""] * num))
    assert (drawn == first).all()
    assert (drawn != bare).any()
    assert "at the first 12 of either" in _gallery.LEGEND


def crowded(data: Dataset, flag: str) -> Dataset:
    """Mark the first annotation of each picture as one that does not count."""
    seen: set[int] = set()
    marks = [dict(mark) for mark in data.coco["annotations"]]
    for mark in marks:
        mark[flag] = int(mark["image_id"] not in seen)
        seen.add(mark["image_id"])
    files.write_json(data.root / "annotations.json", {**data.coco, "annotations": marks})
    return dataset.read(data.root)


@pytest.mark.parametrize("task", ["detect", "instance"])
@pytest.mark.parametrize("flag", ["", "iscrowd", "difficult"])
def test_what_does_not_count_is_drawn_and_told(
    task: str, flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Crowds and difficult objects stand in yellow, and the legend of gallery and page says so, where there are any."""
    data = project(tmp_path, monkeypatch, num_images=60)
    data = crowded(data, flag) if flag else data
    judged(task, data, monkeypatch, answer(task, data, bias=0.4))
    given = evaluators.settings(artefacts.evaluated(task))
    judge = evaluators.load(task, given, data.subset("test"), artefacts.evaluated(task))
    assert isinstance(judge, Objects)
    yellow = [(judge.draw(one) == _gallery.SPARED).all(axis=2).any() for one in judge.mistakes()]
    page = (artefacts.audited(task) / "report.html").read_text(encoding="utf-8")
    assert any(yellow) == bool(flag)
    assert (_gallery.SPARED_LEGEND in judge.legend) == (_gallery.SPARED_LEGEND.strip() in page) == bool(flag)
    assert _gallery.LEGEND in page
