"""Prefect's server goes away while stages run: they go on, are booked, and Prefect learns of it when the server is back."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines import prefect_server, services
from tests.projects import make_project

pytestmark = pytest.mark.long
WAIT_S = 1200.0
FLOW = [sys.executable, "-c", "from pipelines.cli import main; main()", "flow"]
IMPATIENT = (
    "from pipelines import flow_server; flow_server.PATIENCE_S = 5; from pipelines.run_flow import run_flow; import sys; "
    "sys.exit(run_flow([], force=False, max_parallel=2, stage_timeout_s=None))"
)
GRAPH = """
    stages:
      a: {cmd: 'echo $$ > pid; while test ! -e go; do sleep 0.2; done; echo run >> runs; echo a > a', outs: [a]}
      b: {cmd: 'touch begun; while test ! -e go-b; do sleep 0.2; done; cp a b', deps: [a], outs: [b]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make two stages that wait for files, a home for Prefect, and a client that gives up after seconds, not minutes."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", str(WAIT_S))
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    monkeypatch.setenv("PREFECT_API_REQUEST_TIMEOUT", "3")
    return make_project(tmp_path / "p", GRAPH)


@pytest.fixture
def server(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[services.Service]]:
    """Run a server that the test may end and start again; the last one in the list lives."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    service = prefect_server.start(services.free_port(4400), project / "logs")
    found = [service]
    try:
        services.wait(service, prefect_server.HEALTH)
        monkeypatch.setenv("PREFECT_API_URL", f"{service.address}/api")
        yield found
    finally:
        services.stop(found[-1])


def until(holds: Callable[[], bool], seconds: float = WAIT_S) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def begin(project: Path, command: list[str] = FLOW) -> "subprocess.Popen[str]":
    """Start the flow and wait until its first stage runs."""
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: (project / "pid").exists() and bool((project / "pid").read_text().strip()))
    return process


def stopped(service: services.Service, number: signal.Signals) -> None:
    for process in (psutil.Process(service.process.pid), *psutil.Process(service.process.pid).children(recursive=True)):
        process.send_signal(number)


def ask(api: str, what: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        f"{api}/{what}/filter", b"{}", headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return list(json.load(answer))


def test_a_server_that_is_away_kills_no_training(project: Path, server: list[services.Service]) -> None:
    """It ends while one stage runs and is back when both are done: each ran once, is booked, and is Completed in Prefect."""
    process, api = begin(project), os.environ["PREFECT_API_URL"]
    services.stop(server[0])
    time.sleep(15)  # beyond every limit of the client's
    assert psutil.pid_exists(int((project / "pid").read_text()))
    (project / "go").touch()
    until((project / "begun").exists)
    time.sleep(5)
    (project / "go-b").touch()
    until(lambda: "b:" in (project / "dvc.lock").read_text())
    assert process.poll() is None, "it waits for the server"
    server.append(prefect_server.start(server[0].port, project / "logs"))
    output, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, output
    assert (project / "runs").read_text() == "run\n"
    (run,) = ask(api, "flow_runs")
    assert (run["state"]["name"], run["state"]["message"]) == ("Completed", "2 ran, 0 cached")
    until(
        lambda: {task["name"]: task["state"]["name"] for task in ask(api, "task_runs")} == dict.fromkeys("ab", "Completed")
    )
    (ended,) = (project / ".rawline" / "executions").glob("*-flow-*.json")
    told = json.loads(ended.read_text())["states"]
    assert {name: state["state"] for name, state in told.items()} == dict.fromkeys("ab", "Completed")


def test_a_server_that_hangs_kills_no_training(project: Path, server: list[services.Service]) -> None:
    """Stopped (SIGSTOP) it takes connections and never answers; the stages go on all the same."""
    process = begin(project)
    stopped(server[0], signal.SIGSTOP)
    try:
        time.sleep(10)
        (project / "go").touch()
        (project / "go-b").touch()
        until(lambda: (project / "dvc.lock").exists() and "b:" in (project / "dvc.lock").read_text())
    finally:
        stopped(server[0], signal.SIGCONT)
    output, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, output


def test_a_server_that_never_returns_is_one_line_and_the_works_own_status(
    project: Path, server: list[services.Service]
) -> None:
    """The flow's patience ends; DVC and MLflow have everything, the status is the stages', a line says what is missing."""
    process = begin(project, [sys.executable, "-c", IMPATIENT])
    services.stop(server[0])
    (project / "go").touch()
    (project / "go-b").touch()
    output, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, output
    assert "has not come back and does not know this end" in output
    assert "2 ran, 0 cached" in output
    assert "b:" in (project / "dvc.lock").read_text()
