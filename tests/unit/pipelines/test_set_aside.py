"""One file that cannot be read is set aside with its reason; everything else is sent."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines import examinations, sync
from pipelines.record import delivery, mending, quarantine
from pipelines.record import execution as executions
from pipelines.record.sender import Sender
from stages.core.errors import DataError
from tests import recording
from tests.pipeline import toy

OLD = 100.0


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> toy.Project:
    """Return a project with a ready database."""
    return recording.project(tmp_path / "project", monkeypatch)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _torn(path: Path) -> None:
    path.write_bytes((path.read_bytes() if path.exists() else b'{"a": 1}')[:7])


def _binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 4 + b"\n")


def _list(path: Path) -> None:
    path.write_bytes(b"[1, 2]\n")


def _hollow(path: Path) -> None:
    path.write_bytes(
        b'{"t": NaN, "kind": "open", "id": 7, "nodes": 5, "stages": {"acquire": [1]}, "states": [], "offset": "x"}\n'
    )


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


FAULTS = (_empty, _torn, _binary, _list, _hollow, _folder)
FILES = (
    "execution.json",
    "execution.jsonl",
    "acquire.1-1.jsonl",
    "dvc.lock",
    *(pytest.param(name, marks=pytest.mark.long) for name in ("acquire.1-1.sent", "closing.json", "graph.json")),
)


def _spoil(execution: str, name: str, fault: Callable[[Path], None]) -> None:
    path = executions.folder(execution) / name
    fault(path)
    then = time.time() - OLD
    os.utime(path, (then, then))


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_costs_itself_alone(project: toy.Project, name: str) -> None:
    """Whatever is wrong with a file: nothing stays open in MLflow, the other runs are whole, the reason is told."""
    bad = {fault.__name__: recording.execution(fault.__name__) for fault in FAULTS}
    sound = recording.execution("sound")
    for fault in FAULTS:
        _spoil(bad[fault.__name__], name, fault)
    found = delivery.deliver_rest(Sender())
    assert found == dict.fromkeys([*bad.values(), sound], ""), found
    assert delivery.waiting() == []
    runs = project.runs()
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    assert {run.info.run_name for run in project.parents()} >= {"sound"}
    assert len(project.parents()) == len(FAULTS) + 1
    for parent in project.parents():
        children = project.children(parent)
        assert set(children) == {"acquire", "finetune@classify"}
        assert len(project.client.get_metric_history(children["finetune@classify"].info.run_id, "loss")) == 3
        whole = name != "acquire.1-1.jsonl" or parent.info.run_name == "sound"
        assert children["acquire"].info.status == ("FINISHED" if whole else "KILLED")
        assert children["acquire"].data.tags["rawline.state"] == ("Completed" if whole else "Unknown")
    for execution in bad.values():
        told = quarantine.told(execution)
        assert told, f"{execution}: nothing says why {name} was not used"
        assert all(name in line for line in told), told
        assert "rawline sync" in (quarantine.folder() / execution / quarantine.REASON).read_text()
    assert quarantine.told(sound) == []


def test_sync_and_doctor_name_what_was_set_aside(project: toy.Project) -> None:
    """Sync sends the later execution, names the file, and its status tells; the doctor names it with a remedy that heals."""
    bad, sound = recording.execution("bad"), recording.execution("sound")
    _spoil(bad, "acquire.1-1.jsonl", _empty)
    with CliRunner().isolation() as (out, err, _), pytest.raises(DataError, match="1 executions"):
        sync.sync()
    assert b"2 executions sent" in out.getvalue()
    assert b"acquire.1-1.jsonl: it is empty" in err.getvalue()
    assert executions.archived(sound)["status"] == "FINISHED"
    found = [finding for finding in examinations.journals() if finding.state != "ok"]
    assert len(found) == 1
    assert "acquire.1-1.jsonl: it is empty" in found[0].message
    shutil.rmtree(quarantine.folder() / bad)
    assert [finding.state for finding in examinations.journals()] == ["ok"]
    sync.sync()


def test_lines_that_are_no_events_are_counted_and_the_others_sent(project: toy.Project) -> None:
    """Noise between good lines, before and after the end, costs only itself; the run says that it is incomplete."""
    execution = recording.execution("noisy")
    path = executions.folder(execution) / "acquire.1-1.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    noise = [
        b'{"t": 1, "kind": "metrics", "values": ["a"], "step": 0}\n',
        b"\x00\xff\n",
        b'"word"\n',
        b'{"t": 2, "kind": "end", "st',
    ]
    path.write_bytes(lines[0] + noise[0] + noise[1] + b"".join(lines[1:]) + noise[2] + noise[3])
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    (parent,) = project.parents()
    run = project.children(parent)["acquire"]
    assert run.info.status == "FINISHED"
    assert len(project.client.get_metric_history(run.info.run_id, "loss")) == 3
    assert [a.path for a in project.client.list_artifacts(run.info.run_id, "outs")] == ["outs/kept.txt"]
    assert run.data.tags["rawline.record"] == "4 lines of the journal could not be read"
    assert "acquire.1-1.jsonl" in parent.data.tags["rawline.record"]


def test_a_kept_file_that_is_gone_is_named(project: toy.Project) -> None:
    """The run is sent without it and says so."""
    execution = recording.execution("lost")
    shutil.rmtree(executions.folder(execution) / "acquire.1-1.files")
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    run = project.children(project.parents()[0])["acquire"]
    assert run.info.status == "FINISHED"
    assert run.data.tags["rawline.record"].startswith("not sent, its copy is gone")
    assert "kept copy is gone" in quarantine.told(execution)[0]


def test_kept_files_go_aside_with_their_journal(project: toy.Project) -> None:
    """What a journal that cannot be read has kept lies beside it in quarantine: nothing of it is deleted."""
    execution = recording.execution("bad")
    for name in ("acquire.1-1.jsonl", "execution.jsonl"):
        _spoil(execution, name, _empty)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    place = quarantine.folder() / execution
    assert [path.read_text() for path in place.glob("acquire.1-1.files/*/kept.txt")] == ["acquire"]
    assert list(place.glob("execution.files/*/params.yaml"))


def test_a_broken_note_of_a_sent_execution_is_set_aside(project: toy.Project) -> None:
    """Who asks how it ended gets an answer; sync and the next execution go on."""
    execution = recording.execution("sent")
    delivery.deliver_rest(Sender())
    executions.archive(execution).write_bytes(b"")
    assert executions.stage_states(execution) == {}
    assert executions.wait(execution, 1.0).sent
    assert "cannot be used" in quarantine.told(execution)[0]


def test_junk_in_the_spool_is_swept_when_it_is_old(project: toy.Project) -> None:
    """What a kill left half-made goes, a loose file is set aside, and neither is touched while it may be in the making."""
    spool = executions.spool()
    (spool / "empty").mkdir(parents=True)
    (spool / "half" / ".execution.json.x1").mkdir(parents=True)
    (spool / "half" / "recorder.lock").touch()
    (spool / "note.txt").write_text("mine")
    (spool / "odd").mkdir()
    (spool / "odd" / "table.csv").write_text("1")
    assert delivery.deliver_rest(Sender()) == {}
    assert len(list(spool.iterdir())) == 4
    assert any("of no execution: empty, half, note.txt, odd" in finding.message for finding in examinations.journals())
    then = time.time() - 2 * mending.OLD_S
    for path in sorted(spool.rglob("*"), reverse=True):
        os.utime(path, (then, then))
    delivery.deliver_rest(Sender())
    assert list(spool.iterdir()) == []
    assert sorted(p.name for p in (quarantine.folder() / quarantine.LOOSE).iterdir()) == [
        "note.txt",
        "odd",
        quarantine.REASON,
    ]


def test_an_unexpected_fault_of_one_run_leaves_the_others_their_turn(
    project: toy.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of ours in sending one run is told; the other runs and executions are sent; the next try mends it."""
    first, second = recording.execution("first"), recording.execution("second")
    plain = Sender.tell

    def slips(self: Sender, journal):
        if journal.path.parent.name == first and "acquire" in journal.path.name:
            raise ZeroDivisionError("a slip")
        return plain(self, journal)

    monkeypatch.setattr(Sender, "tell", slips)
    found = delivery.deliver_rest(Sender())
    assert "ZeroDivisionError: a slip" in found[first]
    assert "ZeroDivisionError: a slip" in executions.problem(first)
    assert found[second] == ""
    monkeypatch.setattr(Sender, "tell", plain)
    assert delivery.deliver_rest(Sender()) == {first: ""}
    assert {run.info.status for run in project.runs()} == {"FINISHED"}
