"""Runs the flow from the command line."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pipelines import graph, interrupts, prefect_server, screens
from stages.core.errors import InfrastructureError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

RECORD = "DVC and MLflow have it all"


def run_flow(targets: Sequence[str], *, force: bool, max_parallel: int, stage_timeout_s: float | None) -> int:
    """Run the flow in the current folder; return the exit status.

    Raises:
        ParamsError: a target is no stage, or ``dvc.yaml`` is broken.
        InfrastructureError: Prefect's server does not answer or start.
    """
    graph.read().select(targets)  # a slip of the pen must not cost the start of a server
    ours = prefect_server.configured() is None
    with interrupts.interruptible() as interrupted, prefect_server.connected() as api:
        screens.guard_screen()
        click.echo(prefect_server.shown(api, ours=ours))
        state = _conclusion(list(targets), force=force, max_parallel=max_parallel, stage_timeout_s=stage_timeout_s)
        click.echo(state.message)
        return 0 if state.is_completed() else 1
    click.echo("Stopped; the processes of the stages that were running have been ended.")
    return interrupted.status


def _conclusion(targets: list[str], **options: Any) -> "State[Any]":
    """Run the flow and return its last state, also when Prefect's server went away and never heard of it."""
    from pipelines.flow import REACHED, rawline  # noqa: PLC0415 - prefect takes a second, and must know the address first

    reached: list[State[Any]] = []
    REACHED.set(reached)
    try:
        return rawline(targets or None, **options, return_state=True)
    except Exception as error:
        if prefect_server.answers(str(os.environ["PREFECT_API_URL"])) or (reached and not reached[-1].is_final()):
            raise
        if not reached:
            raise InfrastructureError("Prefect's server went away before the work began; run it again") from error
        click.echo(f"rawline: Prefect's server has not come back and does not know this end; {RECORD}", err=True)
        return reached[-1]
