"""A recorder ends with a word, whatever ends it, and leaves what it has not sent to the next one."""

import errno
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.record import delivery, mending, recorder, sender
from pipelines.record import execution as executions
from pipelines.record.journal import Journal, Sent
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


@pytest.mark.parametrize(("good", "full", "most"), [(0, False, 1), (0, True, 1), (1, False, 2)])
def test_recorders_that_give_up_do_not_start_each_other_without_end(
    project: toy.Project, monkeypatch: pytest.MonkeyPatch, good: int, full: bool, most: int
) -> None:
    """Of two executions at work each one's recorder ends by faults, at once or after a good turn, on a full disk too."""
    both = [executions.open_execution("flow", name=name) for name in ("one", "two")]
    wanted, started, plain, turns = [both[0]], [], delivery.look, iter(range(99))

    def look(name: str) -> bool:
        return plain(name) if next(turns) < good else bool(_dies())  # type: ignore[func-returns-value]

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "look", look)
        patch.setattr(recorder, "ensure", lambda name: None if recorder.is_running(name) else wanted.append(name))
        if full:
            patch.setattr(Path, "touch", _no_space)
        while wanted and len(started) < 9:
            turns = iter(range(99))
            started.append(wanted.pop(0))
            recorder.main(started[-1])
    assert started == both[:most]
    assert set(delivery.waiting()) == {*both}
    for execution in both:
        executions.close_execution(execution, exit_code=0, wait_s=0)
    recorder.main(both[0])
    assert delivery.waiting() == []
    assert len(project.parents()) == len(both)


def _no_space(*_words: object, **_more: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


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


@pytest.mark.parametrize("opened", [False, True])
def test_who_is_killed_while_sending_leaves_no_open_run_below_a_parent_that_ended(
    project: toy.Project, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    """Whenever the kill comes, the parent's end is sent last; what was sent before the end was written changes nothing."""
    if opened:
        execution = executions.open_execution("flow", name="one")
        recording.journal(execution, "acquire")
        delivery.deliver(sender.Sender(), execution, over=False)
        recording.journal(execution, "finetune@classify")
        executions.close_execution(execution, exit_code=0, wait_s=0)
    else:
        execution = recording.execution("one")
    delivery.look(execution)
    tell, order = sender.Sender.tell, []

    def told_and_killed(self: sender.Sender, journal: Journal) -> Sent:
        is_news = not journal.is_told()
        sent = tell(self, journal)
        if is_news:
            order.append(journal.is_parent)
            raise KeyboardInterrupt
        return sent

    monkeypatch.setattr(sender.Sender, "tell", told_and_killed)
    while delivery.waiting():
        with suppress(KeyboardInterrupt):
            delivery.deliver(sender.Sender(), execution, over=True)
        for parent in project.parents():
            below = [status for status, _ in toy.states(project.children(parent)).values()]
            assert parent.info.status == "RUNNING" or below == ["FINISHED", "FINISHED"]
    assert order == ([False, True] if opened else [False, False, True])
    assert {run.info.status for run in project.parents()} == {"FINISHED"}
