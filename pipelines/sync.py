"""``rawline sync``: sends what MLflow has missed."""

import os
import time

import click

from pipelines import settings
from pipelines.record import closing, delivery, recorder
from pipelines.record.sender import Sender
from stages.core.errors import DataError, InfrastructureError

PATIENCE_S = 20.0


def sync() -> None:
    """Close what was killed and send every journal.

    Raises:
        InfrastructureError: MLflow is still out of reach.
    """
    settings.quiet(os.environ)
    _let_recorders_end()
    found = delivery.deliver_rest(Sender())
    if problems := [problem for problem in found.values() if problem]:
        raise InfrastructureError(f"{problems[0]} ({len(delivery.waiting())} executions wait)")
    left = delivery.waiting()
    if found:
        click.echo(f"{len(found) - len(set(found) & set(left))} executions sent to {settings.tracking_uri()}")
    else:
        click.echo("MLflow has everything." if not left else "Nothing to send: what is unsent still runs.")


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
