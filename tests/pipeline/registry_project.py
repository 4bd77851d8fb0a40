"""A project that has been trained and judged, tiny, for tests of the registry."""

import atexit
import hashlib
import json
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from pipelines import settings
from pipelines.register import Params, package, registry, run
from pipelines.register.history import History
from stages.core import artefacts, dataset, digests, files, measuring
from stages.core.stage import Job, Note
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
    "allow_degenerate": False,
    "code": "clean",
    "incomparable_champion": "refuse",
}
NAME = "shapes-classify"
CODE = "stages/trainer.py"
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org")
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
    content = {"accuracy": accuracy, "degenerate": [], "degenerate_asked": ["accuracy"]}
    files.write_json(artefacts.evaluate_metrics("classify"), content)
    files.write_json(artefacts.audit_metrics("classify"), {"verdict": verdict})
    artefacts.evaluated("classify").mkdir(parents=True, exist_ok=True)
    name_model()


def change_card(**settings: Any) -> None:
    """Let the card say more, as it does after a setting was changed that changes no answer; the weights stay."""
    card = artefacts.finetuned("classify") / "model.json"
    files.write_json(card, files.read_json(card) | settings)
    name_model()


def name_model() -> None:
    """Let evaluation and audit say that they judged what lies there: model, tables, test data and measuring code."""
    where = artefacts.evaluate_metrics("classify")
    tables = digests.tables(artefacts.evaluated("classify"))
    files.write_json(where, files.read_json(where) | {digests.TABLES: tables})
    grounds = (ground("classify"), ground("classify", audit=True))
    for place, own in zip(
        (artefacts.evaluate_metrics("classify"), artefacts.audit_metrics("classify")), grounds, strict=True
    ):
        model = {digests.MODEL: digests.model(artefacts.finetuned("classify"))}
        files.write_json(place, files.read_json(place) | model | own)


def ground(task: str, *, audit: bool = False) -> dict[str, str]:
    """Return what a judgement of now rests on, as the evaluation, or the audit, says it in its metrics."""
    data = test_split()
    code = {measuring.CODE: measuring.verdicts(task) if audit else measuring.code(task)}
    return code | {measuring.TEST: measuring.test_data(data), measuring.AUDITED: measuring.audited(data)}


def test_split() -> dataset.Dataset:
    """Return the test data as they lie there."""
    return dataset.read(artefacts.PREPROCESSED).subset("test")


def make(root: Path, patch: pytest.MonkeyPatch) -> None:
    """Make the project in ``root`` and make it the current folder, with an MLflow database of its own."""
    patch.chdir(root)
    patch.setenv("RAWLINE_ROOT", str(root))
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
    (root / "params.yaml").write_text(json.dumps({"name": "shapes", "seed": 7}))
    make_dataset(artefacts.PREPROCESSED, num_images=12)
    judge(0.9)
    (root / CODE).parent.mkdir(exist_ok=True)
    (root / CODE).write_text("EPOCHS = 3\n")
    (root / ".gitignore").write_text("*\n!*/\n!*.py\n!params.yaml\n!dvc.lock\n")
    git("init", "-q")
    book()
    commit()


@cache
def database() -> Path:
    """Return a folder with a prepared MLflow database to copy: making its tables takes seconds."""
    folder = Path(tempfile.mkdtemp(prefix="rawline-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        make(folder, patch)
        with registry.reachable():
            return folder


def start(root: Path, patch: pytest.MonkeyPatch) -> MlflowClient:
    """Make the project in the current folder with a database that is ready; return a client of its registry."""
    for name in ("mlflow.db", "mlflow.ready"):
        shutil.copy(database() / name, root / name)
    make(root, patch)
    quick(patch)
    return client()


def start_with_champion(root: Path, patch: pytest.MonkeyPatch) -> MlflowClient:
    """Do as ``start`` does, with light packages, and register the model, whose figure is 0.90, as version 1."""
    found = start(root, patch)
    light(patch)
    register()
    return found


def register(**rules: Any) -> ModelVersion:
    """Register the model as it lies there; return its version, found by what the receipt says."""
    said(**rules)
    receipt = files.read_json(artefacts.receipt("classify"))
    version = registry.find(client(), receipt["name"], receipt["digest"])
    assert version is not None
    return version


def said(**rules: Any) -> list[str]:
    """Register and return what was said."""
    return [record.text for record in run(job(**rules)) if isinstance(record, Note)]


def holders() -> dict[str, int]:
    """Return the version that holds each alias."""
    return {alias: int(version) for alias, version in client().get_registered_model(NAME).aliases.items()}


def moves(alias: str = "champion") -> list[tuple[str, str]]:
    """Return from where to where an alias moved, by its history."""
    return [(move.before, move.after) for move in History(client(), NAME).read(alias)]


def git(*words: str) -> str:
    """Run git in the current folder."""
    return subprocess.run(["git", *IDENTITY, *words], check=True, capture_output=True, text=True).stdout.strip()


def commit() -> None:
    """Commit all there is."""
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", "x")


def book(**hashes: str) -> None:
    """Write ``dvc.lock`` as if all had been made with the code as it lies there, or as the hashes of stages say."""
    present = hashlib.md5(Path(CODE).read_bytes(), usedforsecurity=False).hexdigest()
    entries = {
        f"{stage}@classify": {
            "cmd": "x",
            "deps": [{"path": "data/preprocessed", "md5": "2" * 32}, {"path": CODE, "md5": hashes.get(stage, present)}],
            "outs": [{"path": f"data/{stage}/classify", "md5": "3" * 32}],
        }
        for stage in ("finetune", "evaluate", "audit")
    }
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": entries}))


def quick(patch: pytest.MonkeyPatch) -> None:
    """Leave out the proof in a fresh process, which one test of its own holds, and give ``served`` no real package."""
    patch.setattr(package, "prove", lambda _: None)


def light(patch: pytest.MonkeyPatch) -> None:
    """Pack no code and no environment, for tests that register often and never load."""

    def save(packed: package.Package, folder: Path, _card: Any = None) -> None:
        files.write_text(folder / "MLmodel", "flavors: {}\n")
        files.write_json(folder / "artifacts" / "evidence" / "evidence.json", packed.evidence)

    patch.setattr(package, "save", save)


def client() -> MlflowClient:
    return MlflowClient(tracking_uri=settings.tracking_uri(), registry_uri=settings.registry_uri())


def another(value: float, weights: str) -> int:
    """Judge and register a model; return its version."""
    judge(value, weights=weights)
    return int(register().version)
