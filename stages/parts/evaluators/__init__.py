"""Evaluators: one per task, chosen by the task's name.

``build(params, data, folder)`` returns an ``Evaluator`` over the pictures of ``data`` (the test split) whose tables lie in
``folder``. ``evaluate`` fills it; ``audit`` reads it again and needs no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.core import figures, files, parts
from stages.core.dataset import Dataset
from stages.core.errors import DataError
from stages.core.params import validate
from stages.judge.draws import Draws
from stages.judge.measures import Measure
from stages.judge.units import Units

COMPLETE = ("value", "low", "high", "n", "pictures")  # parts of a headline figure
Prediction = Mapping[str, NDArray[Any]]
BEST = "best"
SCRATCH = "scratch"
SETTINGS = "evaluator.json"  # the parameters an evaluation was made with, beside its tables
FORM = 2  # one more where an evaluation's folder or metrics file gets another form than this code reads


@dataclass(frozen=True)
class Mistake:
    """A picture on which the model went wrong.

    Attributes:
        row: position in the test split's manifest.
        badness: how wrong; more is worse.
        caption: one or two short lines: truth and prediction.
    """

    row: int
    badness: float
    caption: str


class Evaluator(Protocol):
    """What an evaluator does."""

    data: Dataset
    """The pictures judged, a part of the test split."""
    models: Sequence[str]
    """Which checkpoints are judged; the first is the one that counts."""
    legend: str
    """How a drawn picture is read."""

    @property
    def units(self) -> Units:
        """Which of the pictures are drawn together."""
        ...

    @property
    def colours(self) -> Sequence[tuple[str, tuple[int, int, int]]]:
        """Names of the colours in a drawn picture, where they stand for classes."""
        ...

    def add(self, model: str, predictions: Sequence[Prediction]) -> None:
        """Take the predictions of the next pictures, in the manifest's order."""
        ...

    def save(self) -> None:
        """Write predictions and tables into the folder."""
        ...

    def measures(self) -> list[Measure]:
        """Return the figures by which groups of pictures are compared, read from the folder; the first is the headline."""
        ...

    def contents(self) -> Any:
        """Return how much each picture holds of each class in truth, (N, K) sparse: objects, pixels but for the background.

        It tells the class of pictures that have no label (``judge.strata``).
        """
        ...

    def headlines(self) -> list[Measure]:
        """Return the figures of the whole split, as the metrics file and the gate have them; the first is the headline.

        They differ from ``measures`` where a class was said that no picture holds: it counts here, and is left out there.
        Their weights are those of units, not of pictures.
        """
        ...

    def figures(self, draws: Draws) -> dict[str, Any]:
        """Return the content of the metrics file, its intervals from bootstrap draws of units."""
        ...

    def notes(self) -> list[str]:
        """Return what a reader of the figures must know, one line each."""
        ...

    def plots(self) -> None:
        """Write plot data and pictures into the folder."""
        ...

    def mistakes(self) -> list[Mistake]:
        """Return what went wrong, worst first."""
        ...

    def draw(self, mistake: Mistake) -> NDArray[np.uint8]:
        """Return the picture with truth and prediction drawn into it."""
        ...


def write_settings(folder: Path, given: Mapping[str, Any]) -> None:
    """Write the parameters of an evaluation beside its tables, and the form of both."""
    files.write_json(folder / SETTINGS, {"form": FORM, **given})


def settings(folder: Path) -> dict[str, Any]:
    """Read the parameters that an evaluation was made with.

    Args:
        folder: with the evaluation's tables.

    Raises:
        DataError: they are missing, or the evaluation was written by code of another form.
    """
    content = files.read_json(folder / SETTINGS)
    form = content.pop("form", None) if isinstance(content, dict) else None
    if form != FORM:
        told = "says no form, as the code before wrote it" if form is None else f"has form {form}"
        raise DataError(f"{folder} {told}; this code reads form {FORM}: evaluate again (dvc repro)")
    return dict(content)


def metrics(file: Path) -> dict[str, Any]:
    """Read an evaluation's metrics file.

    Raises:
        DataError: it is missing, or was written by code whose figures had other parts.
    """
    content = files.read_json(file)
    for name, figure in figures.headlines(content).items() if isinstance(content, dict) else ():
        if lacking := [part for part in COMPLETE if part not in figure]:
            raise DataError(f"{file}: {name} lacks {', '.join(lacking)}; other code wrote it: evaluate again (dvc repro)")
    return dict(content)


def load(task: str, given: Mapping[str, Any], data: Dataset, folder: Path) -> Evaluator:
    """Return the evaluator of a task.

    Args:
        task: its name.
        given: the evaluator's own parameters.
        data: the test split.
        folder: where its tables lie or will lie.

    Raises:
        DataError: no picture of the test split can be judged.
        ParamsError: there is no such task, or ``given`` does not fit it.
    """
    module = parts.load("evaluators", task, "tasks")
    judge: Evaluator = module.build(validate(module.Params, dict(given), f"evaluate.{task}"), data=data, folder=folder)
    if judge.data.manifest.empty:
        raise DataError(f"no picture of the test split can be judged for {task}; see the splits and labels in {data.root}")
    return judge


def contact_sheet(judge: Evaluator, mistakes: Sequence[Mistake], title: str) -> NDArray[np.uint8]:
    """Draw mistakes with their captions and lay them out under a title."""
    from stages.parts.evaluators import _gallery  # noqa: PLC0415 - Pillow's drawing only where something is drawn

    drawn, captions = [judge.draw(m) for m in mistakes], [m.caption for m in mistakes]
    return _gallery.sheet(drawn, captions, title, colours=judge.colours)
