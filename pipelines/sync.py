"""``rawline sync``: sends what MLflow has missed."""

import os

import click

from pipelines import settings
from pipelines.record import delivery
from pipelines.record.sender import Sender
from stages.core.errors import InfrastructureError


def sync() -> None:
    """Close what was killed and send every journal.

    Raises:
        InfrastructureError: MLflow is still out of reach.
    """
    settings.quiet(os.environ)
    found = delivery.deliver_rest(Sender())
    if problems := [problem for problem in found.values() if problem]:
        raise InfrastructureError(f"{problems[0]} ({len(delivery.waiting())} executions wait)")
    left = delivery.waiting()
    if found:
        click.echo(f"{len(found) - len(set(found) & set(left))} executions sent to {settings.tracking_uri()}")
    else:
        click.echo("MLflow has everything." if not left else "Nothing to send: what is unsent still runs.")
