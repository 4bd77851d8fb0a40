"""Decides whether a version may become champion; pure, so that each rule can be tested alone."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from pipelines.register import Params
from stages.maths import paired, statistics


@dataclass(frozen=True)
class Figure:
    """A measured number with its 95 % interval and count; None where undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None

    def __str__(self) -> str:
        """Print as a person reads it, for instance ``0.912 [0.871, 0.941], n = 160``."""
        if self.value is None:
            return "undefined"
        interval = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval}" + (f", n = {self.n}" if self.n is not None else "")


@dataclass(frozen=True)
class Evidence:
    """What is known about one model.

    Attributes:
        metric: name of the headline figure.
        figure: that figure on the test split.
        verdict: the audit's PASS, FAIL or UNDECIDED.
        test_data: digest of the test split (pictures and truth); figures compare only where it is equal.
        classes: the figure of each class, by name.
        outcomes: per-picture outcome by ``image_id``, 0 or 1, whose mean is ``figure``; empty where it is no such mean.
        replicates: the figure under bootstrap weights that are the same for equal ``test_data``, None where undefined.
        figures: every headline figure, by name.
    """

    metric: str
    figure: Figure
    verdict: str
    test_data: str
    classes: dict[str, Figure] = field(default_factory=dict)
    outcomes: dict[str, float] = field(default_factory=dict)
    replicates: list[float | None] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain mappings, for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Evidence":
        """Read back what ``to_json`` gave."""
        figures = {k: {n: Figure(**f) for n, f in raw[k].items()} for k in ("classes", "figures")}
        return cls(**{**raw, **figures, "figure": Figure(**raw["figure"])})


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


def decide(model: Evidence, champion: Evidence | None, params: Params) -> Decision:
    """Judge a model against the floor, the audit and the champion.

    Args:
        model: the candidate.
        champion: the present champion; None where there is none.
        params: the rules.
    """
    return Decision((_floor(model, params), _audit(model, params), *_against(model, champion, params)))


def _floor(model: Evidence, params: Params) -> Check:
    figure = model.figure
    judged = figure.value if params.judged_by == "value" else figure.low
    if judged is None:
        return Check("quality", holds=False, reason=f"{params.metric} is {figure}: it has no {params.judged_by} to judge")
    end = "" if params.judged_by == "value" else "the low end of "
    sign = ">=" if judged >= params.min_quality else "<"
    reason = f"{end}{params.metric} {figure} is {judged:.3f} {sign} {params.min_quality:.3f}"
    return Check("quality", judged >= params.min_quality, reason)


def _audit(model: Evidence, params: Params) -> Check:
    if model.verdict == "UNDECIDED":
        rule = "allowed" if params.allow_undecided else "not allowed"
        return Check("audit", params.allow_undecided, f"the audit says UNDECIDED, which is {rule} (allow_undecided)")
    return Check("audit", model.verdict == "PASS", f"the audit says {model.verdict}")


def _against(model: Evidence, champion: Evidence | None, params: Params) -> list[Check]:
    if champion is None:
        return [Check("champion", holds=True, reason="there is no champion yet")]
    if champion.metric != model.metric:
        return [
            Check("champion", holds=False, reason=f"the champion was judged by {champion.metric}, this by {model.metric}")
        ]
    if champion.test_data != model.test_data:
        digests = f"{champion.test_data[:12]} and {model.test_data[:12]}"
        return [Check("champion", holds=False, reason=f"not comparable: the champion saw other test data ({digests})")]
    checks = [_not_worse(model, champion, params)]
    return checks if params.max_class_drop is None else [*checks, _each_class(model, champion, params.max_class_drop)]


def _not_worse(model: Evidence, champion: Evidence, params: Params) -> Check:
    """Hold when the drop is within ``max_drop`` and no interval shows a loss."""
    if model.figure.value is None or champion.figure.value is None:
        return Check("champion", holds=False, reason=f"not comparable: {model.figure} against {champion.figure}")
    gain, low, high, how = _difference(model, champion)
    holds = gain >= -params.max_drop and high >= 0
    reason = f"{'not worse' if holds else 'worse'} than the champion: {how} {gain:+.3f} [{low:+.3f}, {high:+.3f}]"
    return Check("champion", holds, reason)


def _difference(model: Evidence, champion: Evidence) -> tuple[float, float, float, str]:
    """Return the gain over the champion with its interval, and how it was found: paired wherever both left what it takes."""
    if model.outcomes and model.outcomes.keys() == champion.outcomes.keys():
        names = sorted(model.outcomes)
        gain, low, high = paired.difference([model.outcomes[n] for n in names], [champion.outcomes[n] for n in names])
        return gain, low, high, f"paired over {len(names)} pictures"
    gain = (model.figure.value or 0.0) - (champion.figure.value or 0.0)
    if model.replicates and len(model.replicates) == len(champion.replicates):
        pairs = [
            (a, b) for a, b in zip(model.replicates, champion.replicates, strict=True) if a is not None and b is not None
        ]
        low, high = statistics.percentile_interval(np.array([a - b for a, b in pairs]))
        return gain, low, high, f"paired over {len(pairs)} bootstraps"
    one, two = _triple(model.figure), _triple(champion.figure)
    return *statistics.difference(one, two), "by their two intervals"


def _triple(figure: Figure) -> tuple[float, float, float]:
    value = figure.value or 0.0
    return value, value if figure.low is None else figure.low, value if figure.high is None else figure.high


def _each_class(model: Evidence, champion: Evidence, allowed: float) -> Check:
    """Hold when no class falls by more than is allowed."""
    drops = {
        name: before.value - (now.value if (now := model.classes.get(name)) and now.value is not None else 0.0)
        for name, before in champion.classes.items()
        if before.value is not None
    }
    bad = {name: drop for name, drop in sorted(drops.items()) if drop > allowed}
    if bad:
        listed = ", ".join(f"{name} by {drop:.3f}" for name, drop in bad.items())
        return Check("classes", holds=False, reason=f"fell by more than {allowed:.3f}: {listed}")
    return Check("classes", holds=True, reason=f"none of {len(drops)} classes fell by more than {allowed:.3f}")
