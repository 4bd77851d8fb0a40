"""One Prefect server per user: shared while anyone uses it, ended after the last one, never mistaken for another's."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
from prefect.settings import PREFECT_HOME, temporary_settings

from pipelines import prefect_server, services
from pipelines.record import identity, locks, processes
from stages.core import files
from stages.core.errors import InfrastructureError
from tests.pipeline.prefect_users import User, own_home, until


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a PREFECT_HOME of its own, and see that no server of it is left."""
    yield from own_home(tmp_path, monkeypatch)


@pytest.mark.long
def test_two_that_start_together_share_a_server_that_the_last_one_ends(tmp_path: Path, home: Path) -> None:
    """Two projects at the same moment get one server; the first to leave, also by kill -9, takes it from nobody."""
    port = services.free_port(4310)
    users = [User(port, tmp_path / name) for name in ("one", "two", "three")]
    addresses = {user.api() for user in users}
    assert len(addresses) == 1, addresses
    (api,) = addresses
    users[0].leave()
    users[1].process.kill()
    users[1].process.communicate()
    time.sleep(2)
    assert prefect_server.answers(api)
    users[2].leave()
    assert not services.answers(f"{api}/health")
    assert not list(home.glob("rawline/*/server.json"))


@pytest.mark.long
def test_two_homes_that_start_together_never_take_each_others_server(tmp_path: Path) -> None:
    """Both try the same port; each ends up with a server of its own over its own database."""
    port = services.free_port(4330)
    users = [User(port, tmp_path / name, tmp_path / name / "home") for name in ("mine", "yours")]
    first, second = (user.api() for user in users)
    assert first.startswith("http")
    assert second.startswith("http")
    assert first != second
    users[0].leave()
    assert prefect_server.answers(second)
    users[1].leave()
    assert not services.answers(f"{second}/health")
    for user in ("mine", "yours"):
        until(lambda user=user: not any(locks.is_held(k) for k in (tmp_path / user).glob("home/rawline/*/keeper.lock")))


@pytest.mark.long
def test_a_killed_user_or_keeper_leaves_no_server(tmp_path: Path, home: Path) -> None:
    """Kill -9 of the server brings it back there, of the last user ends it, of the keeper ends it too."""
    user = User(services.free_port(4350), tmp_path)
    api = user.api()
    (note,) = home.glob("rawline/*/server.json")
    server = psutil.Process(json.loads(note.read_text())["pid"])
    for process in (server, *server.children(recursive=True)):
        process.kill()
    until(lambda: note.exists() and json.loads(note.read_text())["pid"] != server.pid and prefect_server.answers(api))
    user.process.kill()
    user.process.communicate()
    until(lambda: not services.answers(f"{api}/health", 1) and not note.exists())
    again = User(services.free_port(4350), tmp_path)
    api = again.api()
    keeper = psutil.Process(json.loads(note.read_text())["pid"]).parent()
    assert keeper
    assert "pipelines.prefect_keeper" in keeper.cmdline()
    keeper.kill()
    until(lambda: not services.answers(f"{api}/health", 1))
    again.leave()


