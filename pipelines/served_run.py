"""Runs one flow run of a served schedule, in a process of its own that ``rawline serve`` holds on a leash."""

import os
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from pipelines import screens
from pipelines.serve_server import is_away, refusal

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

COMPLETED, FAILED, CANCELLED = 0, 3, 4  # how the work ended: no status that Python or a signal gives
UNTOLD = 1
NOT_BEGUN = os.EX_TEMPFAIL  # Prefect's server was lost before it had said that the run may begin


def run(flow_run: UUID) -> int:
    """Run the flow for a run that Prefect's server knows.

    Args:
        flow_run: its id; parameters come from the server.

    Returns:
        The exit status, which tells how the work ended also when the server does not answer any more; see above.
    """
    from prefect.engine import handle_engine_signals  # noqa: PLC0415 - prefect takes a second
    from prefect.flow_engine import load_flow_run, run_flow  # noqa: PLC0415

    from pipelines.flow import REACHED, rawline  # noqa: PLC0415

    reached: list[State[Any]] = []
    REACHED.set(reached)
    with handle_engine_signals(flow_run):
        try:
            run_flow(rawline, flow_run=load_flow_run(flow_run), return_type="state")
        except Exception as error:
            if not reached:
                if is_away(error) or refusal(error):
                    click.echo(f"rawline: the run had not begun when Prefect's server was lost: {error!r}", err=True)
                    return NOT_BEGUN
                raise
    return _status(reached)


def _status(reached: "list[State[Any]]") -> int:
    """Return what tells the last state that the flow reached; one that was left by an exception is Failed, as to Prefect."""
    if not reached:
        return UNTOLD
    if reached[-1].is_completed():
        return COMPLETED
    return CANCELLED if reached[-1].is_cancelled() else FAILED


if __name__ == "__main__":
    screens.guard_screen()
    sys.exit(run(UUID(sys.argv[1])))
