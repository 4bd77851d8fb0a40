"""Says what a run came to: figures, verdicts, registered versions, what to type next."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from pipelines import forms, last_run, registered
from stages.core import artefacts, figures
from stages.core import params as parameters
from stages.core.text import escaped
from stages.judge import degenerate

NUM_FIGURES = 3
COLOURS = {"PASS": "green", "FAIL": "red", "UNDECIDED": "yellow"}


@dataclass(frozen=True)
class Line:
    """What is known about one task.

    Attributes:
        task: its name.
        figures: headline figures as text, the one the gate judges first.
        nothing: why the evaluation says nothing by the figure that the gate judges, one line a fault; empty where it does.
        beside: likewise by other figures alone.
        verdict: the audit's word, ``-`` before there is one.
        reason: the audit's weightiest reason of those that ``nothing`` does not tell, without what ``beside`` does.
        model: name, version and aliases as the registry has them, ``-`` before there is a receipt.
        address: of the version that ``model`` names, empty where the registry lacks it.
        behind: whether that version was made of other figures than ``figures``.
        broken: paths of files that are there and cannot be read.
        edited: figures outside of their own intervals, one line each.
    """

    task: str
    figures: list[str] = field(default_factory=list)
    nothing: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    verdict: str = "-"
    reason: str = ""
    model: str = "-"
    address: str = ""
    behind: bool = False
    broken: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()


def lines() -> list[Line]:
    """Read what the stages left for each task of ``params.yaml``; what is missing is left open, what is broken is named."""
    raw = parameters.read()
    return [_line(str(task), raw) for task in raw.get("tasks") or {}]


def show() -> None:
    """Print the summary of the project in the current folder."""
    found = lines()
    width = max([len(line.task) for line in found], default=0)
    for line in found:
        told = [*line.figures, *(f"{path} cannot be read (rawline repro makes it anew)" for path in line.broken)]
        first, *rest = told or ["not yet evaluated"]
        click.echo(f"  {click.style(line.task.ljust(width), bold=True)}  {escaped(first)}")
        for figure in rest:
            click.echo(f"  {'':{width}}  {escaped(figure)}")
        for figure in line.edited:
            click.echo(
                f"  {'':{width}}  {click.style('edited by hand?', fg='red', bold=True)} {escaped(figure)}; rawline repro"
            )
        for why in line.nothing:
            click.echo(f"  {'':{width}}  {click.style('degenerate evaluation', fg='red', bold=True)}: {escaped(why)}")
        for why in line.beside:
            click.echo(f"  {'':{width}}  {click.style('degenerate by other figures', fg='yellow')}: {escaped(why)}")
        verdict = click.style(line.verdict, fg=COLOURS.get(line.verdict), bold=True)
        click.echo(f"  {'':{width}}  audit {verdict}{': ' + escaped(line.reason) if line.reason else ''}")
        click.echo(f"  {'':{width}}  model {line.model}")
        if line.behind:
            click.echo(f"  {'':{width}}        these figures are not that version's, and not registered yet: rawline repro")
    if ended := last_run.broken_off():
        click.echo(f"\n{ended}")
    click.echo("\nNext:")
    for command, purpose in _next(found):
        click.echo(f"  {command:<58} {purpose}")


def _line(task: str, raw: dict[str, Any]) -> Line:
    places = (artefacts.evaluate_metrics(task), artefacts.audit_metrics(task))
    read = [
        _read(place, faults)
        for place, faults in zip(places, (forms.faults_of_evaluation, forms.faults_of_audit), strict=True)
    ]
    evaluation, audit = (content or {} for content in read)
    found = registered.standing(task)
    metric = _judged(raw, task)
    return Line(
        task,
        _figures(evaluation, metric),
        tuple(degenerate.lines(evaluation, (metric,))),
        tuple(degenerate.lines(evaluation, (metric,), others=True)),
        str(audit.get("verdict", "-")),
        _reason(audit, evaluation, metric),
        str(found or "-"),
        f"models:/{found.name}/{found.version}" if found and found.version else "",
        found is not None and registered.is_behind(task),
        tuple(place.as_posix() for place, content in zip(places, read, strict=True) if content is None),
        tuple(filter(None, (figures.outside(name, content) for name, content in evaluation.items()))),
    )


def _reason(audit: dict[str, Any], evaluation: dict[str, Any], metric: str) -> str:
    """Return the audit's first reason but for what is told of a degenerate evaluation already.

    Of one that concerns other figures than the judged one what follows from it is left: by them nothing passes.
    """
    nothing = degenerate.of(evaluation, metric) or {}
    reasons = [str(reason) for reason in audit.get("reasons") or []]
    new = [reason for reason in reasons if not any(why in reason for why in nothing.values())]
    first = next(iter(new), "nothing passes on a degenerate evaluation" if reasons else "")
    for fault in evaluation.get(degenerate.KEY, ()):
        first = first.replace(f": {fault['reason']}", "")
    return first


def _judged(raw: dict[str, Any], task: str) -> str:
    """Return the name of the figure that the gate judges."""
    section = (raw.get("register") or {}).get(task) or {}
    return str(section.get("metric", "")) if isinstance(section, dict) else ""


def _figures(evaluation: dict[str, Any], first: str) -> list[str]:
    names = sorted(evaluation, key=lambda name: name != first)
    found = [told + _mark(evaluation, name) for name in names if (told := figures.text(name, evaluation[name]))]
    return found[:NUM_FIGURES]


def _mark(evaluation: dict[str, Any], name: str) -> str:
    """Say beside a figure that the evaluation says nothing by it; no word where it does, or nobody asked."""
    kinds = degenerate.of(evaluation, name)
    return f"; degenerate: {', '.join(kinds)}" if kinds else ""


def _next(found: list[Line]) -> list[tuple[str, str]]:
    steps = [("make ui", "MLflow and Prefect in the browser")]
    if named := sorted((line for line in found if line.address), key=lambda line: line.behind):
        what = "that version (these figures are another model's)" if named[0].behind else "a model"
        steps.append((f"rawline predict {named[0].address} PICTURE", f"try {what} on your own picture"))
    reports = [str(place) for line in found if (place := artefacts.audited(line.task) / "report.html").exists()]
    if reports:
        steps.append((reports[0], "open it: the audit by group"))
    steps.append(("dvc metrics diff", "what changed since the last commit"))
    return steps


def _read(path: Path, faults: Callable[[Any], Iterator[str]]) -> dict[str, Any] | None:
    """Read what may not be there yet; return None where it is there and broken, or not in the form that a stage writes."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        return None
    return None if any(faults(content)) else dict(content)
