"""The flow under a real Prefect server: states, parallel work, failures, signals, the record and the artifacts."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines import prefect_server, services
from tests.projects import make_project

RAWLINE = [sys.executable, "-c", "from pipelines.cli import main; main()"]
GRAPH = """
    stages:
      acquire: {cmd: echo a > a, params: [seed], outs: [a]}
      evaluate:
        foreach: ${tasks}
        do:
          cmd:
            - cp a ${key}
            - 'echo "{\\"accuracy\\": {\\"value\\": 0.9, \\"low\\": 0.8, \\"high\\": 0.95, \\"n\\": 60}}" > ${key}.json'
            - exit ${item.status}
          deps: [a]
          outs: ['${key}']
          metrics: ['${key}.json']
      audit:
        foreach: ${tasks}
        do:
          cmd: 'cat ${key} > audited-${key}; echo "{\\"verdict\\": \\"PASS\\"}" > audit-${key}.json'
          deps: ['${key}']
          outs: ['audited-${key}']
          metrics: ['audit-${key}.json']
"""
PARAMS = "seed: 1\ntasks: {good: {status: 0}, bad: {status: 3}}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one Prefect server with its own home, and keep MLflow's record beside it."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        patch.setenv("RAWLINE_ROOT", str(home))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db")
        patch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
        patch.delenv("PREFECT_API_URL", raising=False)
        service = prefect_server.start(services.free_port(4300))
        with services.running(service, prefect_server.HEALTH):
            patch.setenv("PREFECT_API_URL", f"{service.address}/api")
            patch.delenv("RAWLINE_ROOT")
            yield f"{service.address}/api"


def ask(api: str, what: str, **body: Any) -> list[dict[str, Any]]:
    """Ask Prefect's server for flow runs, task runs or artifacts."""
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        f"{api}/{what}/filter", json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        return list(json.load(answer))


def states(api: str, flow_run: str) -> dict[str, str]:
    """Return the state's name of each task run of a flow run."""
    found = ask(api, "task_runs", task_runs={"flow_run_id": {"any_": [flow_run]}})
    return {task["name"]: task["state"]["name"] for task in found}


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
        timeout=120,
    )


def test_a_failed_stage_stops_what_needs_it_and_nothing_else(server: str, tmp_path: Path) -> None:
    """Failed, NotReady below it, Completed beside it; the second run shows Cached; figures and verdict are artifacts."""
    make_project(tmp_path, GRAPH, PARAMS)
    first = flow(tmp_path)
    assert first.returncode == 1, first.stdout
    assert "not done: " in first.stdout
    ran = {"acquire": "Completed", "evaluate@good": "Completed", "audit@good": "Completed"}
    failed = {"evaluate@bad": "Failed", "audit@bad": "NotReady"}
    assert states(server, latest(server)["id"]) == ran | failed
    (tmp_path / "params.yaml").write_text(PARAMS.replace("status: 3", "status: 0"), encoding="utf-8")
    second = flow(tmp_path)
    assert second.returncode == 0, second.stdout
    assert states(server, latest(server)["id"]) == dict.fromkeys(ran, "Cached") | dict.fromkeys(failed, "Completed")
    found = {a["key"]: a["data"] for a in ask(server, "artifacts")}
    assert json.loads(found["metrics-good"]) == [{"figure": "accuracy", "value": 0.9, "low": 0.8, "high": 0.95, "n": 60}]
    assert found["audit-good"].startswith("# good: PASS")
    assert found["mlflow"].startswith("MLflow run `")


def test_the_flow_leaves_one_parent_run_and_a_child_for_every_stage(server: str, tmp_path: Path) -> None:
    """MLflow shows every stage of the graph, also those that DVC did not run."""
    make_project(tmp_path, GRAPH, PARAMS)
    flow(tmp_path)
    (ended,) = (tmp_path / ".rawline" / "executions").glob("*-flow-*.json")
    content = json.loads(ended.read_text())
    told = {name: state["state"] for name, state in content["states"].items()}
    assert told == {
        "acquire": "Completed", "evaluate@good": "Completed", "audit@good": "Completed",
        "evaluate@bad": "Failed", "audit@bad": "NotReached",
    }  # fmt: skip
    assert content["run_id"]


