"""A registered model's answers reach the judge whole, whichever way it is asked."""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.register import worker

SCORES = np.array([0.9, 0.3, 0.02], np.float32)


def _predict(pictures: list[Path], params: dict[str, Any]) -> list[dict[str, Any]]:
    """Answer as the packed model does: boxes below ``min_score`` are left out, by a default that serves people."""
    kept = params.get("min_score", 0.5) <= SCORES
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    return [{"boxes": boxes[kept], "scores": SCORES[kept], "names": ["disc"] * int(kept.sum()), "width": 8, "height": 6}]


def test_a_model_of_another_recipe_is_judged_with_its_weak_boxes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A precision-recall curve needs every box: without the weak ones a champion looks worse than it is."""
    (tmp_path / "artifacts/model").mkdir(parents=True)
    (tmp_path / "artifacts/model/model.json").write_text(json.dumps({"task": "detect", "classes": ["disc"]}))
    monkeypatch.setattr(importlib.import_module("mlflow.pyfunc"), "load_model", lambda _: SimpleNamespace(predict=_predict))
    found = list(worker.original(tmp_path, ["a.png", "b.png"]))
    assert [answer["scores"].tolist() for answer in found] == [SCORES.tolist()] * 2
    assert all(set(answer) == {"boxes", "scores", "width", "height"} for answer in found)
