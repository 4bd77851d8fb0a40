"""The two pages of ``rawline ui`` have a login each."""

import contextlib
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines import ui

LASTING = "rawline:pr3fects-login-that-lasts"


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The logins that MLflow's servers are started with; none is, and nothing is waited for."""
    found: list[str] = []

    def start(login: str, port: int) -> Any:
        found.append(login)
        return SimpleNamespace(address=f"http://127.0.0.1:{port}", port=port, process=SimpleNamespace(pid=port))

    ended = threading.Event()
    ended.set()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(ui, "start_mlflow", start)
    monkeypatch.setattr(ui, "leash", lambda _grace_s: contextlib.nullcontext(SimpleNamespace(hold=lambda _group: None)))
    monkeypatch.setattr(ui, "prepare_database", lambda: None)
    monkeypatch.setattr(ui.interrupts, "interruptible", lambda: contextlib.nullcontext(ended))
    monkeypatch.setattr(ui.services, "ready", lambda service, _health, again: again(service.port + 1))
    monkeypatch.setattr(ui.services, "stop", lambda _service: None)
    monkeypatch.setattr(ui.prefect_server, "configured", lambda: None)
    monkeypatch.setattr(ui.prefect_server, "connected", lambda _port: contextlib.nullcontext("http://127.0.0.1:4200/api"))
    monkeypatch.setattr(ui.prefect_server, "place", lambda: None)
    monkeypatch.setattr(ui.prefect_server, "login", lambda _folder: LASTING)
    return found


def test_the_registrys_door_does_not_depend_on_prefects_login(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Prefect's lasts, and its clients send it to whoever answers; MLflow's is new each time, not for each port."""
    for turn in range(2):
        ui.ui()
        lines = capsys.readouterr().out.splitlines()
        first, second = given[2 * turn :]
        assert first == second
        own = next(place for place, line in enumerate(lines) if f" {first} " in line)
        lasting = next(place for place, line in enumerate(lines) if f" {LASTING} " in line)
        assert lines[own - 1].startswith("MLflow ")
        assert lines[lasting - 1].startswith("Prefect ")
    assert len({*given, LASTING}) == 3
    assert all(len(login.partition(":")[2]) >= 16 for login in given)


def test_mlflows_server_is_held_on_a_leash(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is started again on another port: after kill -9 of the command nothing else would end it."""
    told: list[str | int] = []

    @contextlib.contextmanager
    def leash(_grace_s: float) -> Any:
        yield SimpleNamespace(hold=told.append)
        told.append("let go")

    monkeypatch.setattr(ui, "leash", leash)
    monkeypatch.setattr(ui.services, "stop", lambda service: told.append(f"stopped {service.port}"))
    ui.ui(mlflow_port=7000)
    assert len(given) == 2
    assert told == [7000, 7001, "stopped 7001", "let go"]


def test_no_login_is_printed_for_servers_of_the_user(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They have what the user gave them."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setattr(ui.prefect_server, "configured", lambda: "http://127.0.0.1:2/api")
    ui.ui()
    assert "login" not in capsys.readouterr().out
    assert not given
