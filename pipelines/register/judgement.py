"""What the gate judges and what it says: a model's figures and evidence, its rivals, its checks and the decision."""

from dataclasses import asdict, dataclass, field
from typing import Any

from stages.core import figures
from stages.judge import degenerate

CONSTANT = "constant_answer"  # the kind of fault, see ``stages.judge.degenerate``


@dataclass(frozen=True)
class Figure:
    """A measured number with its 95 % interval and count; None where undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    pictures: int | None = None
    units: int | None = None
    covers: str | None = None

    def __str__(self) -> str:
        """Print as a person reads it, for instance ``0.912 [0.871, 0.941], n = 160``."""
        if self.value is None:
            return "undefined"
        interval = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        counted = f", n = {self.count}" if self.n is not None else ""
        return f"{self.value:.3f}{interval}{counted}" + (f"; {self.covers}" if self.covers else "")

    @property
    def count(self) -> str:
        """What it is read from, with the pictures and units that hold it; empty where nothing is known."""
        return "" if self.n is None else figures.count(self.n, self.pictures, self.units)


@dataclass(frozen=True)
class Evidence:
    """What is known about one model.

    Attributes:
        metric: name of the headline figure.
        figure: that figure on the test split.
        verdict: the audit's PASS, FAIL or UNDECIDED.
        test_data: digest of the test split (pictures and truth).
        classes: the figure of each class, by name.
        outcomes: per-picture outcome by ``image_id``, 0 or 1, whose mean is ``figure``; empty where it is no such mean.
        replicates: the figure under bootstrap weights that are the same for equal ``test_data``, None where undefined.
        figures: every headline figure, by name.
        measured: how they were measured (the evaluator's settings, classes and code); None in evidence of before.
        degenerate: why the evaluation says nothing by ``metric``, reasons by kind (``stages.judge.degenerate``); empty
            where it does say something, None where nobody asked.
        left_open: what the audit did not audit or decide, and why, one line each.
        degenerate_by: what the metrics file says of it by all figures (``degenerate``, ``degenerate_asked``); empty where it
            says nothing of it, and in evidence of before. The gate decides by ``degenerate`` alone.
    """

    metric: str
    figure: Figure
    verdict: str
    test_data: str
    classes: dict[str, Figure] = field(default_factory=dict)
    outcomes: dict[str, float] = field(default_factory=dict)
    replicates: list[float | None] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    measured: dict[str, Any] | None = None
    degenerate: dict[str, str] | None = None
    left_open: list[str] = field(default_factory=list)
    degenerate_by: dict[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> tuple[Any, ...]:
        """Tell what the figure is of: those of two models compare only where this is equal."""
        return self.metric, self.test_data, self.measured

    @property
    def constant(self) -> str:
        """The class that an answer names which never looks at the picture and is not shown to be worse.

        Empty where the model is better than any such answer, or that answer is of no one class (nothing, the same boxes).
        """
        told = (self.degenerate or {}).get(CONSTANT, "")
        found = [n for n in self.classes if told.startswith((f"always saying {n} is ", f"saying {n} of every pixel is "))]
        return found[0] if found else ""

    @property
    def kinds(self) -> str:
        """The kinds of all faults in one line, as the run of the evaluation has them; ``metric`` where it was not asked."""
        told = degenerate.concerned(self.degenerate_by)
        if self.degenerate is not None or told == degenerate.UNKNOWN:
            return told
        return ", ".join([*([told] if told != degenerate.SOUND else []), f"{degenerate.UNKNOWN} ({self.metric})"])

    @property
    def others(self) -> str:
        """The kinds of those faults that concern other figures than ``metric`` alone, with these; empty without any."""
        listed = self.degenerate_by.get(degenerate.KEY, ())
        beside = [fault for fault in listed if fault["figures"] and self.metric not in fault["figures"]]
        return degenerate.concerned({degenerate.KEY: beside}) if beside else ""

    def to_json(self) -> dict[str, Any]:
        """Return plain mappings, for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Evidence":
        """Read back what ``to_json`` gave."""
        figures = {k: {n: Figure(**f) for n, f in raw[k].items()} for k in ("classes", "figures")}
        return cls(**{**raw, **figures, "figure": Figure(**raw["figure"])})


@dataclass(frozen=True)
class Unjudged:
    """A champion that cannot be judged on the present test data, and why."""

    reason: str


@dataclass(frozen=True)
class Former:
    """The best former champion, by what is stored with it.

    Attributes:
        version: its number.
        evidence: what it shows.
        others: what the other former champions show on the same test data.
    """

    version: str
    evidence: Evidence
    others: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Code:
    """What is known about the code that made and judged a model.

    Attributes:
        clean: it is known and equals a commit.
        reason: why, in one line.
    """

    clean: bool
    reason: str


@dataclass(frozen=True)
class Check:
    """One rule of the gate: its name, whether it holds, and why in one line."""

    name: str
    holds: bool
    reason: str


@dataclass(frozen=True)
class Decision:
    """The gate's answer: champion only when every check holds."""

    checks: tuple[Check, ...]

    @property
    def champion(self) -> bool:
        """Tell whether the version may become champion."""
        return all(check.holds for check in self.checks)

    def lines(self) -> dict[str, str]:
        """Return the reasons by check, each beginning with yes or no."""
        return {check.name: f"{'yes' if check.holds else 'no'}: {check.reason}" for check in self.checks}
