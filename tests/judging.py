"""Runs evaluate and audit in an empty project on a made data set with models that err on purpose."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import audit, evaluate
from stages.core import artefacts, checkpoint
from stages.core.dataset import Dataset
from stages.core.stage import Job, Record
from tests.factories import make_dataset
from tests.fake_models import FakeModel, Prediction, loader, objects, other, scores, segmented

TASKS = ("classify", "detect", "instance", "segment")
EVALUATE = {"num_bootstraps": 200, "num_worst": 4}
FOUND = {"min_score": 0.5, "max_detections": 100, "average_precision": "coco"}  # of detect and instance alone
AUDIT = {
    "max_gap": 0.1,
    "min_worst_group": 0.3,
    "min_group": 10,
    "max_groups": 20,
    "leave_out": [],
    "alpha": 0.05,
    "num_permutations": 200,
    "num_bootstraps": 200,
    "num_pictures": 2,
}
Answer = Callable[[Any], Prediction]


def project(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Dataset:
    """Make ``folder`` the project's root, with a preprocessed data set of which two thirds are the test split."""
    monkeypatch.chdir(folder)
    given = {"num_images": 120, "split_shares": (0.2, 0.1, 0.7), "size_px": 48} | options
    return make_dataset(artefacts.PREPROCESSED, **given)


def answer(task: str, data: Dataset, bias: float = 0.0, seed: int = 0) -> Answer:
    """Return a model that errs now and then, in the unusual setting by ``bias`` more often."""
    labels = data.info.labels

    def answered(row: Any) -> Prediction:
        random = np.random.default_rng([seed, int(row.image_id, 16)])
        harm = bias if getattr(row, "group_setting", None) == "unusual" else 0.0
        if task == "classify":
            wrong = random.random() < 0.05 + harm
            return scores(other(row.label, labels) if wrong else row.label, labels, 0.6 + 0.4 * random.random())
        if task == "segment":
            return segmented(row, data, random, shift=2 + int(20 * harm))
        return objects(row, data, random, lost=0.05 + harm, masks=task == "instance")

    return answered


def run(stage: Any, task: str, **changes: Any) -> list[Record]:
    """Run a stage as the wrapper does, with small parameters."""
    base = AUDIT if stage is audit else EVALUATE | (FOUND if task in ("detect", "instance") else {})
    return list(stage.run(Job(stage.Params(**(base | changes)), {}, 7, Path("work"), task)))


def judged(task: str, data: Dataset, monkeypatch: pytest.MonkeyPatch, best: Answer, scratch: Answer | None = None) -> None:
    """Evaluate and audit a model."""
    models = {"best": FakeModel(task, data, best)} | ({"scratch": FakeModel(task, data, scratch)} if scratch else {})
    artefacts.finetuned(task).mkdir(parents=True, exist_ok=True)
    for which in models:
        (artefacts.finetuned(task) / f"{which}.safetensors").touch()
    monkeypatch.setattr(checkpoint, "load", loader(**models))
    run(evaluate, task)
    run(audit, task)