def test_force_target_and_timeout(server: str, tmp_path: Path) -> None:
    """--force runs what is fresh, a target brings what it needs, and a stage over its time is ended whole."""
    graph = "stages:\n  a: {cmd: echo a > a, outs: [a]}\n  slow: {cmd: 'echo $$ > pid; sleep 71', deps: [a], outs: [s]}\n"
    make_project(tmp_path, graph)
    assert flow(tmp_path, "a").returncode == 0
    assert flow(tmp_path, "a", "--force").returncode == 0
    assert states(server, latest(server)["id"]) == {"a": "Completed"}
    assert flow(tmp_path, "--stage-timeout", "3").returncode == 1
    assert states(server, latest(server)["id"]) == {"a": "Cached", "slow": "TimedOut"}
    assert not _alive(tmp_path / "pid")


def test_what_the_system_kills_is_tried_again(server: str, tmp_path: Path) -> None:
    """A stage ended by SIGKILL, as for memory, is retried; the second attempt completes."""
    make_project(tmp_path, "stages:\n  a: {cmd: 'test -f tried || { touch tried; kill -9 $$; }; echo a > a', outs: [a]}\n")
    done = flow(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "most likely for memory" in done.stdout
    assert ask(server, "task_runs", task_runs={"flow_run_id": {"any_": [latest(server)["id"]]}})[0]["run_count"] == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_orphan(server: str, tmp_path: Path, number: signal.Signals) -> None:
    """The stage's processes end with the flow, and the exit status names the signal."""
    make_project(tmp_path, "stages:\n  a: {cmd: 'echo $$ > pid; sleep 72', outs: [a]}\n")
    process = subprocess.Popen([*RAWLINE, "flow"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number
    assert not _alive(tmp_path / "pid")
    assert states(server, latest(server)["id"]) == {"a": "Cancelled"}


def test_a_server_out_of_reach_is_one_line_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user learns which address does not answer and how to run without Prefect."""
    make_project(tmp_path, "stages:\n  a: {cmd: echo a > a, outs: [a]}\n")
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{services.free_port(4900)}/api")
    done = flow(tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1
    assert "does not answer (PREFECT_API_URL); start it, or run without Prefect: dvc repro" in done.stdout


@pytest.mark.slow
def test_a_scheduled_run_happens(server: str, tmp_path: Path) -> None:
    """Serving with a schedule of every minute runs the pipeline in the project's folder, and Ctrl-C ends it."""
    make_project(tmp_path, "stages:\n  a: {cmd: pwd > a, outs: [a]}\n")
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen([*RAWLINE, "serve", "--cron", "* * * * *"], cwd=tmp_path, stdout=output, stderr=output)
    try:
        _until(
            lambda: "Finished in state Completed" in log.read_text().partition("Flow run")[2].rpartition("Flow run")[2], 240
        )
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(timeout=150)
    assert status == 0, log.read_text()
    assert "Next run" in log.read_text()
    assert (tmp_path / "a").read_text().strip() == str(tmp_path)
    run = latest(server)
    assert (run["auto_scheduled"], run["state"]["name"]) == (True, "Completed")


def test_the_server_of_the_flow_itself_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    """Without any server the flow starts one, works, and leaves none behind; its end does not wait for what is gone."""
    make_project(tmp_path, "stages:\n  a: {cmd: echo a > a, outs: [a]}\n")
    monkeypatch.delenv("PREFECT_API_URL")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    done = flow(tmp_path)
    assert done.returncode == 0, done.stdout
    address = done.stdout.split()[1]
    assert address.startswith("http://127.0.0.1:")
    assert not services.answers(f"{address}/api/health")
    assert not (tmp_path / ".rawline" / "prefect.json").exists()


def _alive(pid: Path) -> bool:
    try:
        return psutil.Process(int(pid.read_text())).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(holds: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)


ALONE = """
    stages:
      left: {cmd: mkdir busy && sleep 3 && rmdir busy && echo l > l, params: [KEY], outs: [l]}
      right: {cmd: mkdir busy && sleep 3 && rmdir busy && echo r > r, params: [KEY], outs: [r]}
"""


@pytest.mark.parametrize(("key", "word"), [("train", "Completed"), ("seed", "Failed")])
def test_two_trainings_never_share_the_cores(key: str, word: str, server: str, tmp_path: Path) -> None:
    """Independent stages that each take every core run one after the other; others, as here seen by their clash, at once."""
    make_project(tmp_path, ALONE.replace("KEY", key), "seed: 1\ntrain: {compute: {threads: 256}}\n")
    told = flow(tmp_path).stdout
    found = states(server, latest(server)["id"])
    assert found.keys() == {"left", "right"}, told
    assert word in found.values(), told
    assert set(found.values()) <= {"Completed", word}
