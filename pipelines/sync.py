"""``rawline sync``: sends what MLflow has missed."""

import os
import time
from collections.abc import Mapping

import click

from pipelines import settings
from pipelines.record import closing, database, delivery, quarantine, recorder
from pipelines.record.sender import Sender
from pipelines.redaction import redact
from stages.core.errors import DataError, InfrastructureError

PATIENCE_S = 20.0


def sync() -> None:
    """Close what was killed and send every journal.

    Raises:
        InfrastructureError: MLflow is still out of reach.
        DataError: something could not be read and was set aside.
    """
    settings.quiet(os.environ)
    _let_recorders_end()
    database.prepare()  # its addresses follow a project that was moved
    before = quarantine.listed()
    found = delivery.deliver_rest(Sender())
    problems = [f"{problem} ({name})" for name, problem in found.items() if problem]
    left = delivery.waiting()
    if sent := len(found) - len(set(found) & set(left)):
        click.echo(f"{sent} executions sent to {redact(settings.tracking_uri())}")
    elif not problems and not quarantine.listed():
        click.echo("MLflow has everything." if not left else "Nothing to send: what is unsent still runs.")
    _tell_set_aside(before)
    if problems:
        raise InfrastructureError(f"{problems[0]}; {len(left)} executions wait")
    if aside := [name for name in quarantine.listed() if name != quarantine.LOOSE]:
        raise DataError(f"of {len(aside)} executions not all could be read; see {quarantine.folder()}, and rawline doctor")


def _tell_set_aside(before: Mapping[str, list[str]]) -> None:
    """Name each file that was set aside now."""
    for name, lines in quarantine.listed().items():
        for line in lines[len(before.get(name, [])) :]:
            click.echo(f"rawline: set aside: {name}: {line.partition(' UTC: ')[2] or line}", err=True)


def _let_recorders_end() -> None:
    """Wait for recorders of executions that are over: each tries some seconds longer before it gives up."""
    end = time.monotonic() + PATIENCE_S
    while any(_is_ending(execution) for execution in delivery.waiting()) and time.monotonic() < end:
        time.sleep(0.2)


def _is_ending(execution: str) -> bool:
    try:
        return recorder.is_running(execution) and closing.is_over(execution)
    except (DataError, FileNotFoundError):  # its recorder has just put it away
        return False
