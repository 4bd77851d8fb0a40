"""Develops many files: what one cannot do is told in one line, the others go on."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from pipelines import tables
from pipelines.develop import finding, writing
from pipelines.develop.one import develop_file
from pipelines.view import View
from stages.core.errors import RawlineError
from stages.core.stage import Progress
from stages.core.text import escaped
from stages.parts.cameras import _report
from stages.parts.cameras._measured import Measured, measure
from stages.parts.cameras._prepared import Prepared

_MAX_JOBS = 4  # files at a time; each holds its mosaic and its picture
_NUMBERS = ("clipped", "suspicions")
_CAUSES = {"black level": "--black-level", "white level": "--white-level", "pattern": "--pattern"}


@dataclass(frozen=True)
class Result:
    """What came of one file: where it went and what the camera chain did, or a fault in one line."""

    source: Path
    target: Path
    row: dict[str, Any] | None
    warnings: tuple[str, ...] = ()
    unstated: tuple[str, ...] = ()
    fault: str = ""
    measured: Measured | None = None


@dataclass(frozen=True)
class Plan:
    """What is done with all files.

    Attributes:
        out: folder of the results.
        recipe: what is done to a picture, as ``recipe.json`` holds it.
        kind: how results are written, a name of ``writing.KINDS``.
        num_threads: threads in all.
        report: write the camera report beside the results too.
    """

    out: Path
    recipe: Mapping[str, Any]
    kind: str
    num_threads: int
    report: bool


def develop(given: tuple[str, ...], plan: Plan) -> int:
    """Develop files, folders and patterns and tell what was done; return how many could not be."""
    found, faults = finding.find(given, simulate=plan.recipe["preprocess"]["simulate_raw"])
    results = [*_developed(found, plan)]
    bad = [*faults, *(result.fault for result in results if result.fault)]
    _tell([result for result in results if result.row is not None], bad)
    if measured := [result.measured for result in results if result.measured]:
        _report.write(plan.out, measured, plan.out.resolve().name, plan.recipe["preprocess"]["demosaicer"], bad)
        click.echo(f"report: {plan.out / 'camera.html'}")
    return len(bad)


def _developed(found: list[finding.Found], plan: Plan) -> Iterator[Result]:
    """Develop all files, some at a time; results come in the files' order."""
    jobs = max(1, min(plan.num_threads, len(found), _MAX_JOBS))
    sources = frozenset(os.path.realpath(one.source) for one in found)
    with View("develop") as view, ThreadPoolExecutor(jobs) as pool:
        try:
            work = partial(_one, plan=plan, sources=sources, num_threads=max(1, plan.num_threads // jobs))
            for number, result in enumerate(pool.map(work, found, _report.chosen(len(found))), start=1):
                view.show(Progress(number, len(found), "files developed"))
                yield result
        finally:
            pool.shutdown(cancel_futures=True)


def _one(one: finding.Found, shown: bool, *, plan: Plan, sources: frozenset[str], num_threads: int) -> Result:
    """Develop one file; whatever is wrong with it becomes one line."""
    target = plan.out / one.name.with_name(one.name.name + writing.KINDS[plan.kind])
    if os.path.realpath(target) in sources:
        return Result(one.source, target, None, fault=f"{target} is a source itself; choose another folder (--out)")
    try:
        done = develop_file(one.source, target, plan.recipe, plan.kind, num_threads=num_threads)
    except RawlineError as error:
        return Result(one.source, target, None, fault=_as_option(str(error)))
    except MemoryError:
        return Result(one.source, target, None, fault=f"{one.source}: not enough memory; use fewer --threads")
    measured = measure(done, str(one.name), {}, thumbnail=shown) if plan.report else None
    row, warnings = _row(one, done, plan.recipe), tuple(_warnings(one.source, done))
    return Result(one.source, target, row, warnings, tuple(_unstated(done, plan.recipe)), measured=measured)


def _as_option(text: str) -> str:
    flags = " or ".join(flag for words, flag in _CAUSES.items() if words in text) or "the options of rawline develop --help"
    return text.replace("state what is right (params.yaml: preprocess)", f"state what is right with {flags}")


def _row(one: finding.Found, done: Prepared, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file's line of the table."""
    made = done.development
    values = recipe["preprocess"]
    height, width = done.image.shape[:2]
    if made is None:
        return {"file": str(one.source), "size": f"{width} x {height}"}
    guessed = values["white_balance"] == "camera" and made.without_gains
    return {
        "file": str(one.source),
        "camera": made.camera or "unknown",
        "size": f"{width} x {height}",
        "demosaicer": values["demosaicer"],
        "gains": " ".join(f"{gain:.2f}" for gain in made.gains) + (" (from the picture)" if guessed else ""),
        "clipped": f"{made.clipped_share:.2%}",
        "suspicions": len(made.suspicions),
    }


def _warnings(source: Path, done: Prepared) -> Iterator[str]:
    """Say what a file states and its pixels contradict, and the option that mends it."""
    for line in done.development.suspicions if done.development else ():
        cause = next((flag for words, flag in _CAUSES.items() if f"stated {words}" in line), None)
        yield f"{source}: {line}" + (f"; state the right one with {cause}" if cause else "")


def _unstated(done: Prepared, recipe: Mapping[str, Any]) -> Iterator[str]:
    """Say what a file is silent about, what stands in for it, and the option that states it."""
    made, values = done.development, recipe["preprocess"]
    if made and made.without_gains and values["white_balance"] == "camera":
        yield f"no usable white balance; {values['camera']['fallback']} stood in (--white-balance)"
    if made and not made.matrix_known and values["output"] != "packed_raw":
        yield "no colour matrix; their colours were taken for sRGB (--color-matrix)"


def _tell(good: list[Result], bad: list[str]) -> None:
    """Print the table, the warnings, the faults and the sum."""
    if good:
        _table([result.row or {} for result in good])
    for result in good:
        for line in result.warnings:
            click.echo(f"warning: {escaped(line)}", err=True)
    for line, count in Counter(line for result in good for line in result.unstated).items():
        click.echo(f"note: {count} of {len(good)} files state {escaped(line)}", err=True)
    for line in bad:
        click.echo(f"rawline: {escaped(line)}", err=True)
    num_warned = sum(bool(result.warnings) for result in good)
    warned = f", {num_warned} with warnings" if num_warned else ""
    click.echo(f"{len(good)} file{'s' * (len(good) != 1)} developed{warned}, {len(bad)} not")


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape  # noqa: PLC0415 - only where a table is shown
    from rich.table import Table  # noqa: PLC0415

    table = Table()
    heads = list(dict.fromkeys(head for row in rows for head in row))
    for head in heads:
        table.add_column(head, justify="right" if head in _NUMBERS else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(escaped(str(row.get(head, "")))) for head in heads))
    tables.show(table)
