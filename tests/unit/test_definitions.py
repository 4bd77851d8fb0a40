"""The report says what its figures are as the evaluation read them, not as its defaults would have."""

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stages.core import artefacts
from stages.judge import panels, regions
from stages.judge.average_precision import Matches
from stages.judge.measures import Measure
from stages.parts.evaluators.classify import Classify
from stages.parts.evaluators.segment import Segment
from stages.parts.reports._definitions import definition
from tests import judging
from tests.judging import answer, judged, project


@pytest.mark.parametrize(
    ("rule", "most", "told"),
    [
        ("coco", 100, "COCO's average precision of boxes at IoU 0.5 (precision at 101 recalls; the 100 surest "),
        ("voc2007", None, "VOC 2007's average precision of boxes at IoU 0.5 (precision at 11 recalls; all detections "),
        ("voc2010", 1000, "(the area under precision over recall; the 1,000 surest detections of each class in each "),
    ],
)  # fmt: skip
def test_detections_are_told_by_their_rule(rule: str, most: int | None, told: str) -> None:
    """Rule, recalls, the most detections that count (of each class and picture), and the score of recall."""
    settings = {"average_precision": rule, "max_detections": most, "min_score": 0.35}
    text = definition("detect", settings)
    assert told in text
    assert "a score of 0.35 or more" in text
    assert "of masks at IoU 0.5" in definition("instance", settings)


def test_the_page_says_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation by VOC 2007's rule and without a limit is not called COCO's with a hundred detections."""
    data = project(tmp_path, monkeypatch, num_images=40)
    monkeypatch.setitem(judging.FOUND, "average_precision", "voc2007")
    monkeypatch.setitem(judging.FOUND, "max_detections", None)
    judged("detect", data, monkeypatch, answer("detect", data))
    page = (artefacts.audited("detect") / "report.html").read_text()
    assert "average precision of boxes at IoU 0.5 (precision at 11 recalls; all detections count)" in page
    assert "COCO" not in page


def _segment(truths: list[list[int]], said: list[list[int]]) -> Segment:
    """Return the evaluator of masks of three classes, given as one row of pixels a picture."""
    names = ["background", "disc", "square"]
    data = SimpleNamespace(info=SimpleNamespace(mask_classes=names), units=lambda: [str(n) for n in range(len(truths))])
    judge = Segment(data, Path())  # type: ignore[arg-type]
    rows = [regions.observe(np.array([a], np.uint8), np.array([b], np.uint8), 3) for a, b in zip(truths, said, strict=True)]
    judge.__dict__["rows"] = regions.gather(rows, 3)
    return judge


def _read(found: Sequence[Measure]) -> dict[str, float]:
    """Return figures over all pictures."""
    return {one.name: one.of(np.ones(one.counts.size, bool)) for one in found}


def test_masks_count_the_classes_that_the_text_says() -> None:
    """One pixel said to be of a class that is nowhere: 0 in the mIoU of the split and of that picture, not of a group."""
    judge = _segment([[0, 0, 0, 1], [0, 0, 0, 1]], [[0, 0, 2, 1], [0, 0, 0, 1]])
    split, group, text = _read(judge.headlines()), _read(judge.measures()), definition("segment", {})
    first, own = 5 / 6, [(2 / 3 + 1 + 0) / 3, 1.0]
    assert "one that was said and is not there counts as 0; of a group those count that its truth holds." in text
    assert split["miou"] == pytest.approx((first + 1 + 0) / 3)
    assert group["miou"] == pytest.approx((first + 1) / 2)
    assert "of each picture's own mean over the classes that it holds or that were said of it" in text
    assert split["picture_iou"] == group["picture_iou"] == pytest.approx(np.mean(own))
    assert "Pixel accuracy is the share of pixels" in text
    assert split["pixel_accuracy"] == group["pixel_accuracy"] == pytest.approx(7 / 8)
    assert "pixels marked 255 are left out" in text
    open_ = _segment([[0, 0, 255, 1]], [[0, 0, 2, 1]])
    assert _read(open_.headlines()) == {"miou": 1.0, "picture_iou": 1.0, "pixel_accuracy": 1.0}


def test_labels_count_the_classes_that_the_text_says() -> None:
    """Of three pictures one is said to be of a class that none is of: 0 in the split's macro F1, left out of a group's."""
    names, text = ["a", "b", "c"], definition("classify", {})
    data = SimpleNamespace(info=SimpleNamespace(labels=names), manifest=pd.DataFrame({"label": ["a", "a", "b"]}))
    data.units = lambda: ["0", "1", "2"]
    judge = Classify(data, Path())  # type: ignore[arg-type]
    judge.__dict__["_said"] = np.array([0, 2, 1])
    split, group = _read(judge.headlines()), _read(judge.measures())
    assert "one that was said and is not there counts as 0; of a group those count that its truth holds." in text
    assert split["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert group["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert split["accuracy"] == group["accuracy"] == pytest.approx(2 / 3)


def test_objects_count_the_classes_that_the_text_says() -> None:
    """One object found at the five lower of ten IoUs, and a false detection of a class that has no object."""
    right = np.arange(10)[:, None] < 5
    some, none = np.zeros(1, np.int64), np.zeros(0, np.int64)
    found = Matches(np.array([0.1]), some, right, ~right, some, np.ones(1), 1)
    false = Matches(np.array([0.9]), some, np.zeros((10, 1), bool), np.ones((10, 1), bool), none, np.zeros(0), 1)
    tables = [found, false]
    figures = [panels.precision(name, name, tables, chosen) for name, chosen in panels.CHOSEN.items()]
    text = definition("detect", {"average_precision": "coco", "max_detections": 100, "min_score": 0.5})
    assert _read([*figures, panels.recall("ar", "AR", tables)]) == pytest.approx(
        {"map50": 1.0, "map75": 0.0, "map": 0.5, "ar": 0.5}
    )
    assert "mAP75 the same at IoU 0.75, mAP its mean over the ten IoUs from 0.5 to 0.95." in text
    assert "AR is the average recall: the share of a class's objects that detections of any score find" in text
    assert (
        "over the classes of which the pictures, of the split or of a group, hold an object; what was said of other" in text
    )


@pytest.mark.parametrize("task", judging.TASKS)
def test_every_headline_figure_is_explained_by_its_title(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that stands on the page in large letters is told below, by the title that it has there."""
    data = project(tmp_path, monkeypatch, num_images=40)
    judged(task, data, monkeypatch, answer(task, data))
    page = (artefacts.audited(task) / "report.html").read_text()
    shown = page[page.index('<div class="figures">') : page.index('<div class="plots">')]
    told = page[page.index("<b>Figures.</b>") :].lower()
    titles = [title.removesuffix(" at score 0.5") for title in re.findall(r"<div><span>(.*?)</span><b>", shown)]
    assert len(titles) >= 2
    assert [title for title in titles if f"{title.lower()} " not in told] == []
    assert "ar" not in titles
