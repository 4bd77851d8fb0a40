"""Predicts pictures with a registered or a local model, in a process of its own that runs the model's own code."""

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

from pipelines import settings
from pipelines.reasons import reason
from stages.core.errors import DataError, InfrastructureError

CARD = "model.json"
PACKED = "MLmodel"
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")
# Runs with the model's own `stages` (MLflow puts the model's code first on the path), not the project's. Writes pickles of
# what it found to a pipe of its own, so that whatever a library prints does no harm.
WORKER = """
import json, os, pickle, sys
from pathlib import Path
uri, options, paths, pipe = json.loads(sys.argv[1])
out = os.fdopen(pipe, "wb")
def say(*words):
    pickle.dump(words, out); out.flush()
try:
    import mlflow
    from mlflow.exceptions import MlflowException
    folder = Path(mlflow.artifacts.download_artifacts(uri)) if ":/" in uri else Path(uri)
    model = mlflow.pyfunc.load_model(str(folder))
    say("model", json.loads((folder / "artifacts" / "model" / "model.json").read_text(encoding="utf-8")))
except MlflowException as error:
    say("refused", error.error_code, str(error)); sys.exit(0)
except Exception as error:
    say("failed", type(error).__name__, str(error)); sys.exit(0)
for path in paths:
    try:
        say("answer", path, model.predict([path], params=options)[0])
    except Exception as error:
        say("fault", path, str(error) or type(error).__name__)
"""


@dataclass(frozen=True)
class Result:
    """What came of one picture: an answer as ``served.Rawline.predict`` gives it, or a fault in one line."""

    path: Path
    answer: dict[str, Any] | None
    fault: str = ""


def predict(name: str, paths: Sequence[Path], min_score: float) -> Iterator[dict[str, Any] | Result]:
    """Give the model's card (``model.json``), then one result per picture; a bad picture does not end the batch.

    Args:
        name: ``models:/name@alias``, ``models:/name/3``, ``runs:/id/name``, or the folder of an MLflow model or of a trained
            one, for instance ``data/finetuned/classify``.
        paths: pictures, camera files among them.
        min_score: boxes with a lower score are left out.

    Raises:
        DataError: there is no such model (the nearest names are offered), or it does not load.
        InfrastructureError: MLflow is out of reach.
    """
    folder = Path(name)
    if (folder / CARD).is_file():
        yield from _trained(folder, paths, min_score)
    elif ":/" in name or (folder / PACKED).is_file():
        yield from _packed(name, paths, min_score)
    else:
        raise DataError(f"'{name}' is no models:/ or runs:/ address and no folder with {CARD} or {PACKED}; {_known(name)}")


def _trained(folder: Path, paths: Sequence[Path], min_score: float) -> Iterator[dict[str, Any] | Result]:
    """Answer with a model of this working tree: its code is the project's."""
    from pipelines.register import served  # noqa: PLC0415 - brings mlflow
    from stages.core import checkpoint  # noqa: PLC0415 - brings torch

    model = checkpoint.load(folder, "best")
    if model.card.get("recipe") is None:
        raise DataError(f"{folder / CARD} carries no recipe, so that no picture can be prepared; train the model again")
    yield model.card
    for path in paths:
        try:
            yield Result(path, served.answer(model, path, min_score))
        except DataError as error:
            yield Result(path, None, _named(path, str(error)))


def _packed(name: str, paths: Sequence[Path], min_score: float) -> Iterator[dict[str, Any] | Result]:
    settings.quiet(os.environ)
    uri = name if ":/" in name else str(Path(name).resolve())
    with _worker(uri, paths, min_score) as (pipe, process):
        kind, *words = _next(pipe, process)
        if kind != "model":
            raise _problem(name, kind, words[0], words[1])
        yield words[0]
        for path in paths:
            kind, _, content = _next(pipe, process)
            yield Result(path, content) if kind == "answer" else Result(path, None, _named(path, content))


@contextmanager
def _worker(uri: str, paths: Sequence[Path], min_score: float) -> Iterator[tuple[BinaryIO, "subprocess.Popen[bytes]"]]:
    """Start the worker in an empty folder and end it when the block is left."""
    reading, writing = os.pipe()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONDONTWRITEBYTECODE": "1"}
    order = json.dumps([uri, {"min_score": min_score}, [str(path.resolve()) for path in paths], writing])
    with (
        tempfile.TemporaryDirectory(prefix="rawline-") as elsewhere,
        os.fdopen(reading, "rb") as pipe,
        tempfile.TemporaryFile() as log,
    ):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, order],
            cwd=elsewhere,
            env=environment,
            pass_fds=(writing,),
            stdout=log,
            stderr=log,
        )
        os.close(writing)
        try:
            yield pipe, process
        finally:
            process.terminate()
            process.wait()


def _next(pipe: BinaryIO, process: "subprocess.Popen[bytes]") -> tuple[Any, ...]:
    try:
        found: tuple[Any, ...] = pickle.load(pipe)  # noqa: S301 - written by our own worker
    except (EOFError, pickle.UnpicklingError) as error:
        raise InfrastructureError(
            f"the model's process ended with status {process.wait()}, most likely for memory"
        ) from error
    return found


def _problem(name: str, kind: str, code: str, text: str) -> Exception:
    line = " ".join(text.split())[:300]
    if kind == "refused" and code in MISSING:
        return DataError(f"there is no model '{name}' in {settings.tracking_uri()}; {_known(name)}")
    if kind == "refused" or code in ("ConnectionError", "OperationalError"):
        return InfrastructureError(f"MLflow at {settings.tracking_uri()} failed: {reason(text)}; see rawline doctor")
    return DataError(f"the model '{name}' does not load: {code}: {line}")


def _known(name: str) -> str:
    """Name the registered model and alias that was probably meant, and all others."""
    known = names()
    if not known:
        return "no model is registered yet (dvc repro registers)"
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    return (f"did you mean '{close[0]}'? " if close else "") + f"Known: {', '.join(known)}"


def names() -> list[str]:
    """List the registered models as addresses, by alias, and by version where there is no alias; none when out of reach."""
    from pipelines.register import registry  # noqa: PLC0415 - brings mlflow

    try:
        with registry.reachable() as client:
            models = client.search_registered_models()
    except InfrastructureError:
        return []
    return sorted(f"models:/{model.name}@{alias}" for model in models for alias in model.aliases)


def _named(path: Path, fault: str) -> str:
    """Return a fault in one line that names the picture as it was given."""
    line = " ".join(fault.split()).replace(str(path.resolve()), str(path))
    return line if path.name in line else f"{path}: {line}"
