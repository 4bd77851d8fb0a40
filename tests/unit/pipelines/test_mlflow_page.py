"""MLflow's page answers nobody but who knows the login."""

import asyncio
import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import mlflow_page, ui
from stages.core.errors import InfrastructureError

LOGIN = "rawline:w0rd"


def ask(kind: str = "http", path: str = "/", method: str = "GET", headers: Any = ()) -> tuple[bool, list[dict[str, Any]]]:
    """Return whether the app behind the door was reached, and what the door itself sent."""
    reached, sent = [], []

    async def app(*_: Any) -> None:
        reached.append(True)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": kind, **({} if kind == "lifespan" else {"path": path, "method": method, "headers": list(headers)})}
    asyncio.run(mlflow_page.guarded(app, LOGIN)(scope, None, send))
    return bool(reached), sent


def basic(login: bytes, scheme: bytes = b"Basic") -> list[tuple[bytes, bytes]]:
    return [(b"authorization", scheme + b" " + base64.b64encode(login))]


def test_the_login_opens_everything() -> None:
    """Pages and sockets, whatever the case of the scheme's name."""
    for kind in ("http", "websocket"):
        for scheme in (b"Basic", b"basic", b"BASIC"):
            assert ask(kind, "/api/x", "POST", basic(LOGIN.encode(), scheme)) == (True, [])


def test_only_the_health_of_the_server_is_open() -> None:
    """What ``services.wait`` asks, and the server's own start; nothing else under that name."""
    assert ask(path="/health")[0]
    assert ask("lifespan")[0]
    for path, method in (("/health/", "GET"), ("//health", "GET"), ("/health", "POST"), ("/x/health", "GET")):
        assert not ask(path=path, method=method)[0]
    assert not ask("websocket", "/health")[0]


@given(st.binary(max_size=12), st.sampled_from([b"Basic", b"Bearer", b""]))
def test_any_other_word_is_refused(word: bytes, scheme: bytes) -> None:
    """With 401 and the challenge that lets a browser ask, on any path."""
    for headers in ([], basic(word, scheme), [(b"authorization", word)], [(b"cookie", LOGIN.encode())]):
        reached, (start, body) = ask(path="/ajax-api/2.0/mlflow/runs/search", method="POST", headers=headers)
        assert not reached
        assert start["status"] == 401
        assert dict(start["headers"])[b"www-authenticate"].startswith(b"Basic ")
        assert b"rawline ui" in body["body"]


def test_without_a_login_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty name or password is none: a server that asks for nothing is not started by mistake."""
    for login in ("", "rawline:", ":word"):
        for name, value in mlflow_page.variables(login).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ValueError, match="no login is set"):
            mlflow_page.create_app()


def test_an_environment_that_knows_no_such_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was installed earlier: a line with the remedy, and no page without a login in its place."""
    monkeypatch.setattr(ui, "entry_points", lambda **_: ())
    with pytest.raises(InfrastructureError, match="pip install --editable"):
        ui.start_mlflow(LOGIN)
