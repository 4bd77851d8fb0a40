"""Serves the flow as a Prefect deployment with a schedule, from one command."""

import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import psutil

from pipelines import prefect_server, services
from stages.core.errors import ParamsError

GRACE_S = 90.0


def local_zone() -> str:
    """Return this machine's time zone by its IANA name; UTC where it is not known."""
    link = os.path.realpath("/etc/localtime")
    name = os.environ.get("TZ") or link.partition("zoneinfo/")[2] or "UTC"
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"


def next_run(cron: str, zone: str, now: datetime) -> datetime:
    """Return when a schedule strikes next.

    Args:
        cron: five fields; see crontab(5).
        zone: IANA name.
        now: aware.

    Raises:
        ParamsError: it is no cron line.

    Example:
        >>> next_run("0 2 * * *", "UTC", datetime(2026, 11, 20, 12, tzinfo=UTC)).isoformat()
        '2026-11-21T02:00:00+00:00'
    """
    croniter: Any = import_module("prefect._vendor.croniter").croniter  # the reader that Prefect's scheduler uses; untyped

    try:
        strike: datetime = croniter(cron, now.astimezone(ZoneInfo(zone))).get_next(datetime)
    except (ValueError, KeyError) as error:
        raise ParamsError(
            f"'{cron}' is no schedule ({error}); expected minute hour day month weekday: --cron '0 2 * * *'"
        ) from error
    return strike


@contextlib.contextmanager
def _ending_runs() -> Iterator[None]:
    """End the flow runs that are going on when the block is left: Prefect's runner leaves them behind.

    Each ends the processes of its own stages; Prefect's server must live until then.
    """
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # Prefect's runner leaves a cancelled reader's traceback there
    before = psutil.Process().children()
    try:
        yield
    finally:
        runs = [child for child in psutil.Process().children() if child not in before and _is_run(child)]
        for run in runs:
            with contextlib.suppress(psutil.NoSuchProcess):
                run.terminate()
        for run in psutil.wait_procs(runs, timeout=GRACE_S)[1]:
            run.kill()


def _is_run(process: psutil.Process) -> bool:
    """Tell a flow run from Python's own helper, which is deaf to SIGTERM and ends with us."""
    with contextlib.suppress(psutil.Error):
        return "multiprocessing" not in " ".join(process.cmdline())
    return False


def _forget_missed(deployment: str) -> None:
    """Delete runs that were due while nobody served: one run brings everything up to date, a backlog only repeats it."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - prefect takes a second
    from prefect.client.schemas import filters  # noqa: PLC0415
    from prefect.client.schemas.objects import StateType  # noqa: PLC0415
    from prefect.client.schemas.sorting import FlowRunSort  # noqa: PLC0415

    kind = filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED])
    with get_client(sync_client=True) as client:
        missed = client.read_flow_runs(
            flow_run_filter=filters.FlowRunFilter(state=filters.FlowRunFilterState(type=kind)),
            deployment_filter=filters.DeploymentFilter(name=filters.DeploymentFilterName(any_=[deployment])),
            sort=FlowRunSort.START_TIME_ASC,
            limit=200,
        )
        for run in missed:
            client.delete_flow_run(run.id)


def serve(
    cron: str, name: str, zone: str | None = None, max_parallel: int = 2, stage_timeout_s: float | None = None
) -> None:
    """Serve the flow in the current folder until Ctrl-C; start a Prefect server where none answers, and stop it again.

    Raises:
        ParamsError: the schedule or the time zone is wrong.
        InfrastructureError: Prefect's server does not answer or start.
    """
    zone = zone or local_zone()
    begin = next_run(cron, zone, datetime.now(UTC))
    root = str(Path.cwd())
    deployment = f"{name}-{Path.cwd().name}"  # projects share a Prefect server; one must not run another's schedule
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs deaf to it
    with services.interruptible(signal.SIGTERM), prefect_server.connected() as api:
        from prefect.schedules import Cron  # noqa: PLC0415
        from prefect.types.entrypoint import EntrypointType  # noqa: PLC0415 - after the address is known

        from pipelines.flow import rawline  # noqa: PLC0415

        click.echo(f"Prefect   {prefect_server.page(api)}")
        click.echo(f"Serving   rawline/{deployment} in {root}")
        click.echo(f"Next run  {begin:%Y-%m-%d %H:%M %Z} (cron '{cron}', {zone}); Ctrl-C stops")
        _forget_missed(deployment)
        with _ending_runs():
            rawline.serve(
                name=deployment,
                schedule=Cron(cron, timezone=zone),
                parameters={"root": root, "max_parallel": max_parallel, "stage_timeout_s": stage_timeout_s},
                limit=1,
                print_starting_message=False,
                entrypoint_type=EntrypointType.MODULE_PATH,
            )
    click.echo("Stopped; the schedule is paused until the next rawline serve.")
