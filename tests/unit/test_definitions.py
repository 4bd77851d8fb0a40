"""The report says what its figures are as the evaluation read them, not as its defaults would have."""

from pathlib import Path

import pytest

from stages.core import artefacts
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
