"""Predicts pictures with a registered or a local model, in a process of its own that runs the model's own code."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any, BinaryIO

import click

from pipelines import predict_wire, predict_worker, settings
from pipelines.reasons import reason
from stages.core import images
from stages.core.errors import DataError, InfrastructureError
from stages.core.text import escaped

CARD = "model.json"
PACKED = "MLmodel"
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")

_VERSION = re.compile(
    r"models:/[^/@?\t\r\n]+(?:/|@)[^/@?\t\r\n]+"
)  # MLflow takes one word without an alias for a logged model
_LOGGED = re.compile(r"models:/[^/@?\t\r\n]+|runs:/[^/?\t\r\n][^?\t\r\n]*")


@dataclass(frozen=True)
class Result:
    """What came of one picture.

    Attributes:
        path: the picture.
        answer: as ``served.Rawline.predict`` gives it with masks as run lengths; None where there is none.
        fault: why there is none, in one line.
    """

    path: Path
    answer: dict[str, Any] | None
    fault: str = ""


def predict(name: str, paths: Iterable[Path], min_score: float, *, trust: bool = False) -> Iterator[dict[str, Any] | Result]:
    """Give the model's card (``model.json``), then one result per picture; a bad picture does not end the batch.

    Pictures are taken from ``paths`` one by one, as their turn comes.

    Args:
        name: ``models:/name@alias``, ``models:/name/3``, ``runs:/id/name``, or the folder of an MLflow model or of a trained
            one, for instance ``data/finetuned/classify``.
        paths: pictures, camera files among them.
        min_score: boxes with a lower score are left out.
        trust: run the code of a model from elsewhere without asking.

    Raises:
        DataError: there is no such model (the nearest names are offered), it does not load, or it is not to be run.
        InfrastructureError: MLflow is out of reach.
    """
    folder = Path(name)
    if (folder / CARD).is_file():
        yield from _trained(folder, paths, min_score)
    elif ":/" in name or (folder / PACKED).is_file():
        trusted = trust or permitted(name)
        yield from _packed(name, paths, min_score, trust=trusted)
    else:
        raise DataError(f"'{name}' is no models:/ or runs:/ address and no folder with {CARD} or {PACKED}; {_known(name)}")


def is_own(name: str) -> bool:
    """Tell whether a model comes from this project's registry, record or folder: the one rule of who is trusted.

    * a folder is own among the artefacts of the project's record: a download may lie in the project too;
    * a version of the configured registry (``models:/NAME/3``, ``models:/NAME@alias``) is own, wherever its files lie: to
      register is a decision, and whoever may register there is trusted;
    * what a run or a logged model holds (``runs:/...``, ``models:/m-ID``) is own where MLflow is the project's own file:
      anybody who can reach a server, or a database elsewhere, may have logged it;
    * everything else is from elsewhere, also an address that MLflow might read otherwise than it looks.

    Example:
        >>> is_own("models:/scenes-detect@champion"), is_own("s3://bucket/model"), is_own("models://elsewhere/m/1")
        (True, False, False)
    """
    if ":/" not in name:
        return Path(name).resolve().is_relative_to(settings.artifact_root().resolve())
    if _VERSION.fullmatch(name):
        return True
    return bool(_LOGGED.fullmatch(name)) and settings.is_inside(settings.tracking_uri())


def permitted(name: str) -> bool:
    """Return False for a model of this project, True for another that the user wants to run; ask where one can be asked.

    Raises:
        DataError: it is from elsewhere, and nobody said that its code may run.
    """
    if is_own(name):
        return False
    line = f"{name} is not of this project's registry or record: the code that it brings from there would run as you"
    if not sys.stdin.isatty():
        raise DataError(f"{line}; if you trust whoever made it, add --trust")
    if not click.confirm(f"{line}. Run it?", err=True):
        raise DataError(f"{name} was not run")
    return True


def _trained(folder: Path, paths: Iterable[Path], min_score: float) -> Iterator[dict[str, Any] | Result]:
    """Answer with a model of this working tree: its code is the project's."""
    from pipelines.register import served  # noqa: PLC0415 - brings mlflow
    from stages.core import checkpoint  # noqa: PLC0415 - brings torch

    model = checkpoint.load(folder, "best")
    if model.card.get("recipe") is None:
        raise DataError(f"{folder / CARD} carries no recipe, so that no picture can be prepared; train the model again")
    yield model.card
    for path in paths:
        try:
            _no_folder(path)
            yield Result(path, served.answer(model, path, min_score, "rle"))
        except DataError as error:
            yield Result(path, None, _named(path, str(error)))


