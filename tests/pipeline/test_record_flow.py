"""A scheduler opens an execution, says what only it knows, and gets back how every stage fared."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.record import execution as executions
from pipelines.record import lockfile
from tests.pipeline import toy


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[toy.Project]:
    """Return a toy project that is the current folder."""
    project = toy.make(tmp_path / "project")
    for name in ("MLFLOW_TRACKING_URI", "RAWLINE_ROOT", "RAWLINE_EXECUTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(project.root)
    yield project
    project.settle()


def test_the_scheduler_s_word_and_the_record_become_one(project: toy.Project) -> None:
    """One stage ran by dvc below the flow, one the flow calls failed although its command ended well, the rest is open."""
    execution = executions.open_execution("flow", name="nightly", tags={"prefect.flow_run_id": "42"})
    assert executions.stage_states(execution) == {}
    project.env = {executions.VARIABLE: execution}
    assert project.dvc("repro", "-s", "acquire").returncode == 0
    assert project.dvc("repro", "-s", "finetune@classify").returncode == 0
    assert {name: s.state for name, s in executions.stage_states(execution).items()} == {
        "acquire": "Completed",
        "finetune@classify": "Completed",
    }
    outcome = executions.close_execution(execution, exit_code=1, states={"finetune@classify": "Failed"})
    assert outcome.sent, outcome.problem
    told = {name: state.state for name, state in outcome.states.items()}
    assert told == {"acquire": "Completed", "finetune@classify": "Failed", "finetune@detect": "NotReached"}
    (parent,) = project.parents()
    assert parent.info.run_id == outcome.run_id
    assert (parent.info.run_name, parent.info.status) == ("nightly", "FAILED")
    assert parent.data.tags["prefect.flow_run_id"] == "42"
    children = project.children(parent)
    assert toy.states(children)["finetune@classify"] == ("FAILED", "Failed")
    assert executions.close_execution(execution).states == outcome.states
    again = executions.open_execution("flow", name="again")
    second = executions.close_execution(again, exit_code=0, states={"acquire": "Cached", "finetune@detect": "Cached"})
    assert {name: state.state for name, state in second.states.items()}["acquire"] == "Cached"
    cached = project.children(project.parents()[1])["acquire"]
    assert cached.data.tags["rawline.origin"] == children["acquire"].info.run_id


def test_an_input_edited_during_the_run_gets_no_signature(project: toy.Project) -> None:
    """DVC would book the edited file (issue 11058); the record says what was edited and links nothing to these bytes."""
    _edit_while_acquire_runs(project)
    (parent,) = project.parents()
    run = project.children(parent)["acquire"]
    assert run.data.tags["rawline.edited_while_running"] == "code.txt"
    assert run.data.tags["rawline.outs_edited"] == lockfile.output(lockfile.read(project.root / "dvc.lock")["acquire"])
    assert not {"rawline.signature", "rawline.outs"} & set(run.data.tags)


@pytest.mark.long
def test_what_a_bare_dvc_keeps_of_it_is_stale_until_it_has_run_again(project: toy.Project) -> None:
    """The record neither signs it nor calls it cached, from the run cache either; ``rawline repro`` makes it anew."""
    _edit_while_acquire_runs(project)
    assert project.dvc("repro", "finetune@classify").returncode == 0
    project.settle()
    stale = project.children(project.parents()[1])["acquire"]
    assert (stale.info.status, stale.data.tags["rawline.state"]) == ("FINISHED", "Stale")
    assert stale.data.tags["rawline.message"].startswith("code.txt changed while it ran before")
    assert not {"rawline.signature", "rawline.outs", "rawline.origin"} & set(stale.data.tags)
    (project.root / "code.txt").write_text("3")
    assert project.dvc("repro", "acquire").returncode == 0
    (project.root / "code.txt").write_text("2")
    restored = project.rawline("repro", "acquire")
    assert restored.returncode == 1
    assert "code.txt changed while acquire ran" in restored.stderr
    done = project.rawline("repro")
    assert done.returncode == 0, done.stderr
    project.settle()
    last = project.children(project.parents()[-1])["acquire"]
    assert last.data.tags["rawline.state"] == "Completed"
    assert "rawline.signature" in last.data.tags


def _edit_while_acquire_runs(project: toy.Project) -> None:
    project.set("acquire", num_epochs=100_000, sleep_s=0.05)
    command = project.start(sys.executable, "-m", "dvc", "repro", "acquire")
    while not list((project.root / ".rawline").glob("spool/*/acquire.*.jsonl")):
        assert command.poll() is None
    (project.root / "code.txt").write_text("2")
    (project.root / "enough").touch()
    output, _ = command.communicate(timeout=600)
    assert command.returncode == 0, output
    project.settle()
