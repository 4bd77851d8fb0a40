"""A recorder ends with a word, whatever ends it, and leaves what it has not sent to the next one."""

from pathlib import Path

import pytest

from pipelines.record import delivery, mending, recorder, sender
from pipelines.record import execution as executions
from stages.core import files
from tests import recording
from tests.pipeline import toy


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> toy.Project:
    """Return a project with a ready database."""
    monkeypatch.setattr(recorder.time, "sleep", lambda _: None)
    return recording.project(tmp_path / "project", monkeypatch)


def _dies(*_words: object, **_more: object) -> None:
    raise RuntimeError("Can't locate revision\nidentified by 'ab12'")


def test_one_that_cannot_start_says_so(project: toy.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's import or a newer database's schema: one line, and the execution waits for the next recorder."""
    execution = recording.execution("one")
    with monkeypatch.context() as patch:
        patch.setattr(sender, "Sender", _dies)
        recorder.main(execution)
    assert executions.problem(execution).startswith("the recorder cannot start: RuntimeError: Can't locate revision ident")
    assert "\n" not in executions.problem(execution)
    recorder.main(execution)
    assert delivery.waiting() == []
    assert {run.info.status for run in project.parents()} == {"FINISHED"}


@pytest.mark.parametrize(("where", "what"), [(delivery, "look"), (delivery, "deliver"), (mending, "mend")])
def test_an_unexpected_fault_is_told_and_tried_again(
    project: toy.Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], where: object, what: str
) -> None:
    """Three in a row end the recorder: a line for people, the traceback in its log, nothing lost."""
    execution = recording.execution("one")
    with monkeypatch.context() as patch:
        patch.setattr(where, what, _dies)
        recorder.main(execution)
    assert "RuntimeError: Can't locate revision identified by 'ab12'" in executions.problem(execution)
    assert capfd.readouterr().err.count("Traceback") >= recorder.FAULTS
    assert delivery.waiting() == [execution]
    recorder.main(execution)
    assert delivery.waiting() == []
    assert executions.problem(execution) == ""
    assert {run.info.status for run in project.parents()} == {"FINISHED"}


def test_a_fault_that_passes_ends_nothing(project: toy.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice something unexpected, then well: sent by the same recorder."""
    execution, plain = recording.execution("one"), delivery.look
    faults = iter([True] * (recorder.FAULTS - 1))
    monkeypatch.setattr(delivery, "look", lambda name: _dies() if next(faults, False) else plain(name))
    recorder.main(execution)
    assert delivery.waiting() == []
    assert [run.info.status for run in project.parents()] == ["FINISHED"]


def test_who_looks_after_the_others_leaves_none_at_work_without_a_recorder(
    project: toy.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An execution that begins while another's recorder looks at it takes that one's lock for its own recorder's."""
    ended, begun = recording.execution("one"), executions.open_execution("flow", name="two")
    recording.journal(begun, "acquire")
    elsewhere = executions.open_execution("flow", name="three")
    about = executions.folder(elsewhere) / "execution.json"
    files.write_json(about, {**files.read_json(about), "boot": "another"})
    started: list[str] = []

    def ensure(execution: str) -> None:
        if not recorder.is_running(execution):
            started.append(execution)

    monkeypatch.setattr(recorder, "ensure", ensure)
    delivery.deliver_rest(sender.Sender())
    assert started == [begun]
    assert set(delivery.waiting()) == {begun, elsewhere}
    assert ended not in delivery.waiting()
