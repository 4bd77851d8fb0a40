"""Runs the flow from the command line."""

from collections.abc import Sequence

import click

from pipelines import graph, prefect_server, services


def run_flow(targets: Sequence[str], *, force: bool, max_parallel: int, stage_timeout_s: float | None) -> int:
    """Run the flow in the current folder; return the exit status.

    Raises:
        ParamsError: a target is no stage, or ``dvc.yaml`` is broken.
        InfrastructureError: Prefect's server does not answer or start.
    """
    graph.read().select(targets)  # a slip of the pen must not cost the start of a server
    with services.interruptible() as interrupted, prefect_server.connected() as api:
        from pipelines.flow import rawline  # noqa: PLC0415 - prefect takes a second, and must know the address first

        click.echo(f"Prefect   {prefect_server.page(api)}")
        state = rawline(
            list(targets) or None, force=force, max_parallel=max_parallel, stage_timeout_s=stage_timeout_s, return_state=True
        )
        click.echo(state.message)
        return 0 if state.is_completed() else 1
    click.echo("Stopped; the processes of the stages that were running have been ended.")
    return interrupted.status
