"""Serves the flow as a Prefect deployment with a schedule, from one command."""

import contextlib
import hashlib
import os
import uuid
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from pipelines import guard, interrupts, prefect_server, screens, settings
from pipelines.serve_server import Server
from stages.core import files
from stages.core.errors import ParamsError

FLOW = "rawline"
PAGE = 200
PATIENCE_S = 2.0  # for one that is ending


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


def deployment_name(name: str, root: Path) -> str:
    """Return a name that no other project's deployment has: projects share a Prefect server, and many are called alike.

    Args:
        name: as the user gave it.
        root: the project; its place and a mark that is made once in it tell it from its copies, on other machines too.
    """
    mark = settings.root(root) / ".rawline" / "serve-mark"
    if not mark.exists():
        files.write_text(mark, uuid.uuid4().hex)
    told = hashlib.sha256(f"{mark.read_text(encoding='utf-8')} {root.resolve()}".encode()).hexdigest()
    return f"{name}-{root.name}-{told[:8]}"


def _forget_missed(deployment: str) -> None:
    """Delete what the schedule planned while nobody served and is due: one run brings everything up to date.

    Runs to come, runs that a person asked for, runs that were taken and put back, and those of other deployments stay.
    """
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - prefect takes a second
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(f"{FLOW}/{deployment}")
        except ObjectNotFound:
            return
        for run in _due(client, found.id):
            client.delete_flow_run(run.id)


def _due(client: Any, deployment: uuid.UUID) -> list[Any]:
    """Return the runs of a deployment that its schedule planned, whose time has come, and that nobody has taken yet."""
    from prefect.client.schemas import filters  # noqa: PLC0415 - prefect takes a second
    from prefect.client.schemas.objects import StateType  # noqa: PLC0415
    from prefect.client.schemas.sorting import FlowRunSort  # noqa: PLC0415
    from prefect.types import DateTime  # noqa: PLC0415

    wanted = filters.FlowRunFilter(
        deployment_id=filters.FlowRunFilterDeploymentId(any_=[deployment]),
        state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=filters.FlowRunFilterNextScheduledStartTime(before_=DateTime.now("UTC")),
    )
    found: list[Any] = []
    while page := client.read_flow_runs(
        flow_run_filter=wanted, sort=FlowRunSort.START_TIME_ASC, limit=PAGE, offset=len(found)
    ):
        found += page
    return [run for run in found if run.auto_scheduled and not _was_taken(client, run.id)]


def _was_taken(client: Any, run: uuid.UUID) -> bool:
    """Tell whether a run that is scheduled was ever anything else.

    Its history tells, whose entries stay; Prefect replaces the state itself when the run is late, and its message with it.
    """
    return any(not state.is_scheduled() for state in client.read_flow_run_states(run))


def serve(
    cron: str, name: str, zone: str | None = None, max_parallel: int = 2, stage_timeout_s: float | None = None
) -> None:
    """Serve the flow in the current folder until a signal; start a Prefect server where none answers, and stop it again.

    Raises:
        ParamsError: the schedule or the time zone is wrong.
        InfrastructureError: it is served already, or Prefect's server does not answer at first, does not start, or refuses.
    """
    zone = zone or local_zone()
    begin = next_run(cron, zone, datetime.now(UTC))
    root = str(Path.cwd())
    deployment = deployment_name(name, Path.cwd())
    ours = prefect_server.configured() is None
    with interrupts.interruptible(), contextlib.ExitStack() as stack:
        stack.enter_context(guard.serving(deployment, PATIENCE_S))
        api = stack.enter_context(prefect_server.connected())
        screens.guard_screen()
        from prefect.schedules import Cron  # noqa: PLC0415
        from prefect.types.entrypoint import EntrypointType  # noqa: PLC0415 - after the address is known

        from pipelines import serving  # noqa: PLC0415
        from pipelines.flow import rawline  # noqa: PLC0415

        def ready(held: bool) -> None:
            strike = "none while the schedule is paused" if held else f"{begin:%Y-%m-%d %H:%M %Z}"
            click.echo(f"Serving   rawline/{deployment} in {root}")
            click.echo(f"Next run  {strike} (cron '{cron}', {zone}); Ctrl-C stops")

        click.echo(prefect_server.shown(api, ours=ours))
        planned = rawline.to_deployment(
            name=deployment,
            schedule=Cron(cron, timezone=zone),
            paused=False,
            parameters={"root": root, "max_parallel": max_parallel, "stage_timeout_s": stage_timeout_s},
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        serving.serve(planned, Server(api, stack, ours=ours), partial(_forget_missed, deployment), ready)
