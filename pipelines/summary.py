"""Says what a run came to: figures, verdicts, registered versions, what to type next."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from stages.core import artefacts
from stages.core import params as parameters

NUM_FIGURES = 3
COLOURS = {"PASS": "green", "FAIL": "red", "UNDECIDED": "yellow"}


@dataclass(frozen=True)
class Line:
    """What is known about one task.

    Attributes:
        task: its name.
        figures: headline figures as text, the one the gate judges first.
        verdict: the audit's word, ``-`` before there is one.
        reason: the audit's weightiest reason.
        model: name, version and aliases, ``-`` before there is one.
    """

    task: str
    figures: list[str] = field(default_factory=list)
    verdict: str = "-"
    reason: str = ""
    model: str = "-"


def lines() -> list[Line]:
    """Read what the stages left for each task of ``params.yaml``; what is missing is left open."""
    raw = parameters.read()
    return [_line(str(task), raw) for task in raw.get("tasks") or {}]


def show() -> None:
    """Print the summary of the project in the current folder."""
    found = lines()
    width = max([len(line.task) for line in found], default=0)
    for line in found:
        first, *rest = line.figures or ["not yet evaluated"]
        click.echo(f"  {click.style(line.task.ljust(width), bold=True)}  {first}")
        for figure in rest:
            click.echo(f"  {'':{width}}  {figure}")
        verdict = click.style(line.verdict, fg=COLOURS.get(line.verdict), bold=True)
        click.echo(f"  {'':{width}}  audit {verdict}{': ' + line.reason if line.reason else ''}")
        click.echo(f"  {'':{width}}  model {line.model}")
    click.echo("\nNext:")
    for command, purpose in _next(found):
        click.echo(f"  {command:<58} {purpose}")


def figure(name: str, content: Any) -> str | None:
    """Return a headline figure as a person reads it; None for anything else.

    Example:
        >>> figure("accuracy", {"value": 0.9125, "low": 0.871, "high": 0.943, "n": 160})
        'accuracy 0.912 [0.871, 0.943], n = 160'
        >>> figure("ap_large", {"value": None, "low": None, "high": None, "n": 0})
        'ap_large undefined, n = 0'
    """
    if not isinstance(content, dict) or not {"value", "low", "high", "n"} <= set(content):
        return None
    if content["value"] is None:
        return f"{name} undefined, n = {content['n']}"
    low, high = content["low"], content["high"]
    interval = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
    return f"{name} {content['value']:.3f}{interval}, n = {content['n']}"


def _line(task: str, raw: dict[str, Any]) -> Line:
    evaluation, audit = _read(artefacts.evaluate_metrics(task)), _read(artefacts.audit_metrics(task))
    reasons = audit.get("reasons") or [""]
    return Line(
        task, _figures(evaluation, _judged(raw, task)), str(audit.get("verdict", "-")), str(reasons[0]), _model(task)
    )


def _judged(raw: dict[str, Any], task: str) -> str:
    """Return the name of the figure that the gate judges."""
    section = (raw.get("register") or {}).get(task) or {}
    return str(section.get("metric", "")) if isinstance(section, dict) else ""


def _figures(evaluation: dict[str, Any], first: str) -> list[str]:
    names = sorted(evaluation, key=lambda name: name != first)
    found = [text for name in names if (text := figure(name, evaluation[name]))]
    return found[:NUM_FIGURES]


def _model(task: str) -> str:
    receipt = _read(artefacts.receipt(task))
    if "name" not in receipt:
        return "-"
    aliases = receipt.get("aliases") or [receipt.get("alias", "")]
    return f"{receipt['name']} version {receipt.get('version', '?')} ({', '.join(filter(None, aliases)) or 'no alias'})"


def _next(found: list[Line]) -> list[tuple[str, str]]:
    steps = [("make ui", "MLflow and Prefect in the browser")]
    if named := [line.model.split()[0] for line in found if line.model != "-"]:
        steps.append((f"rawline predict models:/{named[0]}@challenger PICTURE", "try a model on your own picture"))
    reports = [str(place) for line in found if (place := artefacts.audited(line.task) / "report.html").exists()]
    if reports:
        steps.append((reports[0], "open it: the audit by group"))
    steps.append(("dvc metrics diff", "what changed since the last commit"))
    return steps


def _read(path: Path) -> dict[str, Any]:
    """Read what may not be there yet, or belong to an interrupted run."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
