"""What is told of a stage in its place, by no process of its own, is brought to its end whatever cut it off."""

import errno
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.graph import Graph, Node
from pipelines.record import closing, delivery, freshness, lockfile, quarantine
from pipelines.record import execution as executions
from pipelines.record.journal import Journal
from pipelines.record.sender import Sender
from tests import recording
from tests.pipeline import toy

ABSENT = "finetune@detect"
ENTRY = {"cmd": "@ stage finetune detect", "outs": [{"path": "data/finetune/detect", "md5": "0" * 32, "hash": "md5"}]}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> toy.Project:
    """Return a project with a ready database and the toy's graph; two of its three stages run."""
    found = recording.project(tmp_path / "project", monkeypatch)
    nodes = {name: Node(name, ("true",), (), {}, (), (), frozenset()) for name in toy.STAGES}
    monkeypatch.setattr(lockfile, "load_graph", lambda _workdir: Graph(nodes))
    (found.root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {ABSENT: ENTRY}}))
    return found


def _cached(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(freshness, "is_fresh", lambda node, *_args: node.name == ABSENT)


def _lost(execution: str) -> None:
    path = executions.folder(execution) / "acquire.1-1.jsonl"
    path.write_bytes(b"")
    os.utime(path, (time.time() - 100,) * 2)


def _full_from(patch: pytest.MonkeyPatch, turn: int, share: float) -> list[bytes]:
    """Let the disk take so many lines and a share of the next, no more; return those it did not."""
    plain, taken, refused = Journal._append, iter(range(1000)), list[bytes]()

    def append(self: Journal, line: bytes, *, synced: bool) -> None:
        if next(taken) >= turn:
            refused.append(line)
            with self.path.open("ab") as handle:
                handle.write(line[: int(share * len(line))])
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(self, line, synced=synced)

    patch.setattr(Journal, "_append", append)
    return refused


def _shown(project: toy.Project, execution: str) -> dict[str, tuple[str, str, str]]:
    """Return what MLflow shows of an execution: how it ended, and of each stage status, state and description."""
    (parent,) = [run for run in project.parents() if run.data.tags["rawline.execution"] == execution]
    words = ("rawline.state", "mlflow.note.content")
    children = project.children(parent)
    found = {name: (run.info.status, *(_told(run, word) for word in words)) for name, run in children.items()}
    return {**found, "all": (parent.info.status, parent.data.tags.get("rawline.stages", ""), "")}


def _told(run: Any, word: str) -> str:
    return re.split(r" `?\(", str(run.data.tags.get(word, "")))[0]  # an address follows, each execution's own


@pytest.mark.parametrize("case", ["cached", "torn", "lost"])
def test_a_disk_that_fills_up_at_any_line_of_the_end_leaves_nothing_running(project, case, monkeypatch):
    """Once there is room again the execution is closed and sent, and shows what one shows that nothing disturbed."""
    if case == "cached":
        _cached(monkeypatch)
    told: dict[int, dict[str, tuple[str, str, str]]] = {}
    refused, turn = [b""], 0
    while refused:
        execution = recording.execution(f"turn {turn}")
        if case == "lost":
            _lost(execution)
        with monkeypatch.context() as patch:
            refused = _full_from(patch, turn, 0.5 * (case == "torn"))
            delivery.deliver_rest(Sender())
        for path in executions.folder(execution).glob("*.jsonl"):
            os.utime(path, (time.time() - 100,) * 2)
        assert delivery.deliver_rest(Sender()) == ({execution: ""} if refused else {})
        assert delivery.waiting() == []
        told[turn] = _shown(project, execution)
        turn += 1
    assert turn > 3
    undisturbed = told[turn - 1]
    assert undisturbed[ABSENT][1] == ("Cached" if case == "cached" else "NotAsked")
    assert undisturbed["acquire"][:2] == (("KILLED", "Unknown") if case == "lost" else ("FINISHED", "Completed"))
    assert {number: shown for number, shown in told.items() if shown != undisturbed} == {}


def test_a_run_that_was_only_begun_is_ended_by_sync(project):
    """Its beginning says how the stage fares; nobody waits for a process that there never was."""
    execution = executions.open_execution("flow", name="it")
    for stage in ("acquire", "finetune@classify"):
        recording.journal(execution, stage)
    executions.close_execution(execution, exit_code=0, wait_s=0)
    journal = Journal(executions.folder(execution) / f"{ABSENT}.absent.jsonl")
    tags = {"rawline.stage": ABSENT, "rawline.state": "NotAsked"}
    journal.write("open", name=ABSENT, stage=ABSENT, experiment="toy", tags=tags, state="NotAsked", message="why")
    assert closing.is_over(execution)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    assert _shown(project, execution)[ABSENT] == ("FINISHED", "NotAsked", "why")
    assert quarantine.told(execution) == []


def test_a_run_that_names_no_process_has_none(project):
    """A beginning without one, a stand-in's or not, is never taken for a stage at work."""
    execution = executions.open_execution("flow", name="it")
    journal = Journal(executions.folder(execution) / "acquire.1-1.jsonl")
    journal.write("open", name="acquire", stage="acquire", experiment="toy", tags={"rawline.stage": "acquire"})
    executions.close_execution(execution, exit_code=None, wait_s=0)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    assert _shown(project, execution)["acquire"][:2] == ("KILLED", "Killed")
