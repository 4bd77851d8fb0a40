"""Served schedules: each project its own, and nobody's runs touched but those that were missed."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from pipelines import serve
from tests.pipeline.flow_project import RAWLINE, WAIT_S, alive, ask, order, server, until, works
from tests.projects import make_project

__all__ = ["server"]  # a fixture


@pytest.mark.long
def test_a_run_of_another_folder_is_refused(server: str, tmp_path: Path) -> None:
    """A runner works in its own project, whatever the run's parameters say."""
    make_project(tmp_path / "here", "stages:\n  a: {cmd: 'echo a > a', outs: [a]}\n")
    make_project(tmp_path / "there", "stages:\n  a: {cmd: 'echo a > a', outs: [a]}\n")
    code = "import sys; from pipelines.flow import rawline; print(rawline(root=sys.argv[1], return_state=True))"
    for root, word in (("there", "belongs to"), ("here", "1 ran")):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / root)], cwd=tmp_path / "here", capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert word in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "there" / "a").exists()


def test_only_its_own_overdue_runs_are_forgotten(server: str, tmp_path: Path) -> None:
    """Runs that the schedule planned and that are due go; a person's, those to come and those of namesakes stay."""
    code = """
import sys
from datetime import UTC, datetime, timedelta
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Scheduled
from pipelines import serve
name = sys.argv[1]
now = datetime.now(UTC)
past, soon = now - timedelta(hours=2), now + timedelta(hours=2)
def window(client, deployment, start):
    body = {"start_time": start.isoformat(), "end_time": (start + timedelta(minutes=30)).isoformat(), "min_runs": 1}
    client._client.post(f"/deployments/{deployment}/schedule", json=body).raise_for_status()
with get_client(sync_client=True) as client:
    ids = {}
    for flow in ("rawline", "other"):
        for deployment in (name, name + "2"):
            made = client._client.post("/deployments/", json={
                "flow_id": str(client.create_flow_from_name(flow)), "name": deployment, "paused": False,
                "schedules": [{"schedule": {"cron": "*/10 * * * *"}, "active": True}],
            })
            made.raise_for_status()
            ids[flow, deployment] = made.json()["id"]
            for start in (past, soon):
                window(client, ids[flow, deployment], start)
            for start in (past, soon):
                client.create_flow_run_from_deployment(ids[flow, deployment], state=Scheduled(scheduled_time=start))
    def count():
        order = FlowRunSort.START_TIME_ASC
        runs = [r for n in range(0, 2000, 200) for r in client.read_flow_runs(limit=200, offset=n, sort=order)]
        mine = [r for r in runs if str(r.deployment_id) in ids.values()]
        key = {v: k for k, v in ids.items()}
        due = lambda r: r.next_scheduled_start_time < datetime.now(UTC)
        return {(key[str(r.deployment_id)], r.auto_scheduled, due(r), str(r.id)) for r in mine}
    before = count()
    serve._forget_missed(name)
    gone = before - count()
    assert {g[:3] for g in gone} == {(("rawline", name), True, True)}, gone
    assert len(gone) == len({b for b in before if b[:3] == (("rawline", name), True, True)}) >= 1
    for _, _, _, run in before - gone:
        client.delete_flow_run(run)
    print("well")
    for deployment in ids.values():
        client._client.delete(f"/deployments/{deployment}")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "nightly-x"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stdout.strip() == "well", done.stdout + done.stderr


def test_clones_of_one_name_are_served_apart(tmp_path: Path) -> None:
    """Two folders called alike have two deployments, a copy of one too; a project keeps its own."""
    one, two = tmp_path / "one" / "proj", tmp_path / "two" / "proj"
    for root in (one, two):
        root.mkdir(parents=True)
    name = serve.deployment_name("nightly", one)
    assert name == serve.deployment_name("nightly", one)
    assert name.startswith("nightly-proj-")
    shutil.copytree(one / ".rawline", two / ".rawline")
    assert serve.deployment_name("nightly", two) != name
    shutil.rmtree(one / ".rawline")
    assert serve.deployment_name("nightly", one) != name, "the same path on another machine is another project"


LONG = "stages:\n  a: {cmd: 'echo $$ > pid; sleep 3000 & wait', outs: [a]}\n"
RARELY = ["--cron", "0 0 29 2 *"]
HEARING = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); "  # whatever runs the tests


@contextmanager
def served(root: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Serve a project, with its words in ``root.log``, and wait until the deployment is there."""
    log = root.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", HEARING + RAWLINE[2], "serve", *options],
            cwd=root, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        until(lambda: process.poll() is not None or "Next run" in log.read_text())
        yield process
    finally:
        process.terminate()
        process.wait(timeout=WAIT_S)


