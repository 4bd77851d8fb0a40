"""An answer with numbers that are none is refused where it enters judging, and the picture is named."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import evaluate, finetune
from stages.core import artefacts, checkpoint
from stages.core.errors import DataError
from stages.judge import answers, detections, labels, regions
from stages.maths.geometry import Placement
from tests import training_project
from tests.fake_models import FakeModel, loader
from tests.judging import TASKS, answer, project, run

HERE = Placement(9, 9, 9, 9, 9, 9)
PARTS = {"classify": "scores", "detect": "scores", "instance": "boxes", "segment": "mask"}


def spoiled(task: str, given: dict[str, np.ndarray], bad: float) -> dict[str, np.ndarray]:
    """Spoil one number of an answer."""
    changed = np.array(given[PARTS[task]], np.float32)
    changed.reshape(-1)[:1] = bad
    return {**given, PARTS[task]: changed}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_each_door_is_kept(bad: float) -> None:
    """Scores of a class, scores, boxes, probabilities of masks and masks; what is whole passes whatever its type."""
    box = {"boxes": np.array([[1.0, 1, 5, 5]]), "labels": np.array([1]), "scores": np.array([0.5])}
    told = r"the model's answer for cat\.png is not finite"
    with pytest.raises(DataError, match=rf"{told} \(scores\)"):
        labels.observe(0, {"scores": np.array([0.1, bad])}, "cat.png")
    for part in ("boxes", "scores"):
        with pytest.raises(DataError, match=rf"{told} \({part}\)"):
            detections.answer({**box, part: np.full_like(box[part], bad)}, HERE, "cat.png", masks=False)
    with pytest.raises(DataError, match=rf"{told} \(mask\)"):
        regions.answer({"mask": np.full((9, 9), bad, np.float32)}, "cat.png")
    for kind in (bool, np.uint8, np.int64, np.float16):
        answers.check({"mask": np.ones((2, 2), kind), "none": np.zeros(0, kind)}, "cat.png")


@pytest.mark.parametrize("task", TASKS)
def test_an_evaluation_ends_at_the_picture(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One number of one answer is NaN: one line with the picture's name, and no figure is written."""
    data = project(tmp_path, monkeypatch)
    say, last = answer(task, data), data.subset("test").manifest.iloc[-1]

    def said(row: Any) -> dict[str, Any]:
        return spoiled(task, say(row), np.nan) if row.image_id == last["image_id"] else say(row)

    artefacts.finetuned(task).mkdir(parents=True)
    monkeypatch.setattr(checkpoint, "load", loader(best=FakeModel(task, data, said)))
    with pytest.raises(DataError, match=rf"for {re.escape(last['source'])} is not finite \({PARTS[task]}\)"):
        run(evaluate, task)
    assert not artefacts.evaluate_metrics(task).exists()
    assert not artefacts.evaluated(task).exists()


def test_a_training_ends_at_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The validation after an epoch meets the same check: no best epoch is chosen by answers that are none."""
    monkeypatch.chdir(tmp_path)
    training_project.make_inputs()
    training_project.make_backbone()
    to_numpy = checkpoint.to_numpy
    monkeypatch.setattr(checkpoint, "to_numpy", lambda given: spoiled("classify", to_numpy(given), np.nan))
    first = finetune.dataset.read(artefacts.PREPROCESSED).subset("val").manifest["source"].iloc[0]
    with pytest.raises(DataError, match=rf"for {re.escape(first)} is not finite \(scores\)"):
        list(finetune.run(training_project.finetune_job("classify", epochs=1)))
