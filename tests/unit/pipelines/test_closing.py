"""An execution's end says what is known of it: its stages, its scheduler's exit status, what DVC booked."""

import hashlib

import pytest

from pipelines import flow, flow_task
from pipelines.dvc_stage import How, Outcome
from pipelines.graph import Graph, Node
from pipelines.record import absence, closing, headline
from pipelines.record import execution as executions
from pipelines.record.execution import StageState
from pipelines.record.journal import PARENT, Journal

DONE, CACHED, FAILED = StageState("Completed"), StageState("Cached"), StageState("Failed")
KILLED, LATER = StageState("Killed"), StageState("NotReached")


@pytest.mark.parametrize(("kind", "states", "closed", "status"), [
    ("repro", [DONE, CACHED], (0, True), "FINISHED"),
    ("repro", [DONE], (None, True), "FINISHED"),
    ("repro", [DONE], (1, True), "FAILED"),  # a target that is no stage
    ("repro", [], (255, True), "FAILED"),
    ("flow", [DONE], (0, True), "FINISHED"),
    ("flow", [DONE], (None, False), "KILLED"),  # its process went without a word
    ("flow", [DONE, FAILED], (None, False), "FAILED"),
    ("repro", [DONE, KILLED], (None, True), "KILLED"),
    ("repro", [KILLED, FAILED], (1, True), "FAILED"),
    ("repro", [DONE, LATER], (0, True), "FAILED"),
    ("stage", [DONE], (None, False), "FINISHED"),
])  # fmt: skip
def test_how_an_execution_ended(monkeypatch, kind, states, closed, status):
    """An exit status other than 0 is a failure although every stage is well."""
    monkeypatch.setattr(executions, "describe", lambda _name: {"kind": kind, "workdir": "."})
    named = {f"stage{number}": state for number, state in enumerate(states)}
    assert closing.status_of("one", named, closed[0], asked=closed[1]) == status


def test_every_end_of_a_task_has_a_name_in_the_record(monkeypatch, tmp_path):
    """Whatever Prefect shows of a stage, the record knows: what failed or was ended never stays as it ended itself."""
    run = flow_task.Run(tmp_path, timeout_s=5.0)
    node = Node("acquire", ("true",), (), {}, (), (), frozenset())
    shown = [flow_task._state(node, Outcome(how, 1.0, 1), run) for how in How]
    monkeypatch.setattr(flow_task, "get_run_logger", type("Log", (), {"info": print, "warning": print}))
    monkeypatch.setattr(flow_task, "attempt", lambda *_args, **_words: (Outcome(How.RAN, 1.0, 0), ["params.yaml"]))
    monkeypatch.setattr(flow_task.dvc_hashes, "forget", lambda *_: None)
    shown.append(flow_task.run_stage.fn(node, run))
    told = {state.name: flow.RECORD.get(state.name, state.name) for state in shown}
    assert set(told) >= {"Completed", "Cached", "Failed", "Stale", "TimedOut", "Cancelled"}
    assert set(told.values()) <= set(absence.STATUS)
    assert {told["Stale"], told["Failed"]} == {"Failed"}
    assert {told["TimedOut"], told["Cancelled"]} == {"Killed"}


@pytest.mark.parametrize("by_dvc", [True, False])
def test_a_figure_is_shown_once_dvc_has_booked_its_stage(tmp_path, by_dvc):
    """MLflow takes no metric back; until then it is missing, with the reason. Nobody books what was started by hand."""
    node = Node("evaluate@a", ("true",), (), {}, ("m.json",), ("m.json",), frozenset())
    graph = Graph({node.name: node})
    parent, run = Journal(tmp_path / f"{PARENT}.jsonl"), Journal(tmp_path / "evaluate@a.1.jsonl")
    parent.write("open", name="x", experiment="x")
    run.write("open", name=node.name, stage=node.name, experiment="x", by_dvc=by_dvc)
    run.write(headline.KIND, path="m.json", metrics={"accuracy": 0.9}, tags={})
    run.write("end", status="FINISHED", message="")
    shown = []
    for mark in (False, True):
        if mark:
            run.path.with_suffix(".signed").touch()
        headline.write(parent, tmp_path, graph, {node.name: DONE}, {})
        values = [event["values"] for event, _ in parent.events() if event["kind"] in ("tags", "metrics")]
        shown.append({key: value for one in values for key, value in one.items()})
    figure, missing = {"a/accuracy": 0.9}, {headline.MISSING: "evaluate@a (Completed, not booked)"}
    assert shown == ([missing, {**figure, headline.MISSING: headline.NONE}] if by_dvc else [figure, figure])


def test_a_cached_figure_is_that_of_the_booked_bytes(monkeypatch, tmp_path):
    """Another file at the place, or in the cache under that hash, is nobody's figure."""
    monkeypatch.setattr(headline.settings, "root", lambda: tmp_path)
    right, wrong = b'{"accuracy": {"value": 0.5}}', b'{"accuracy": {"value": 0.9}}'
    value = hashlib.md5(right, usedforsecurity=False).hexdigest()
    place, cache = tmp_path / "metrics.json", tmp_path / ".dvc/cache/files/md5" / value[:2] / value[2:]
    cache.parent.mkdir(parents=True)
    place.write_bytes(wrong)
    assert headline._booked("metrics.json", value) is None
    cache.write_bytes(wrong)
    assert headline._booked("metrics.json", value) is None
    cache.write_bytes(right)
    assert headline._booked("metrics.json", value) == right
    cache.unlink()
    place.write_bytes(right)
    assert headline._booked("metrics.json", value) == right