def ask_for_a_run(api: str, root: Path) -> str:
    """Order a run of what is served in a folder, as a person does on the page; return its id."""
    name = serve.deployment_name("nightly", root)
    until(lambda: any(found["name"] == name and not found["paused"] for found in ask(api, "deployments")))
    (number,) = (found["id"] for found in ask(api, "deployments") if found["name"] == name)
    return str(order(api, f"deployments/{number}/create_flow_run")["id"])


def in_its_stage(api: str, root: Path, process: "subprocess.Popen[bytes]") -> str:
    """Order a run and wait until its stage is at work; return its id."""
    run = ask_for_a_run(api, root)
    until(lambda: process.poll() is not None or ((root / "pid").exists() and (root / "pid").read_text().strip()))
    assert process.poll() is None, root.with_suffix(".log").read_text()
    return run


def state(api: str, run: str) -> str:
    """Return the type of a flow run's state."""
    (found,) = ask(api, "flow_runs", flow_runs={"id": {"any_": [run]}})
    return str(found["state"]["type"])


def recorded(root: Path) -> dict[str, str]:
    """Return the state of each stage in MLflow's record of the project's one flow, once it is closed."""
    until(lambda: [*(root / ".rawline" / "executions").glob("*-flow-*.json")])
    (ended,) = (root / ".rawline" / "executions").glob("*-flow-*.json")
    return {name: told["state"] for name, told in json.loads(ended.read_text())["states"].items()}


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        *(pytest.param(n, marks=pytest.mark.long) for n in (signal.SIGINT, signal.SIGHUP, signal.SIGKILL)),
    ],
)
def test_a_signal_ends_the_run_and_its_stage(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Whatever ends it, also kill -9, during a stage: no process is left, and the record says Killed."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    root = make_project(tmp_path / "p", LONG)
    with served(root, *RARELY) as process:
        run = in_its_stage(server, root, process)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        process.send_signal(number)
        status = process.wait(timeout=WAIT_S)
        assert status == (-number if number == signal.SIGKILL else 0), root.with_suffix(".log").read_text()
        until(lambda: not any(works(child) for child in family))
        assert not alive(root / "pid")
        assert recorded(root) == {"a": "Killed"}
        until(lambda: state(server, run) == "CRASHED")


@pytest.mark.long
def test_a_second_serve_is_refused_and_ends_nothing(server: str, tmp_path: Path) -> None:
    """One line with the first one's number; the schedule of the first is not paused."""
    root = make_project(tmp_path / "p", LONG)
    with served(root, *RARELY) as process:
        name = serve.deployment_name("nightly", root)
        until(lambda: any(found["name"] == name for found in ask(server, "deployments")))
        second = subprocess.run([*RAWLINE, "serve", *RARELY], cwd=root, capture_output=True, text=True, check=False)
        assert second.returncode == 75, second.stdout + second.stderr
        assert f"kill {process.pid}" in second.stderr
        assert not second.stdout
        (found,) = (found for found in ask(server, "deployments") if found["name"] == name)
        assert not found["paused"]


@pytest.mark.long
def test_the_run_of_a_killed_serve_is_closed_by_the_next(server: str, tmp_path: Path) -> None:
    """Its process had no time to tell Prefect's server; nobody else works on it."""
    root = make_project(tmp_path / "p", LONG)
    with served(root, *RARELY) as process:
        run = in_its_stage(server, root, process)
        family = psutil.Process(process.pid).children(recursive=True)
        for child in (process, *family):
            child.kill()
    until(lambda: not any(works(child) for child in family))
    assert state(server, run) == "RUNNING"
    with served(root, *RARELY):
        until(lambda: state(server, run) == "CRASHED")


@pytest.mark.long
def test_a_served_run_that_is_cancelled_ends_alone(server: str, tmp_path: Path) -> None:
    """Cancelled on its page its stage ends, and serving goes on: the next run comes."""
    root = make_project(tmp_path / "p", LONG)
    with served(root, *RARELY) as process:
        run = in_its_stage(server, root, process)
        order(server, f"flow_runs/{run}/set_state", state={"type": "CANCELLING"})
        until(lambda: state(server, run) == "CANCELLED")
        assert not alive(root / "pid")
        assert process.poll() is None
        (root / "dvc.yaml").write_text("stages:\n  b: {cmd: 'echo b > b', outs: [b]}\n")
        again = ask_for_a_run(server, root)
        until(lambda: state(server, again) == "COMPLETED")


@pytest.mark.long
@pytest.mark.parametrize("what", ["deployment", "schedule"])
def test_a_pause_by_hand_is_kept_and_said(server: str, tmp_path: Path, what: str) -> None:
    """The next start leaves it, says so and runs what a person asks for; without it the deployment goes again."""
    root = make_project(tmp_path / "p", "stages:\n  a: {cmd: 'echo a > a', outs: [a]}\n")
    name = serve.deployment_name("nightly", root)

    def found() -> dict[str, Any]:
        (one,) = (one for one in ask(server, "deployments") if one["name"] == name)
        return one

    def turn(*, on: bool) -> None:
        place = f"{server}/deployments/{found()['id']}"
        if what == "schedule":
            place = f"{place}/schedules/{found()['schedules'][0]['id']}"
        httpx.patch(place, json={"active": on} if what == "schedule" else {"paused": not on}).raise_for_status()

    def goes() -> bool:
        return not found()["paused"] and all(one["active"] for one in found()["schedules"])

    with served(root, *RARELY):
        assert goes()
        turn(on=False)
    for _ in range(2):
        with served(root, *RARELY):
            assert not goes()
            log = root.with_suffix(".log").read_text()
            assert log.count(f"stays so; resume it at {server.removesuffix('/api')}/deployments/deployment/") == 1
            run = str(order(server, f"deployments/{found()['id']}/create_flow_run")["id"])
            until(lambda run=run: state(server, run) == "COMPLETED")
    turn(on=True)
    if what == "deployment":
        assert goes()
    for _ in range(2):
        with served(root, *RARELY):
            assert goes()
        assert not goes()
    turn(on=True)
    turn(on=False)  # our pause has become a person's
    with served(root, *RARELY):
        assert not goes()


@pytest.mark.long
@pytest.mark.slow
def test_a_scheduled_run_happens(server: str, tmp_path: Path) -> None:
    """Serving with a schedule of every minute runs the pipeline in the project's folder, and Ctrl-C ends it."""
    make_project(tmp_path, "stages:\n  a: {cmd: pwd > a, outs: [a]}\n")
    log, name = tmp_path / "log", serve.deployment_name("nightly", tmp_path)

    def ends() -> set[str]:
        own = {one["id"] for one in ask(server, "deployments") if one["name"] == name}
        runs = [run for run in ask(server, "flow_runs") if run["deployment_id"] in own and run["auto_scheduled"]]
        return {run["state"]["name"] for run in runs}

    with log.open("w") as output:
        process = subprocess.Popen([*RAWLINE, "serve", "--cron", "* * * * *"], cwd=tmp_path, stdout=output, stderr=output)
    try:
        until(lambda: process.poll() is not None or "Completed" in ends())
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(timeout=WAIT_S)
    assert status == 0, log.read_text()
    assert "Next run" in log.read_text()
    assert (tmp_path / "a").read_text().strip() == str(tmp_path)
    assert [one["paused"] for one in ask(server, "deployments") if one["name"] == name] == [True]
    assert "Completed" in ends()  # the next minute's run may have been ended by Ctrl-C
