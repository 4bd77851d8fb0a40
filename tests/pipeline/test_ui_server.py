"""The MLflow server that ``rawline ui`` starts: the record's pages and API for its owner, and no process without need."""

import base64
import itertools
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from mlflow.tracking import MlflowClient
from prefect.settings import PREFECT_HOME, temporary_settings

from pipelines import mlflow_page, services, ui
from pipelines.services import Service
from tests.projects import make_project

WAIT_S = 600.0  # for a server to start on a machine that is busy with others


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Start MLflow over an empty project's record."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", ui.JOBS):
        monkeypatch.delenv(name, raising=False)
    project = make_project(tmp_path / "p", "stages: {}\n")
    monkeypatch.setenv("RAWLINE_ROOT", str(project))
    monkeypatch.chdir(project)
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", str(WAIT_S))
    ui.prepare_database()
    login = ui.new_login()
    start = partial(ui.start_mlflow, login)
    with temporary_settings({PREFECT_HOME: tmp_path / "home"}):
        found = services.ready(start(), mlflow_page.HEALTH, start)
        try:
            for name, value in mlflow_page.variables(login).items():
                monkeypatch.setenv(name, value)
            yield found
        finally:
            services.stop(found)


def read(address: str, login: str = "", method: str = "GET") -> bytes:
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    asked = urllib.request.Request(address, headers=headers, method=method)  # noqa: S310 - loopback
    with urllib.request.urlopen(asked, timeout=WAIT_S) as answer:  # noqa: S310 - loopback
        return answer.read()


# A page, its files, both forms of the API, what Flask and what FastAPI answer, and ways to write the open path.
DOORS = [
    "/", "/static-files/index.html", "/version", "/metrics", "/health/", "//health", "/health/x", "/x/../health?", "/HEALTH",
    "/api/2.0/mlflow/experiments/get?experiment_id=0", "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0",
    "/api/2.0/mlflow-artifacts/artifacts/x", "/get-artifact?path=x", "/model-versions/get-artifact", "/graphql",
    "/v1/traces", "/ajax-api/3.0/mlflow/assistant/config", "/ajax-api/3.0/jobs/1", "/gateway/x/mlflow/invocations", "/no",
]  # fmt: skip


@pytest.mark.slow
def test_it_serves_pages_and_records_and_starts_no_consumer_of_jobs(server: Service) -> None:
    """Its page, its REST API, runs, models and files work with the login; no process of MLflow's job queue is there."""
    for path, method in itertools.product(DOORS, ("GET", "POST", "PATCH")):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            read(f"{server.address}{path}", "rawline:wrong" if method == "POST" else "", method)
    login = ":".join(os.environ[name] for name in mlflow_page.variables(""))
    assert login.partition(":")[2] not in " ".join(psutil.Process(server.process.pid).cmdline())
    started = psutil.Process(server.process.pid).children(recursive=True)
    words = [" ".join(process.cmdline()) for process in started]
    assert words
    assert not [line for line in words if "huey" in line or "mlflow.server.jobs" in line]
    assert b"<html" in read(server.address, login).lower()
    assert json.loads(read(f"{server.address}/api/2.0/mlflow/experiments/get?experiment_id=0", login))["experiment"]
    client = MlflowClient(server.address, server.address)
    run = client.create_run("0").info.run_id
    client.log_param(run, "a", 1)
    client.log_text(run, "words", "note.txt")
    client.create_registered_model("m")
    assert client.get_run(run).data.params == {"a": "1"}
    assert [file.path for file in client.list_artifacts(run)] == ["note.txt"]
    assert [model.name for model in client.search_registered_models()] == ["m"]
