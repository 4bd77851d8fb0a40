"""Validation and evaluation drop a picture's answer once it is observed: what lives does not grow with the pictures."""

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import evaluate, finetune
from stages.core import artefacts, checkpoint, files
from tests import training_project
from tests.bench import streaming
from tests.fake_models import FakeModel, loader
from tests.judging import answer, project, run


class Living:
    """Counts the arrays of answers that live at once."""

    def __init__(self) -> None:
        self.known: list[weakref.ref[Any]] = []
        self.most = 0

    def note(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Take one answer."""
        given = {name: np.array(value) for name, value in given.items()}
        self.known += [weakref.ref(value) for value in given.values()]
        self.known = [one for one in self.known if one() is not None]
        self.most = max(self.most, len(self.known) // len(given))
        return given


@pytest.mark.parametrize(("task", "at_once"), [("instance", 1), ("segment", checkpoint.BATCH), ("detect", checkpoint.BATCH)])
def test_evaluation_holds_one_batch(task: str, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 84 test pictures the answers to one batch live, and those that are being made; of instances one picture's."""
    data, living = project(tmp_path, monkeypatch), Living()
    say = answer(task, data)
    monkeypatch.setattr(checkpoint, "load", loader(best=FakeModel(task, data, lambda row: living.note(say(row)))))
    run(evaluate, task)
    assert len(data.subset("test").manifest) > 4 * at_once
    assert 0 < living.most <= at_once + 1


def test_the_benchmark_judges_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six pictures hold a hundred objects each, of which the canned answer finds those that it is sure of by name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "load", checkpoint.load)  # the benchmark sets another
    streaming.make(6)
    for step in streaming.STEPS.values():
        step()
    sure = [place for place, score in enumerate(streaming.canned()["scores"]) if score >= 0.5 and place % 7]
    content = files.read_json(artefacts.evaluate_metrics("instance"))
    assert (content["recall"]["n"], content["recall"]["pictures"]) == (600, 6)
    assert content["recall"]["value"] == pytest.approx(len(sure) / 100)
    assert artefacts.audit_metrics("instance").is_file()


@pytest.mark.parametrize("task", ["instance", "segment"])
def test_validation_holds_one_picture(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The validation after an epoch keeps rows; answers live one at a time, and each picture is read once."""
    monkeypatch.chdir(tmp_path)
    training_project.make_inputs()
    training_project.make_backbone()
    living, read = Living(), []
    to_numpy, image = checkpoint.to_numpy, finetune.Examples.image

    def noted(examples: Any, index: int) -> Any:
        read.append(examples.ids[index])
        return image(examples, index)

    monkeypatch.setattr(checkpoint, "to_numpy", lambda given: living.note(to_numpy(given)))
    monkeypatch.setattr(finetune.Examples, "image", noted)
    list(finetune.run(training_project.finetune_job(task, epochs=1)))
    val = finetune.dataset.read(artefacts.PREPROCESSED).subset("val").manifest["image_id"].tolist()
    assert len(val) > 2
    assert 0 < living.most <= 2
    assert sorted(name for name in read if name in set(val)) == sorted(val)