def _packed(name: str, paths: Iterable[Path], min_score: float, *, trust: bool) -> Iterator[dict[str, Any] | Result]:
    settings.quiet(os.environ)
    uri = name if ":/" in name else str(Path(name).resolve())
    with _worker(uri, min_score, trust=trust) as worker:
        first = worker.next()
        if first["kind"] != "model":
            raise _problem(name, first["kind"], str(first.get("code")), predict_wire.printable(str(first.get("text"))))
        card = predict_wire.card(first.get("card"))
        yield card
        for path in paths:
            try:
                yield Result(path, predict_wire.answer(card["task"], worker.ask(path)))
            except DataError as error:
                yield Result(path, None, _named(path, str(error)))


@dataclass(frozen=True)
class _Worker:
    """A model's process."""

    process: "subprocess.Popen[bytes]"
    orders: IO[bytes]
    pipe: BinaryIO

    def ask(self, path: Path) -> Any:
        """Return the answer to one picture, unchecked.

        Raises:
            DataError: it is no picture, or the model refused it.
        """
        _no_folder(path)
        images.regular(path)
        with suppress(BrokenPipeError):  # its end is met below
            self.orders.write(json.dumps(str(path.resolve())).encode() + b"\n")
            self.orders.flush()
        found = self.next()
        if found["kind"] != "answer":
            raise DataError(predict_wire.printable(str(found.get("text"))))
        return found.get("answer")

    def next(self) -> dict[str, Any]:
        """Return the process's next message."""
        try:
            return predict_wire.receive(self.pipe)
        except EOFError as error:
            status = self.process.wait()
            raise InfrastructureError(f"the model's process ended with status {status}, most likely for memory") from error


@contextmanager
def _worker(uri: str, min_score: float, *, trust: bool) -> Iterator[_Worker]:
    """Start the worker in an empty folder and end it when the block is left."""
    reading, writing = os.pipe()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONDONTWRITEBYTECODE": "1"}
    order = json.dumps({"uri": uri, "options": {"min_score": min_score}, "trusted": trust, "pipe": writing})
    text = Path(predict_worker.__file__).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="rawline-") as elsewhere, os.fdopen(reading, "rb") as pipe:
        process = subprocess.Popen(
            [sys.executable, "-c", text, order],
            cwd=elsewhere,
            env=environment,
            pass_fds=(writing,),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(writing)
        orders: Any = process.stdin
        try:
            yield _Worker(process, orders, pipe)
        finally:
            process.kill()
            with suppress(BrokenPipeError):
                orders.close()
            process.wait()


def _problem(name: str, kind: str, code: str, text: str) -> Exception:
    line = " ".join(text.split())[:300]
    if kind == "foreign":
        return DataError(f"{name} is no model that rawline packed but {line}; --trust runs it nonetheless")
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
    shown = escaped(str(path))
    told = fault
    for given in (str(path.resolve()), str(path)):
        for form in (given, predict_wire.printable(given)):
            told = told.replace(form, shown)
    line = escaped(" ".join(told.split()))
    return line if escaped(path.name) in line else f"{shown}: {line}"


def _no_folder(path: Path) -> None:
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a long name; one with pictures was taken apart before
        raise DataError(f"{path} holds no pictures")
