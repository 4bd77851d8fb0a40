"""A project that has been trained and judged, tiny, for tests of the registry."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from pipelines import settings
from pipelines.register import Params, package
from stages.core import artefacts, files
from stages.core.stage import Job
from tests.factories import make_dataset

CLASSES = ["disc", "square", "triangle"]
RULES = {
    "name": "shapes",
    "metric": "accuracy",
    "min_quality": 0.8,
    "judged_by": "low",
    "max_drop": 0.01,
    "max_class_drop": 0.2,
    "allow_undecided": True,
}
CHECKPOINT = """
import json
from pathlib import Path
from types import SimpleNamespace
import numpy as np

def load(folder, which="best", device="auto"):
    card = json.loads((Path(folder) / "model.json").read_text())
    assert (Path(folder) / f"{which}.safetensors").is_file()
    def predict(images):
        return [{"scores": np.array([0.7, 0.2, 0.1], np.float32)} for _ in images]
    return SimpleNamespace(card=card, predict=predict)
"""
PREPROCESS = """
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from stages.core import images

def prepare(recipe, picture):
    if isinstance(picture, Path):
        picture = images.read_image(picture)
    if isinstance(picture, bytes):
        picture = images.decode(picture)
    return SimpleNamespace(image=picture, width=picture.shape[1], height=picture.shape[0])
"""


def job(**rules: Any) -> Job[Params]:
    return Job(Params(**{**RULES, **rules}), {}, 7, Path(".rawline/work/register-classify"), "classify")


def judge(value: float, verdict: str = "PASS", n: int = 200, weights: str = "weights") -> None:
    """Write a model and its judgement as the stages before would."""
    folder = artefacts.finetuned("classify")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "best.safetensors").write_text(weights)
    files.write_json(folder / "model.json", {"task": "classify", "classes": CLASSES, "size_px": [64, 64], "recipe": {}})
    accuracy = {"value": value, "low": value - 0.04, "high": min(1.0, value + 0.04), "n": n}
    files.write_json(artefacts.evaluate_metrics("classify"), {"accuracy": accuracy})
    files.write_json(artefacts.audit_metrics("classify"), {"verdict": verdict})
    artefacts.evaluated("classify").mkdir(parents=True, exist_ok=True)


def make(root: Path, patch: pytest.MonkeyPatch) -> None:
    """Make the project in ``root`` and make it the current folder, with an MLflow database of its own."""
    patch.chdir(root)
    patch.setenv("RAWLINE_ROOT", str(root))
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
    (root / "params.yaml").write_text(json.dumps({"name": "shapes", "seed": 7}))
    make_dataset(artefacts.PREPROCESSED, num_images=12)
    judge(0.9)


def quick(patch: pytest.MonkeyPatch) -> None:
    """Leave out the proof in a fresh process, which one test of its own holds, and give ``served`` no real package."""
    patch.setattr(package, "prove", lambda _: None)


def client() -> MlflowClient:
    return MlflowClient(tracking_uri=settings.tracking_uri(), registry_uri=settings.tracking_uri())
