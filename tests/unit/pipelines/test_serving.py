"""A schedule outlives its server: it is waited for aloud, and started again where it is ours."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect import flow_engine
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Cancelling, Completed, Failed, Late, Pending, Running, Scheduled

from pipelines import flow, prefect_server, serve, serve_server, served_run, serving
from pipelines.serve_server import Server
from stages.core.errors import InfrastructureError

API = "http://127.0.0.1:1/api"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_S", "TEND_S"):
        monkeypatch.setattr(serve_server, name, 0.0)


def answering(monkeypatch: pytest.MonkeyPatch, *answers: bool) -> None:
    """Have the server's health be this, one question after the other, and good from then on."""
    left = iter(answers)
    monkeypatch.setattr(prefect_server, "answers", lambda *_: next(left, True))


def refusing(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", API)
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, request=request))


class Asked:
    """A question that fails with each of the errors, and is answered then."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    def __call__(self) -> str:
        """Fail or answer."""
        if self._errors:
            raise self._errors.pop(0)
        return "well"


def wrapped() -> RuntimeError:
    error = RuntimeError("Error while applying deployment")
    error.__cause__ = httpx.ConnectError("refused")
    return error


def test_a_server_that_is_away_is_waited_for_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However often it fails and however it is wrapped: one line when it goes, one when it is back."""
    answering(monkeypatch, *[False] * 50)
    server = Server(API, contextlib.ExitStack(), ours=False)
    assert serving.patiently(server, Asked(httpx.ConnectError("refused"), wrapped(), refusing(503))) == "well"
    assert server.losses == 1
    said = capsys.readouterr().err
    assert said.count("is away; the schedule waits for it") == 1
    assert said.count("the schedule goes on") == 1


@pytest.mark.parametrize("status", serve_server.REFUSALS)
def test_a_server_that_refuses_is_one_line(status: int) -> None:
    """To wait would be in vain: the line has the server's word and what to look at."""
    server = Server(API, contextlib.ExitStack(), ours=False)
    with pytest.raises(InfrastructureError, match=f"refuses .{status}.*PREFECT_API_AUTH_STRING"):
        serving.patiently(server, Asked(refusing(status)))


@pytest.mark.parametrize("error", [RuntimeError("a slip"), refusing(422), KeyError("x")])
def test_a_slip_of_ours_is_not_taken_for_an_outage(error: Exception) -> None:
    """It is shown, not tried again for ever."""
    server = Server(API, contextlib.ExitStack(), ours=False)
    with pytest.raises(type(error)):
        serving.patiently(server, Asked(error))


def test_our_own_server_is_started_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Also at another address, which Prefect then uses; a failed attempt is said once and made again; a run tends it too."""
    told: list[str | InfrastructureError] = [InfrastructureError("no port is free")] * 3
    again = "http://127.0.0.1:2/api"

    def restored(api: str) -> str:
        assert api == API
        if told:
            raise InfrastructureError(str(told.pop()))
        return again

    used: list[str] = []
    monkeypatch.setattr(prefect_server, "restored", restored)
    monkeypatch.setattr(prefect_server, "using", lambda api: contextlib.nullcontext(used.append(api)))
    monkeypatch.setattr(prefect_server, "place", lambda: tmp_path)
    monkeypatch.setattr(prefect_server, "announced", lambda _folder: again)  # whoever answers at the old address is not ours
    answering(monkeypatch, True)
    server = Server(API, contextlib.ExitStack(), ours=True)
    assert server.has_moved()
    server.wait("refused")
    assert (server.api, used) == (again, [again])
    assert capsys.readouterr().err.count("no port is free") == 1
    server = Server(API, contextlib.ExitStack(), ours=True)
    server.tend()
    assert server.api == again


RUN = uuid4()


def engine(monkeypatch: pytest.MonkeyPatch, *steps: State[Any] | Exception) -> None:
    """Have Prefect's engine go through these states of the flow, or fail there."""

    def run_flow(*_: Any, **__: Any) -> None:
        reached = flow.REACHED.get()
        assert reached is not None
        for step in steps:
            if isinstance(step, Exception):
                raise step
            reached.append(step)

    monkeypatch.setattr(flow_engine, "load_flow_run", lambda _run: None)
    monkeypatch.setattr(flow_engine, "run_flow", run_flow)


