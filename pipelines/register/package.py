"""Packs a finetuned model as an MLflow pyfunc that needs nothing of the project's folder."""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME, MODEL_CODE_PATH
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType

import stages
from pipelines.register import registry, served
from pipelines.register.example import example
from stages.core import digests, files
from stages.core.errors import DataError

REQUIREMENTS = (
    "mlflow", "numpy", "opencv-python-headless", "pandas", "pillow", "pyarrow", "pycocotools", "pydantic", "pyyaml",
    "rawpy", "safetensors", "scipy", "numba", "tifffile", "torch", "torchvision",
)  # fmt: skip

PROOF = """
import sys, mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
assert len(model.predict(model.input_example)) == 1, "the model answered not once to one picture"
code = sys.modules[model.unwrap_python_model().code].__file__
assert code.startswith(sys.argv[1]), f"the model's code came from {code}"
assert "stages" not in sys.modules, "the model took code that is not its own"
"""


@dataclass(frozen=True)
class Package:
    """What goes into the model's folder beside its code.

    Attributes:
        task: the task.
        model: folder with ``best.safetensors`` and ``model.json``.
        evidence: content of ``evidence/evidence.json``; the gate reads it when this version is the champion.
        card: model card, markdown.
        metadata: small facts for the ``MLmodel`` file.
    """

    task: str
    model: Path
    evidence: dict[str, Any]
    card: str
    metadata: dict[str, Any]


def log(client: MlflowClient, package: Package, name: str, experiment: str, run_id: str | None) -> LoggedModel:
    """Pack the model, prove that it loads and answers in a process of its own, and log it.

    Args:
        client: of the project's MLflow.
        package: what to pack.
        name: of the model.
        experiment: id of the experiment it belongs to.
        run_id: the run that trained it, where the record knows it.

    Raises:
        DataError: the packed model does not load or does not answer its own example.
    """
    params = flat({**package.metadata, **described(files.read_json(package.model / "model.json"))})
    tags = {registry.PACKED_BY: registry.clone()}
    model = client.create_logged_model(experiment, name, run_id, tags=tags, params=params, model_type="Rawline")
    try:
        with tempfile.TemporaryDirectory(prefix="rawline-") as holder:
            card = Model(
                artifact_path=model.artifact_location, run_id=run_id, model_uuid=model.model_id, model_id=model.model_id
            )
            save(package, Path(holder) / "model", card)
            prove(Path(holder) / "model")
            client.log_model_artifacts(model.model_id, str(Path(holder) / "model"))
    except BaseException:
        client.delete_logged_model(model.model_id)  # half a model must not be found by anyone
        raise
    if run_id:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def save(package: Package, folder: Path, card: Model | None = None) -> None:
    """Save the model to a folder that MLflow can load."""
    with tempfile.TemporaryDirectory(prefix="rawline-") as holder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow warns of its own use of pandas and of our missing type hint
        mlflow.pyfunc.save_model(path=str(folder), mlflow_model=card, **_arguments(package, Path(holder)))
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache)
    saved = Model.load(str(folder))
    pyfunc = saved.flavors[mlflow.pyfunc.FLAVOR_NAME]
    pyfunc[MODEL_CODE_PATH] = Path(pyfunc[MODEL_CODE_PATH]).name  # the place of this checkout is nobody's business
    saved.save(str(folder / MLMODEL_FILE_NAME))


def prove(folder: Path) -> None:
    """Load a saved model in a process that has nothing of the project on its path, and let it answer its example.

    Raises:
        DataError: it fails, or takes its code from elsewhere.
    """
    hidden = ("PYTHONPATH", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID")
    environment = {k: v for k, v in os.environ.items() if k not in hidden} | {"PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory(prefix="rawline-") as elsewhere:
        done = subprocess.run(
            [sys.executable, "-c", PROOF, str(folder)],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"the packed model does not work in a fresh process: {last}")


def flat(content: dict[str, Any]) -> dict[str, str]:
    """Return the values as text, as MLflow's parameters want them."""
    return {key: str(value) for key, value in content.items()}


def described(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells models apart in a table: data set, parts, size and budget, from the content of ``model.json``.

    Example:
        >>> described({"name": "scenes", "classes": ["a", "b"], "head": {"name": "linear"}, "budget": {"epochs": 9}})
        {'data_set': 'scenes', 'num_classes': 2, 'head': 'linear', 'budget.epochs': 9}
    """
    found = {"data_set": model.get("name"), "num_classes": len(model["classes"])}
    found |= {part: model[part].get("name") for part in ("backbone", "head", "tuning") if part in model}
    found |= {"size_px": model["size_px"]} if "size_px" in model else {}
    found |= {f"budget.{key}": value for key, value in model.get("budget", {}).items()}
    return {key: value for key, value in found.items() if value is not None}


def _arguments(package: Package, holder: Path) -> dict[str, Any]:
    (holder / "model").mkdir()
    for file in digests.FILES:
        shutil.copy2(package.model / file, holder / "model" / file)
    files.write_json(holder / "evidence" / "evidence.json", package.evidence)
    files.write_text(holder / "evidence" / "MODEL_CARD.md", package.card)
    return {
        "python_model": str(Path(served.__file__)),
        "artifacts": {"model": str(holder / "model"), "evidence": str(holder / "evidence")},
        "code_paths": [str(code(holder))],
        "pip_requirements": requirements(),
        "signature": signature(),
        "input_example": example(),
        "metadata": package.metadata,
    }


def code(holder: Path) -> Path:
    """Copy the package ``stages``, sources only, and return the copy."""
    source = Path(str(stages.__file__)).parent
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    return Path(shutil.copytree(source, holder / "code" / "stages", ignore=ignore))


def requirements() -> list[str]:
    """Pin what the model needs to the versions installed here, as pip reads it.

    A local label such as ``+cpu`` is left out: no index serves it under the plain name.
    """
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in REQUIREMENTS]


def signature() -> ModelSignature:
    """Return the signature: one column ``image`` of any kind, two parameters, one mapping per picture.

    MLflow's own enforcement turns inputs into a DataFrame, which a (H, W, 3) array cannot become; marked as coming from
    type hints, the signature documents and leaves the checking to the model, which knows pictures.
    """
    params = ParamSchema(
        [ParamSpec("min_score", DataType.double, served.MIN_SCORE), ParamSpec("masks", DataType.string, "array")]
    )
    anything = AnyType()  # type: ignore[no-untyped-call]
    found = ModelSignature(Schema([ColSpec(anything, "image")]), Schema([ColSpec(anything, "prediction")]), params)
    found._is_signature_from_type_hint = True  # noqa: SLF001 - see above; a test holds that bare arrays pass
    return found
