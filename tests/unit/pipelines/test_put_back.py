"""What was set aside, repaired and put back is sent whole, and nothing that was known of its execution is guessed again."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines import settings, sync
from pipelines.record import delivery, quarantine
from pipelines.record import execution as executions
from pipelines.record.journal import INCOMPLETE
from pipelines.record.sender import Sender
from stages.core.errors import DataError
from tests import recording
from tests.pipeline import toy


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> toy.Project:
    """Return a project with a ready database."""
    return recording.project(tmp_path / "project", monkeypatch)


def _execution(kind: str, exit_code: int | None) -> str:
    found = executions.open_execution(kind, name="it")
    for stage in ("acquire", "finetune@classify"):
        recording.journal(found, stage)
    executions.close_execution(found, exit_code=exit_code, wait_s=0)
    return found


def _set_aside(execution: str, name: str) -> bytes:
    """Spoil a file of an execution and have it set aside; return what it was."""
    path = executions.folder(execution) / name
    right = path.read_bytes()
    path.write_bytes(b"")
    os.utime(path, (time.time() - 100,) * 2)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    assert delivery.waiting() == []
    return right


def _put_back(execution: str, name: str, content: bytes) -> None:
    """Do what ``reason.txt`` says: what is repaired, and what lay with it, goes back into the spool."""
    aside, place = quarantine.folder() / execution, executions.folder(execution)
    place.mkdir(parents=True, exist_ok=True)
    for path in aside.iterdir():
        if path.name != quarantine.REASON:
            path.rename(place / path.name)
    (place / name).write_bytes(content)
    sync.sync()
    assert delivery.waiting() == []


def _parent(project: toy.Project) -> Any:
    (parent,) = project.parents()
    return parent


@pytest.mark.parametrize(
    ("kind", "exit_code", "status"), [("repro", 1, "FAILED"), ("flow", 0, "FINISHED"), ("dvc", None, "FINISHED")]
)
@pytest.mark.parametrize("name", ["acquire.1-1.jsonl", "execution.jsonl", "execution.json", "closing.json"])
def test_an_execution_ends_as_it_had(project: toy.Project, kind: str, exit_code: int | None, status: str, name: str) -> None:
    """Status and time of the end are those of before, runs and files are whole, and nothing is said to be missing."""
    execution = _execution(kind, exit_code)
    right = _set_aside(execution, name)
    before = _parent(project)
    assert before.info.status == status or name == "closing.json"  # then the exit status is not known
    (project.root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")  # of a later dvc
    _put_back(execution, name, right)
    parent = _parent(project)
    assert (parent.info.status, parent.info.end_time) == (status, before.info.end_time)
    assert executions.archived(execution)["status"] == status
    assert {name: state.state for name, state in executions.stage_states(execution).items()} == {
        "acquire": "Completed",
        "finetune@classify": "Completed",
    }
    children = project.children(parent)
    assert len(children) == 2
    for run in (parent, *children.values()):
        assert INCOMPLETE not in run.data.tags
    for run in children.values():
        assert (run.info.status, run.data.tags["rawline.state"]) == ("FINISHED", "Completed")
        assert [a.path for a in project.client.list_artifacts(run.info.run_id, "outs")] == ["outs/kept.txt"]
    assert [a.path for a in project.client.list_artifacts(parent.info.run_id) if a.path == "dvc.lock"] == []


def test_a_failure_that_comes_back_counts(project: toy.Project) -> None:
    """What nobody could read told that its stage failed: then the execution failed, when it did."""
    execution = _execution("dvc", None)
    right = _set_aside(execution, "acquire.1-1.jsonl")
    before = _parent(project)
    assert before.info.status == "FINISHED"
    _put_back(execution, "acquire.1-1.jsonl", right.replace(b"FINISHED", b"FAILED"))
    assert (_parent(project).info.status, _parent(project).info.end_time) == ("FAILED", before.info.end_time)


def test_a_note_of_the_end_is_enough(project: toy.Project) -> None:
    """Where the rest of its folder is gone, status, time and states stand as they were noted."""
    execution = _execution("repro", 1)
    right = _set_aside(execution, "acquire.1-1.jsonl")
    before = _parent(project)
    shutil.rmtree(executions.archive(execution).with_suffix(""))
    _put_back(execution, "acquire.1-1.jsonl", right)
    assert (_parent(project).info.status, _parent(project).info.end_time) == ("FAILED", before.info.end_time)
    assert set(executions.stage_states(execution)) == {"acquire", "finetune@classify"}


def test_what_comes_back_is_no_copy(project: toy.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a shared server the folder that a person made anew is the execution's own."""
    execution = _execution("repro", 1)
    right = _set_aside(execution, "acquire.1-1.jsonl")
    monkeypatch.setattr(settings, "is_inside", lambda _: False)
    _put_back(execution, "acquire.1-1.jsonl", right)
    assert _parent(project).info.status == "FAILED"


def test_the_ends_of_what_may_come_back_are_kept(project: toy.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all others the last ones noted stay, whenever they began; what waits for nothing is not kept whole."""
    monkeypatch.setattr(executions, "KEPT", 1)
    late = _execution("repro", 0)
    place = executions.folder(late).rename(project.root / "late")
    bad = _execution("repro", 1)
    _set_aside(bad, "acquire.1-1.jsonl")
    _execution("repro", 0)
    delivery.deliver_rest(Sender())
    place.rename(executions.folder(late))
    delivery.deliver_rest(Sender())
    folder = executions.archive(bad).parent
    assert {path.stem for path in folder.glob("*.json")} == {bad, late}
    assert (folder / bad / "closing.json").exists()
    shutil.rmtree(quarantine.folder() / bad)
    _execution("repro", 0)
    delivery.deliver_rest(Sender())
    assert len(list(folder.iterdir())) == 1


def test_sync_says_that_something_waits_until_it_is_put_back(project: toy.Project) -> None:
    """The exit status tells while a file lies aside, also after a second look."""
    execution = _execution("flow", 0)
    right = _set_aside(execution, "acquire.1-1.jsonl")
    for _ in range(2):
        with pytest.raises(DataError, match="1 executions"):
            sync.sync()
    _put_back(execution, "acquire.1-1.jsonl", right)
    sync.sync()


@pytest.mark.parametrize("name", ["acquire.1-1.jsonl", "execution.jsonl"])
def test_what_is_put_back_while_its_execution_goes_on_is_sent_whole(project: toy.Project, name: str) -> None:
    """The journal that stood in its place was sent; how far says nothing of the one that comes back."""
    execution = executions.open_execution("flow", name="it")
    recording.journal(execution, "acquire")
    place = executions.folder(execution)
    right = (place / name).read_bytes()
    (place / name).write_bytes(b"")
    os.utime(place / name, (time.time() - 100,) * 2)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    for path in (quarantine.folder() / execution).iterdir():
        if path.name != quarantine.REASON:
            path.rename(place / path.name)
    (place / name).write_bytes(right)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    executions.close_execution(execution, exit_code=0, wait_s=0)
    sync.sync()
    run = project.children(_parent(project))["acquire"]
    assert (run.info.status, run.data.tags["rawline.state"]) == ("FINISHED", "Completed")
    assert run.data.params["num_epochs"] == "3"
    assert len(project.client.get_metric_history(run.info.run_id, "loss")) == 3
    assert [a.path for a in project.client.list_artifacts(run.info.run_id, "outs")] == ["outs/kept.txt"]
    assert _parent(project).info.status == "FINISHED"
    assert INCOMPLETE not in run.data.tags
