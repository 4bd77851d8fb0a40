"""Runs what a deployment's schedule has planned, one run at a time, and outlives the server that planned it.

In place of Prefect's own runner (3.8), which ends for good when its server is away for some minutes, kills the run that is
going on then, and leaves it behind when it is ended itself.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click
import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed, Crashed, Failed, Pending, Scheduled

from pipelines import serve_pause, served_run
from pipelines.dvc_stage import end_group
from pipelines.leash import leash
from pipelines.serve_server import Server, is_outage, refusal
from stages.core.errors import InfrastructureError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

QUERY_S = 5.0  # between two questions for runs that are due
LOOK_S = 0.25
PAGE = 200
GRACE_S = 90.0  # for a run to end its stages and to close the record
LATE = {served_run.COMPLETED: Completed, served_run.FAILED: Failed, served_run.CANCELLED: Cancelled}
T = TypeVar("T")


def serve(deployment: Any, server: Server, forget: Callable[[], None], ready: Callable[[bool], None]) -> None:
    """Register a deployment and run what is due until a signal interrupts; then pause its schedule.

    A schedule that somebody else paused, also a ``rawline serve`` of before, stays so; runs that a person asks for go on.

    Args:
        deployment: Prefect's ``RunnerDeployment`` of the flow ``pipelines.flow.rawline``; nobody else serves it.
        server: where it is registered, waited for when it is away.
        forget: deletes what was planned while nobody served.
        ready: called when the deployment is served; told whether its schedule is paused.

    Raises:
        InfrastructureError: the server answers and refuses.
    """
    patiently(server, forget)
    number = _register(deployment, server)
    try:
        patiently(server, partial(_forget_lost, number))
        ready(serve_pause.is_held(deployment))
        while True:
            losses, due = server.losses, patiently(server, partial(_due, number))
            for run in due or ():
                _run(run, server)
            if due is None or server.losses > losses:  # deleted, or the server may have come back without its database
                number = _register(deployment, server)
            time.sleep(QUERY_S)
    finally:
        _pause(number, server)


def patiently(server: Server, ask: Callable[[], T]) -> T:
    """Return what the server answers; wait for it as long as it is away.

    Raises:
        InfrastructureError: it answers and refuses.
    """
    while True:
        try:
            return ask()
        except (httpx.HTTPError, OSError, RuntimeError) as error:
            if (refused := refusal(error)) and not server.has_moved():
                raise InfrastructureError(
                    f"Prefect's server at {server.page} refuses ({refused}); look at PREFECT_API_URL and "
                    "PREFECT_API_AUTH_STRING, then start rawline serve again"
                ) from error
            if not refused and not is_outage(error):
                raise
            why = f"{type(error).__name__}: {error}"
        server.wait(why)


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def _register(deployment: Any, server: Server) -> UUID:
    number = patiently(server, partial(serve_pause.register, deployment))
    if serve_pause.is_held(deployment):
        page = f"{server.page}/deployments/deployment/{number}"
        click.echo(f"rawline: the schedule is paused, and not by this serve; it stays so; resume it at {page}", err=True)
    return number


def _due(deployment: UUID) -> list[UUID] | None:
    """Return the run whose turn it is, if any: one at a time, since what is due may change while it goes on.

    Returns:
        None where the server does not know the deployment any more.
    """
    with _client() as client:
        found = client.get_scheduled_flow_runs_for_deployments([deployment], scheduled_before=datetime.now(UTC), limit=1)
        if not found:
            try:
                client.read_deployment(deployment)
            except ObjectNotFound:
                click.echo(
                    "rawline: Prefect's server does not know the deployment any more; it is registered again", err=True
                )
                return None
    return [run.id for run in found]


def _run(run: UUID, server: Server) -> None:
    """Run a flow run to its end, in a process group of its own that does not outlive this process."""
    if not patiently(server, partial(_take, run)):
        return
    status: int | None = None
    try:
        status = _work(run, server)
    finally:
        if status is None:  # we are being ended: the run has told its end, or there is no time to wait until it can
            with suppress(Exception):
                _settle(run, None)
    patiently(server, partial(_settle, run, status))


def _take(run: UUID) -> bool:
    """Tell the server that the run begins; False where it was cancelled or deleted a moment ago.

    A run that is Pending was taken before, and the answer was lost: nobody else serves this deployment.
    """
    with _client() as client:
        try:
            if client.set_flow_run_state(run, Pending()).status is SetStateStatus.ACCEPT:
                return True
            state = client.read_flow_run(run).state
        except ObjectNotFound:
            return False
    return state is not None and state.is_pending()


def _work(run: UUID, server: Server) -> int:
    with leash(GRACE_S) as held:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.served_run", str(run)], stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            held.hold(process.pid)
            while process.poll() is None:
                time.sleep(LOOK_S)
                server.tend()
        finally:
            end_group(process, GRACE_S)
            process.wait()
    return process.returncode


def _settle(run: UUID, status: int | None) -> None:
    """Tell the server how a run ended whose process could not, and put one back that had not begun.

    Args:
        run: its id.
        status: its process's exit status; None where it was ended together with the ``rawline serve`` that ran it.
    """
    with _client() as client:
        try:
            state = client.read_flow_run(run).state
        except ObjectNotFound:
            return
        if state is None or not state.is_final():
            client.set_flow_run_state(run, _end(state, status), force=True)


def _end(state: "State[Any] | None", status: int | None) -> "State[Any]":
    """Return the state of a run whose process has ended; Scheduled where it had not begun, so that it is taken again.

    A run that the server calls Running may not have begun all the same, when the answer to that was lost.
    """
    if state and state.is_cancelling():
        return Cancelled(message="its process has ended")
    if status == served_run.NOT_BEGUN or (status is None and state and state.is_pending()):
        return Scheduled(message="it had not begun when its process ended; it is taken again")
    if status is None:
        return Crashed(message="the rawline serve that ran it was ended")
    if status in LATE:
        return LATE[status](message="told late: the server was away; DVC and MLflow have it all")
    return Crashed(message=f"its process ended with status {status} without a word; MLflow's record says more")


def _forget_lost(deployment: UUID) -> None:
    """Settle the runs of a killed ``rawline serve``: nobody else serves this deployment, so nobody works on them."""
    from prefect.client.schemas import filters  # noqa: PLC0415 - only here
    from prefect.client.schemas.objects import StateType  # noqa: PLC0415
    from prefect.client.schemas.sorting import FlowRunSort  # noqa: PLC0415

    going_on = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    wanted = filters.FlowRunFilter(
        deployment_id=filters.FlowRunFilterDeploymentId(any_=[deployment]),
        state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=going_on)),
    )
    with _client() as client:
        for run in client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.START_TIME_ASC, limit=PAGE):
            client.set_flow_run_state(run.id, _end(run.state, None), force=True)


def _pause(deployment: UUID, server: Server) -> None:
    """Pause the schedule, so that nothing is planned while nobody serves; a server that is away is not waited for."""
    if server.answers():
        with suppress(httpx.HTTPError, OSError, RuntimeError):
            try:
                ours = serve_pause.pause(deployment)
            except ObjectNotFound:
                click.echo("Stopped; Prefect's server does not know the deployment any more.")
            else:
                words = (
                    "is paused until the next rawline serve"
                    if ours
                    else "stays paused, as it was found or left on Prefect's page"
                )
                click.echo(f"Stopped; the schedule {words}.")
            return
    click.echo("Stopped; Prefect's server does not answer and goes on planning runs, which the next rawline serve deletes.")
