"""A full disk costs the record some lines, never the stage's work, and the record says so."""

import contextlib
import errno
import logging
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipelines import sync
from pipelines.record import delivery, quarantine, uploads
from pipelines.record import execution as executions
from pipelines.record.journal import DISK, INCOMPLETE, Journal
from pipelines.record.sender import Sender
from stages.core import files
from stages.core.errors import InfrastructureError
from tests import recording
from tests.pipeline import toy

SIZE_KIB = 256


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KIB}k", "none", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> toy.Project:
    """Return a project with a ready database."""
    return recording.project(tmp_path / "project", monkeypatch)


def _fill(place: Path) -> None:
    with (place / "filler").open("wb", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(bytes(4096))


def test_a_run_on_a_full_disk_ends_and_says_what_is_missing(small: Path) -> None:
    """Curves and files are dropped and counted; the end, for which room was kept, is there and whole."""
    journal = Journal(small / "spool/one/acquire.1-1.jsonl")
    journal.write("open", name="acquire", stage="acquire", experiment="toy", tags={})
    journal.write("metrics", values={"loss": 1.0}, step=0)
    source = small.parent / "big.bin"
    source.write_bytes(bytes(64 * 1024))
    _fill(small)
    for epoch in range(2000):
        journal.write("metrics", values={"loss": 0.5, "x" * 200: 1.0}, step=epoch)
    journal.keep(source)
    folder = small.parent / "folder"
    folder.mkdir()
    (folder / "big.bin").write_bytes(source.read_bytes())
    journal.keep(folder)
    journal.write("tags", values={"rawline.state": "Completed"})
    journal.write("end", status="FINISHED", message="")
    assert journal.lost > 1000
    assert "no space left on the disk" in journal.incomplete()
    again = Journal(journal.path)
    assert (again.ending() or {})["status"] == "FINISHED"
    tags = {k: v for event, _ in again.events() if event["kind"] == "tags" for k, v in event["values"].items()}
    assert again.missing()[DISK].endswith("events or files are missing: no space left on the disk")
    assert tags["rawline.state"] == "Completed"
    assert not [event for event, _ in again.events() if event["kind"] == "artifact"]


def test_a_write_that_fails_is_told_in_mlflow(project: toy.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """One metric finds no room, the later ones do: the run is sent, complete but for it, and marked."""
    execution = executions.open_execution("flow", name="full")
    plain = Journal._append
    calls = iter(range(100))

    def full(self: Journal, line: bytes, *, synced: bool) -> None:
        if b'"metrics"' in line and next(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(self, line, synced=synced)

    monkeypatch.setattr(Journal, "_append", full)
    journal = Journal(executions.folder(execution) / "acquire.1-1.jsonl")
    journal.write("open", name="acquire", stage="acquire", experiment="toy", tags={"rawline.stage": "acquire"})
    for step in range(3):
        journal.write("metrics", values={"loss": 1.0}, step=step)
    journal.write("end", status="FINISHED")
    assert journal.lost == 1
    executions.close_execution(execution, exit_code=0, wait_s=0)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    run = project.children(project.parents()[0])["acquire"]
    assert run.info.status == "FINISHED"
    assert [m.step for m in project.client.get_metric_history(run.info.run_id, "loss")] == [0, 2]
    assert run.data.tags[INCOMPLETE].startswith("1 events or files are missing")


def test_sync_says_in_one_line_that_mlflows_database_takes_nothing(
    project: toy.Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """MLflow logs what it raises with its traceback; the reader gets the line, and who asks for debugging the rest."""
    recording.execution("first")
    assert set(delivery.deliver_rest(Sender()).values()) == {""}
    execution = recording.execution("second")
    with closing(sqlite3.connect(project.root / "tracking/mlflow.db")) as base:
        base.execute("alter table metrics rename to gone")
    logger = logging.getLogger("mlflow.store.db.utils")
    for level in (logging.INFO, logging.DEBUG, logging.NOTSET):
        logger.setLevel(level)
        with pytest.raises(InfrastructureError, match=r"is out of reach: .*no such table.*1 executions wait"):
            sync.sync()
        said = capsys.readouterr()
        assert bool(said.err) == ("Traceback" in said.err) == (level == logging.DEBUG)
        assert said.out == ""
    assert delivery.waiting() == [execution]


def test_sync_says_in_one_line_that_mlflows_files_find_no_room(
    project: toy.Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no slip of ours; what waits is sent when there is room."""
    execution = recording.execution("full")

    def full(*_args: object, **_words: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "send", full)
        with pytest.raises(InfrastructureError, match=r"No space left on device \(.*; 1 executions wait"):
            sync.sync()
    assert capsys.readouterr() == ("", "")
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    assert delivery.waiting() == []


def _lossy(execution: str, *torn: bytes) -> Journal:
    """Leave a stage's run that lost 287 events, with lines that broke off among the whole ones."""
    journal = Journal(executions.folder(execution) / "acquire.1-1.jsonl")
    journal.write("open", name="acquire", stage="acquire", experiment="toy", tags={"rawline.stage": "acquire"})
    journal.lost = 287
    for line in torn:
        with journal.path.open("ab") as handle:
            handle.write(line)
        journal.write("metrics", values={"loss": 1.0}, step=0)
    journal.write("tags", values={"rawline.state": "Completed"})
    journal.write("end", status="FINISHED", message="")
    return journal


def test_what_broke_off_on_a_full_disk_is_counted_once(project: toy.Project) -> None:
    """MLflow says how many events are missing; the torn lines are among them, so that nothing is set aside for them."""
    execution = executions.open_execution("flow", name="full")
    _lossy(execution, b'{"t": 17', b"{")
    executions.close_execution(execution, exit_code=0, wait_s=0)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    run = project.children(project.parents()[0])["acquire"]
    assert run.data.tags[INCOMPLETE] == "287 events or files are missing: no space left on the disk"
    assert quarantine.listed() == {}


def test_every_reason_why_a_run_is_incomplete_is_told(project: toy.Project) -> None:
    """A full disk, lines that are noise and a kept copy that is gone stand beside each other: the last one hides none."""
    execution = executions.open_execution("flow", name="full")
    journal = _lossy(execution, b'{"t": 17', b'"noise"')
    source = project.root / "kept.txt"
    source.write_text("kept")
    journal.keep(source)
    shutil.rmtree(journal.files)
    executions.close_execution(execution, exit_code=0, wait_s=0)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    told = project.children(project.parents()[0])["acquire"].data.tags[INCOMPLETE].split("; ")
    assert told[0] == "287 events or files are missing: no space left on the disk"
    assert told[1] == "1 lines of the journal could not be read"
    assert told[2].startswith("not sent, its copy is gone")


def test_what_must_last_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is synced before it takes its name, and the folder after; so are begin, end, tags and parameters of a run."""
    synced: list[str] = []
    plain = files.os.fsync

    def noted(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(f"{name.name}:{name.stat().st_size > 0}:{(tmp_path / 'a.json').exists()}")
        plain(descriptor)

    monkeypatch.setattr(files.os, "fsync", noted)
    files.write_json(tmp_path / "a.json", {"a": 1})
    assert synced == ["a.json:True:False", f"{tmp_path.name}:True:True"]
    journal = Journal(tmp_path / "run.jsonl")
    for kind, content in (
        ("open", {"name": "a", "experiment": "b"}), ("params", {"values": {}}), ("tags", {"values": {}}),
        ("end", {"status": "FINISHED"}),
    ):  # fmt: skip
        synced.clear()
        journal.write(kind, **content)
        assert "run.jsonl:True:True" in synced, kind
