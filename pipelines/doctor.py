"""``rawline doctor``: what is wrong with this installation, and the command that mends it or shows more."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import click

from pipelines import settings
from pipelines.redaction import redact

State = Literal["ok", "warn", "broken"]
MARKS: dict[State, tuple[str, str]] = {"ok": ("ok    ", "green"), "warn": ("warn  ", "yellow"), "broken": ("broken", "red")}


@dataclass(frozen=True)
class Finding:
    """One line of the examination.

    Attributes:
        what: what was looked at.
        state: ``ok``; ``warn``: it works, but; ``broken``: something will fail.
        message: what was found.
        mend: a command line of bash, to be pasted in the project's root, that mends it or shows what is to be judged; paths
            in it are quoted, and it deletes nothing that is kept for a person. Empty where no command helps.
        advice: what else a person can do, in words; commands and paths in it are quoted likewise.
    """

    what: str
    state: State
    message: str
    mend: str = ""
    advice: str = ""


Check = Callable[[], Iterator[Finding]]


def doctor() -> int:
    """Examine everything, print a line for each finding; return 1 if something is broken."""
    from pipelines.examinations import CHECKS  # noqa: PLC0415 - it imports this module

    settings.quiet(os.environ)
    broken = False
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # some start a fresh interpreter and import for seconds
        for findings in pool.map(run, CHECKS):
            for finding in findings:
                show(finding)
                broken |= finding.state == "broken"
    return int(broken)


def run(check: Check) -> list[Finding]:
    """Return a check's findings; a check that itself fails is a finding."""
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001 - the examination goes on
        return [Finding(check.__name__, "broken", f"could not be examined: {type(error).__name__}: {error}")]


def show(finding: Finding) -> None:
    """Print a finding, its remedy below."""
    word, colour = MARKS[finding.state]
    click.echo(f"{click.style(word, fg=colour)}  {finding.what:<12} {redact(finding.message)}")
    if finding.mend:
        click.echo(f"{'':8}{'':12} mend: {redact(finding.mend)}")
    if finding.advice:
        click.echo(f"{'':8}{'':12} note: {redact(finding.advice)}")
    sys.stdout.flush()
