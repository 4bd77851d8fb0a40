"""A copy of a project with an unfinished execution never ends the original's run; a project that was moved goes on."""

import os
import shutil
from pathlib import Path

import pytest

from pipelines import settings
from pipelines.record import copies, database, delivery, quarantine
from pipelines.record import execution as executions
from pipelines.record.sender import Sender
from pipelines.settings import sqlite_uri
from stages.core.errors import InfrastructureError
from tests import recording
from tests.pipeline import toy


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> toy.Project:
    """Return a project whose MLflow lies outside of it, as a server does."""
    made = recording.project(tmp_path / "original", monkeypatch)
    shutil.move(made.root / "tracking", tmp_path / "server")
    uri = sqlite_uri(tmp_path / "server/mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    made.env = {"MLFLOW_TRACKING_URI": uri}
    return made


def _begin() -> str:
    """Begin an execution that this process owns, and show it as running."""
    execution = executions.open_execution("flow", name="one", wanted=[])
    recording.journal(execution, "acquire")
    delivery.deliver(Sender(), execution, over=False)
    return execution


def _go(root: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("RAWLINE_ROOT", str(root))
    patch.chdir(root)


def _orphan(execution: str) -> None:
    """Let the execution's owner be a process that is gone."""
    place = executions.folder(execution) / "execution.json"
    place.write_text(place.read_text().replace(f'"pid": {os.getpid()}', '"pid": 4194303'))


def _status(project: toy.Project) -> list[str]:
    return [run.info.status for run in project.parents()]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("ended", [False, True])
def test_a_copy_leaves_the_run_of_the_original(
    shared: toy.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ended: bool, whole: bool
) -> None:
    """While the original works, and after it has ended: the copy is set aside with the reason, the run stays as it was.

    What the copy's own file says of the original is known when that file is torn, too.
    """
    execution = _begin()
    copy = tmp_path / "copy"
    shutil.copytree(shared.root, copy, symlinks=True)
    if ended:
        executions.close_execution(execution, exit_code=0, wait_s=0)
        assert delivery.deliver_rest(Sender()) == {execution: ""}
    before = _status(shared)
    assert before == ["FINISHED" if ended else "RUNNING"]
    _go(copy, monkeypatch)
    _orphan(execution)
    if not whole:
        (executions.folder(execution) / "execution.json").write_text("{")
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    assert _status(shared) == before
    assert not executions.folder(execution).exists()
    assert f"{shared.root} sends this execution" in quarantine.told(execution)[0]


def test_a_restored_backup_is_not_sent_over_a_run_that_has_ended(
    shared: toy.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder lies where it lay, as it was while the execution ran; MLflow knows how that ended."""
    execution = _begin()
    shutil.copytree(shared.root, tmp_path / "backup", symlinks=True)
    executions.close_execution(execution, exit_code=0, wait_s=0)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    shutil.rmtree(shared.root)
    shutil.copytree(tmp_path / "backup", shared.root, symlinks=True)
    _go(shared.root, monkeypatch)
    _orphan(execution)
    delivery.deliver_rest(Sender())
    assert _status(shared) == ["FINISHED"]
    assert "the original has ended in MLflow" in quarantine.told(execution)[0]


@pytest.mark.parametrize("disk", ["same", "other"])
def test_a_project_that_was_moved_goes_on(
    shared: toy.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: str
) -> None:
    """The old place is gone: what was killed is closed from the new one, on another disk too."""
    execution = _begin()
    there = tmp_path / "there"
    if disk == "same":
        shared.root.rename(there)
    else:
        shutil.copytree(shared.root, there, symlinks=True)
        shutil.rmtree(shared.root)
    _go(there, monkeypatch)
    _orphan(execution)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    assert _status(shared) == ["KILLED"]
    assert quarantine.told(execution) == []


def test_addresses_stay_while_the_project_is_seen_at_the_old_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same folder by a second path is no move: files are found at both."""
    made = recording.project(tmp_path / "first", monkeypatch)
    database.prepare()
    before = settings.database().read_bytes()
    made.root.rename(tmp_path / "second")
    made.root.symlink_to(tmp_path / "second")
    _go(tmp_path / "second", monkeypatch)
    database.prepare()
    assert settings.database().read_bytes() == before
    made.root.unlink()
    database.prepare()
    assert settings.database().read_bytes() != before


def test_addresses_stay_while_somebody_works_at_the_old_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old path is not seen from here and its execution lives: one line says that the record waits; then they follow."""
    made = recording.project(tmp_path / "first", monkeypatch)
    database.prepare()
    execution = executions.open_execution("flow", name="one")
    before = settings.database().read_bytes()
    made.root.rename(tmp_path / "second")
    _go(tmp_path / "second", monkeypatch)
    assert copies.at_work_elsewhere() == str(made.root)
    with pytest.raises(InfrastructureError, match="the record waits until it has ended"):
        database.prepare()
    assert settings.database().read_bytes() == before
    _orphan(execution)
    database.prepare()
    assert settings.database().read_bytes() != before
