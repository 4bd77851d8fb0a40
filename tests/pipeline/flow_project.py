"""A Prefect server of the tests' own, the flow's command, and questions to both."""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines import prefect_server, services

RAWLINE = [sys.executable, "-c", "from pipelines.cli import main; main()"]
WAIT_S = 1200.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one Prefect server with its own home, and keep MLflow's record beside it."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        patch.setenv("RAWLINE_ROOT", str(home))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db")
        patch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", str(WAIT_S))
        patch.delenv("PREFECT_API_URL", raising=False)

        def begin(port: int) -> services.Service:
            return prefect_server.start(services.free_port(port))

        service = services.ready(begin(4300), prefect_server.HEALTH, begin)  # another worker may start one at this moment
        with services.running(service, prefect_server.HEALTH):
            patch.setenv("PREFECT_API_URL", f"{service.address}/api")
            patch.delenv("RAWLINE_ROOT")
            yield f"{service.address}/api"


def ask(api: str, what: str, **body: Any) -> list[dict[str, Any]]:
    """Ask Prefect's server for flow runs, task runs or artifacts."""
    return list(order(api, f"{what}/filter", **body))


def order(api: str, what: str, **body: Any) -> Any:
    """Have Prefect's server do something; with the login of PREFECT_API_AUTH_STRING, if any."""
    login = base64.b64encode(os.environ.get("PREFECT_API_AUTH_STRING", "").encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        f"{api}/{what}",
        json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **({"Authorization": f"Basic {login}"} if login else {})},
    )
    end = time.monotonic() + WAIT_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:  # a busy server asks to be asked again
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > end:
                raise
            time.sleep(1)


def tasks(api: str) -> list[dict[str, Any]]:
    """Return the task runs of the flow run that began last."""
    return ask(api, "task_runs", task_runs={"flow_run_id": {"any_": [latest(api)["id"]]}})


def states(api: str) -> dict[str, str]:
    """Return the state's name of each task run of the flow run that began last."""
    return {task["name"]: task["state"]["name"] for task in tasks(api)}


def shows(api: str, expected: dict[str, str]) -> None:
    """Wait until the flow run that began last shows these states: Prefect takes them in by and by."""
    end = time.monotonic() + WAIT_S
    while (found := states(api)) != expected:
        assert time.monotonic() < end, found
        time.sleep(0.2)


def latest(api: str) -> dict[str, Any]:
    """Return the flow run that began last."""
    return ask(api, "flow_runs", sort="START_TIME_DESC", limit=1)[0]


def flow(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RAWLINE, "flow", *arguments],
        cwd=root,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=1800,
    )


def works(process: psutil.Process) -> bool:
    """Tell whether a process lives and is not the recorder, which ends when it has written down the end."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "pipelines.record.recorder" not in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def alive(pid: Path) -> bool:
    try:
        return psutil.Process(int(pid.read_text())).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(holds: Any, seconds: float = WAIT_S) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)