class _Healthy(BaseHTTPRequestHandler):
    """Answers everything with success, as a foreign server might."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def foreign() -> Iterator[HTTPServer]:
    """Run another program's server in this process."""
    server = HTTPServer((services.HOST, 0), _Healthy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_note_is_believed_only_of_the_process_that_listens(tmp_path: Path, foreign: HTTPServer) -> None:
    """A dead process, another one with its number, one that does not listen there, a torn note: none is our server."""
    api = f"http://{services.HOST}:{foreign.server_port}/api"
    me = processes.owner().noted()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        stranger = processes.owner(other.pid).noted()
        notes = {
            "ours": ({"api": api, **me}, api),
            "a later process": ({"api": api, **me, "start": "x:1", "created_ms": me["created_ms"] - 90_000}, None),
            "does not listen": ({"api": api, **stranger}, None),
            "elsewhere": ({"api": api.replace(str(foreign.server_port), str(services.free_port(4990))), **me}, None),
            "no process": ({"api": api}, None),
            "no note": ([], None),
        }
        for name, (note, told) in notes.items():
            files.write_json(tmp_path / prefect_server.NOTE, note)
            assert prefect_server.announced(tmp_path) == told, name
        other.kill()
    files.write_json(tmp_path / prefect_server.NOTE, {"api": api, **stranger})
    assert prefect_server.announced(tmp_path) is None
    (tmp_path / prefect_server.NOTE).write_text('{"api": "ht')
    assert prefect_server.announced(tmp_path) is None


def test_another_program_on_the_port_is_passed_over(tmp_path: Path, foreign: HTTPServer) -> None:
    """It answers with success and is not taken for ours, also when it was faster after the port had been found free."""

    def begin(port: int) -> services.Service:
        code = (
            "import http.server, sys; http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), "
            "http.server.SimpleHTTPRequestHandler).serve_forever()"
        )
        command = [sys.executable, "-c", code, str(port)]
        return services.start("a server", command, f"http://{services.HOST}:{port}", tmp_path / "log", {})

    service = services.ready(begin(foreign.server_port), "/", lambda port: begin(services.free_port(port)))
    try:
        assert service.port > foreign.server_port
        assert services.listens(service.process.pid, service.port)
    finally:
        services.stop(service)


def test_a_server_that_ends_at_once_is_one_line(tmp_path: Path) -> None:
    """Its last word is quoted, and no other port is tried."""
    port = services.free_port(4995)
    begun: list[int] = []

    def begin(at: int) -> services.Service:
        begun.append(at)
        command = [sys.executable, "-c", "print('no such module'); raise SystemExit(3)"]
        return services.start("a server", command, f"http://{services.HOST}:{at}", tmp_path / "log", {})

    with pytest.raises(services.InfrastructureError, match="a server ended with status 3: no such module"):
        services.ready(begin(port), "/", begin)
    assert begun == [port]


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """The folder is named, and what to set."""
    (tmp_path / "file").write_text("no folder")
    with (
        temporary_settings({PREFECT_HOME: tmp_path / "file"}),
        pytest.raises(services.InfrastructureError, match="set PREFECT_HOME"),
    ):
        prefect_server.place()


def test_the_place_is_the_users_and_the_machines(home: Path) -> None:
    """Not the project's; another machine with the same home, and another version of Prefect, have their own."""
    with temporary_settings({PREFECT_HOME: home}):
        folder = prefect_server.place()
    assert folder.is_relative_to(home)
    assert socket.gethostname() in folder.name
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.long
@pytest.mark.parametrize("noted", [True, False])
def test_a_server_that_does_not_answer_is_named(noted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line: which server, how long it was waited for, what to do; its keeper has said nothing."""
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "0.2")
    monkeypatch.setattr(prefect_server, "answers", lambda _: False)
    (tmp_path / "keeper.log").touch()
    if noted:
        note = {"api": "http://127.0.0.1:1/api", **processes.owner().noted()}
        files.write_json(tmp_path / "server.json", note)
    words = f"http://127.0.0.1:1/api .process {os.getpid()}. has not answered for . s; .*kill -9" if noted else "fuser"
    shared = prefect_server._shared(tmp_path, 1)
    with locks.locked(tmp_path / "keeper.lock", 1), pytest.raises(InfrastructureError, match=words):
        shared.__enter__()


@pytest.mark.parametrize(("word", "told"), [("no such module", "no such module"), ("", "status 3 without a word")])
def test_a_keeper_that_dies_at_once_is_not_waited_for(
    word: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the limit of the start, with its last line; nothing of it is left in the list of processes."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nprintf '{word}' >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    begun, children = time.monotonic(), psutil.Process().children()
    with pytest.raises(InfrastructureError, match=told):
        prefect_server._shared(tmp_path, 1).__enter__()
    assert time.monotonic() - begun < services.startup_s()
    assert psutil.Process().children() == children


def test_containers_with_one_home_and_host_name_have_servers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither sees the other's processes, or neither reaches the other's ports; the same container finds its own again."""
    places = []
    for boot, namespace, network in (("a", "1", "1"), ("a", "2", "1"), ("b", "1", "1"), ("a", "1", "2"), ("a", "1", "1")):
        monkeypatch.setattr(processes, "boot", lambda boot=boot: boot)
        monkeypatch.setattr(identity, "namespace", lambda namespace=namespace: namespace)
        monkeypatch.setattr(identity, "network", lambda network=network: network)
        places.append(prefect_server.place())
    assert len({*places}) == 4
    assert places[0] == places[4]
