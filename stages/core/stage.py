"""What a stage is: a function of a job that writes its artefacts and yields records of what it did."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from stages.core.params import Params
from stages.core.parts import Choice, Choices

P = TypeVar("P", bound=Params)


@dataclass(frozen=True)
class Metrics:
    """Numbers worth a curve or a table.

    Attributes:
        values: name to number; names use ``/`` between parts, for instance ``val/accuracy``.
        step: epoch or step for a curve; None for a final figure.
    """

    values: Mapping[str, float]
    step: int | None = None


@dataclass(frozen=True)
class Note:
    """One line for whoever watches."""

    text: str


@dataclass(frozen=True)
class Tags:
    """Words worth a column in a table of runs, for instance the audit's verdict: name to word."""

    values: Mapping[str, str]


@dataclass(frozen=True)
class Progress:
    """How far long work has come: ``done`` of ``total`` units, ``what`` they are."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Keep:
    """A small file or folder already written under ``data/`` that the tracker should keep a copy of.

    Attributes:
        path: relative to the project's root.
        folder: where it goes among the run's artefacts.
    """

    path: Path
    folder: str = ""


Record = Metrics | Note | Tags | Progress | Keep


@dataclass(frozen=True)
class Job(Generic[P]):
    """Everything a stage is given at its door.

    Attributes:
        params: the stage's own typed values.
        choices: the parts chosen, by family.
        seed: the pipeline's seed.
        work: a folder outside ``data/`` for checkpoints, kept when the stage is killed and removed when it
            succeeds; the same for the same inputs, so that a later run may continue.
        task: the task of a per-task stage, else None.
    """

    params: P
    choices: Choices
    seed: int
    work: Path
    task: str | None = None

    def part(self, family: str) -> Choice:
        """Return the part chosen from a family."""
        return self.choices[family]


class Stage(Protocol):
    """The form of every module ``stages/<verb>.py``: ``Params`` and ``run``."""

    Params: type[Params]

    def run(self, job: Job[Any]) -> Iterator[Record]:
        """Read inputs, write artefacts, yield records on the way."""
        ...
