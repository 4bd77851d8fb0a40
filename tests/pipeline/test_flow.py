"""The flow under a real Prefect server: states, parallel work, failures, retries, the record and the artifacts."""

import json
from pathlib import Path

import pytest

from pipelines import services
from tests.pipeline.flow_project import alive, ask, flow, server, shows, states, tasks, until
from tests.projects import make_project

__all__ = ["server"]  # a fixture
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


def test_a_failed_stage_stops_what_needs_it_and_nothing_else(server: str, tmp_path: Path) -> None:
    """Failed, NotReady below it, Completed beside it; the second run shows Cached; figures and verdict are artifacts."""
    make_project(tmp_path, GRAPH, PARAMS)
    first = flow(tmp_path)
    assert first.returncode == 1, first.stdout
    assert "not done: " in first.stdout
    ran = {"acquire": "Completed", "evaluate@good": "Completed", "audit@good": "Completed"}
    failed = {"evaluate@bad": "Failed", "audit@bad": "NotReady"}
    shows(server, ran | failed)
    (tmp_path / "params.yaml").write_text(PARAMS.replace("status: 3", "status: 0"), encoding="utf-8")
    second = flow(tmp_path)
    assert second.returncode == 0, second.stdout
    shows(server, dict.fromkeys(ran, "Cached") | dict.fromkeys(failed, "Completed"))
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


@pytest.mark.long
def test_force_target_and_timeout(server: str, tmp_path: Path) -> None:
    """--force runs what is fresh, a target brings what it needs, and a stage over its time is ended whole."""
    graph = "stages:\n  a: {cmd: echo a > a, outs: [a]}\n  slow: {cmd: 'echo $$ > pid; sleep 71', deps: [a], outs: [s]}\n"
    make_project(tmp_path, graph)
    assert flow(tmp_path, "a").returncode == 0
    assert flow(tmp_path, "a", "--force").returncode == 0
    shows(server, {"a": "Completed"})
    late = flow(tmp_path, "--stage-timeout", "2")
    assert late.returncode == 1, late.stdout
    shows(server, {"a": "Cached", "slow": "TimedOut"})
    assert not alive(tmp_path / "pid")


def test_what_the_system_kills_is_tried_again(server: str, tmp_path: Path) -> None:
    """A stage ended by SIGKILL, as for memory, is retried; the second attempt completes."""
    make_project(tmp_path, "stages:\n  a: {cmd: 'test -f tried || { touch tried; kill -9 $$; }; echo a > a', outs: [a]}\n")
    done = flow(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "most likely for memory" in done.stdout
    until(lambda: [run["run_count"] for run in tasks(server)] == [2])


def test_a_stage_asks_for_another_try_by_its_exit_status(server: str, tmp_path: Path) -> None:
    """75 is tried again and completes; the same words with another status are a failure, and nothing is repeated."""
    stage = "echo x >> tries; echo Connection refused; test $(wc -l < tries) -gt 1 || exit STATUS; echo a > a"
    for status, tries, code in ((75, 2, 0), (1, 1, 1)):
        root = make_project(
            tmp_path / str(status), f"stages:\n  a: {{cmd: '{stage.replace('STATUS', str(status))}', outs: [a]}}\n"
        )
        done = flow(root)
        assert done.returncode == code, done.stdout
        assert (root / "tries").read_text() == "x\n" * tries


@pytest.mark.long
def test_a_server_out_of_reach_is_one_line_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user learns which address does not answer and how to run without Prefect."""
    make_project(tmp_path, "stages:\n  a: {cmd: echo a > a, outs: [a]}\n")
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{services.free_port(4900)}/api")
    done = flow(tmp_path)
    assert done.returncode == 75
    assert done.stdout.count("\n") == 1
    assert "does not answer (PREFECT_API_URL); start it, or run without Prefect: dvc repro" in done.stdout


@pytest.mark.long
def test_the_server_of_the_flow_itself_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    """Without any server the flow starts the shared one, works, and leaves none behind; its end waits for nothing gone."""
    make_project(tmp_path, "stages:\n  a: {cmd: echo a > a, outs: [a]}\n")
    monkeypatch.delenv("PREFECT_API_URL")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    done = flow(tmp_path)
    assert done.returncode == 0, done.stdout
    address = done.stdout.split()[1]
    assert address.startswith("http://127.0.0.1:")
    assert not services.answers(f"{address}/api/health")
    assert not list((tmp_path / "home").glob("rawline/*/server.json"))


ALONE = """
    stages:
      left: {cmd: mkdir busy && sleep 3 && rmdir busy && echo l > l, params: [KEY], outs: [l]}
      right: {cmd: mkdir busy && sleep 3 && rmdir busy && echo r > r, params: [KEY], outs: [r]}
"""


@pytest.mark.parametrize(("key", "word"), [("train", "Completed"), pytest.param("seed", "Failed", marks=pytest.mark.long)])
def test_two_trainings_never_share_the_cores(key: str, word: str, server: str, tmp_path: Path) -> None:
    """Independent stages that each take every core run one after the other; others, as here seen by their clash, at once."""
    make_project(tmp_path, ALONE.replace("KEY", key), "seed: 1\ntrain: {compute: {threads: 256}}\n")
    told = flow(tmp_path).stdout
    until(lambda: states(server).keys() == {"left", "right"} and "Running" not in states(server).values())
    found = states(server)
    assert word in found.values(), told
    assert set(found.values()) <= {"Completed", word}