LOST = httpx.ConnectError("refused")


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([LOST], served_run.NOT_BEGUN),
        ([refusing(503)], served_run.NOT_BEGUN),
        ([refusing(401)], served_run.NOT_BEGUN),  # another program at the address of a server that went
        ([Running(), Completed(), LOST], served_run.COMPLETED),
        ([Running(), Failed(), LOST], served_run.FAILED),
        ([Running(), Cancelled(), LOST], served_run.CANCELLED),
        ([Running(), ValueError("a slip")], served_run.FAILED),
        ([Running(), Completed()], served_run.COMPLETED),
        ([], served_run.UNTOLD),
    ],
)
def test_the_exit_status_of_a_served_run_tells_what_became_of_it(
    monkeypatch: pytest.MonkeyPatch, steps: list[State[Any] | Exception], status: int
) -> None:
    """Also when the server is lost: whether it began, and how it ended."""
    engine(monkeypatch, *steps)
    assert served_run.run(RUN) == status


def test_a_slip_of_ours_before_a_served_run_begins_is_no_lost_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be taken again for ever."""
    engine(monkeypatch, ValueError("a slip"))
    with pytest.raises(SystemExit) as ended:
        served_run.run(RUN)
    assert ended.value.code == served_run.UNTOLD


@pytest.mark.parametrize(
    ("before", "status", "after"),
    [
        (Pending(), served_run.NOT_BEGUN, "SCHEDULED"),
        (Running(), served_run.NOT_BEGUN, "SCHEDULED"),  # the answer that it may begin was lost
        (Pending(), None, "SCHEDULED"),
        (Running(), None, "CRASHED"),
        (Pending(), served_run.UNTOLD, "CRASHED"),
        (Running(), -9, "CRASHED"),
        (Running(), served_run.COMPLETED, "COMPLETED"),
        (Running(), served_run.FAILED, "FAILED"),
        (Running(), served_run.CANCELLED, "CANCELLED"),
        (Cancelling(), served_run.NOT_BEGUN, "CANCELLED"),
        (Cancelling(), None, "CANCELLED"),
        (Failed(), served_run.NOT_BEGUN, None),
    ],
)
def test_what_the_server_was_not_told_is_told_late(
    monkeypatch: pytest.MonkeyPatch, before: State[Any], status: int | None, after: str | None
) -> None:
    """By the state it knows and the status of the run's process; what has not begun goes back to be taken, never lost."""
    told: list[State[Any]] = []

    @contextlib.contextmanager
    def client() -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(
            read_flow_run=lambda _run: SimpleNamespace(state=before),
            set_flow_run_state=lambda _run, state, force: told.append(state),
        )

    monkeypatch.setattr(serving, "_client", client)
    serving._settle(RUN, status)
    assert [str(state.type.value) for state in told] == [after] * bool(after)


def test_a_run_that_was_put_back_is_not_among_the_missed() -> None:
    """It was promised to be taken again, also when Prefect has called it late since; what nobody ever took goes."""
    told = serving._end(Pending(), None)
    taken = [Scheduled(), Pending(), told]
    histories = {"missed": [Scheduled(), Late()], "put back": taken, "late since": [*taken, Late()]}
    runs = [SimpleNamespace(id=name, auto_scheduled=True) for name in histories]
    client = SimpleNamespace(
        read_flow_runs=lambda offset, **_: runs[offset:], read_flow_run_states=lambda run: histories[run]
    )
    assert [run.id for run in serve._due(client, RUN)] == ["missed"]


@pytest.mark.parametrize("held", [True, False])
def test_a_pause_without_our_mark_is_not_called_a_persons(
    held: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rawline serve of before left none: the line says what is known, and where the schedule is resumed."""
    monkeypatch.setattr(serving.serve_pause, "register", lambda _deployment: RUN)
    serving._register(SimpleNamespace(paused=held, schedules=[]), Server(API, contextlib.ExitStack(), ours=False))
    said = capsys.readouterr().err
    assert bool(said) == held
    assert "by hand" not in said
    assert not held or (f"/deployments/deployment/{RUN}" in said and "not by this serve" in said)
