"""What the doctor prints to be pasted is a command, works in any folder, and deletes nothing that is kept for a person."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipelines import cache_examination, examinations
from pipelines.doctor import Check, Finding
from pipelines.record import execution as executions
from pipelines.record import quarantine
from stages.core import files


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project in a folder with a quote and blanks; what its path would name without quotes exists, too."""
    root = tmp_path / "it's my; project"
    for name in ("it", "its", "my", "project"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "precious").write_text(name)
    root.mkdir()
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin/rawline"
    stub.write_text("#!/bin/sh\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("RAWLINE_ROOT", str(root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    return root


def _set_aside(root: Path) -> Check:
    """One file of an execution."""
    for name in ("20260101-000000-dvc-1-aa", "20260101-000000-dvc-2-bb"):
        files.write_text(executions.folder(name) / "acquire.1-1.jsonl", "")
        quarantine.put(name, executions.folder(name) / "acquire.1-1.jsonl", "it is empty")
        executions.folder(name).rmdir()
    return examinations.journals


def _refused(root: Path) -> Check:
    """Executions that MLflow did not take."""
    for name in ("one", "two; rm precious"):
        files.write_text(root / ".rawline/refused" / name / "execution.json", "{}")
    return examinations.journals


def _altered(root: Path) -> Check:
    """An object of the cache that is not what it says, named with a blank."""
    place = root / ".dvc/cache/files/md5/ab"
    subprocess.run([Path(sys.executable).parent / "dvc", "init", "--no-scm", "--quiet"], check=True, cwd=root)
    place.mkdir(parents=True)
    (place / "object with blanks").write_text("x")
    (place / "object").write_text("x")
    return cache_examination.cache


def _altered_elsewhere(root: Path) -> Check:
    """An object of a cache that several projects share."""
    dvc, shared = Path(sys.executable).parent / "dvc", root.parent / "shared cache"
    subprocess.run([dvc, "init", "--no-scm", "--quiet"], check=True, cwd=root)
    subprocess.run([dvc, "cache", "dir", shared], check=True, cwd=root, capture_output=True)
    (shared / "files/md5/ab").mkdir(parents=True)
    (shared / "files/md5/ab/object").write_text("x")
    (shared / "files/md5/ab/gone").symlink_to(shared / "nowhere")
    (found,) = cache_examination.cache()
    assert not found.mend, "another project's files may be linked to it"
    assert "move and delete none" in found.advice
    assert str(shared) in found.message
    return cache_examination.cache


def _torn(root: Path) -> Check:
    (root / ".dvc/tmp").mkdir(parents=True)
    (root / ".dvc/tmp/rwlock").write_text("{torn")
    return examinations.dvc_locks


def _broken(root: Path) -> Check:
    (root / "tracking").mkdir()
    (root / "tracking/mlflow.db").write_bytes(b"no database at all" * 100)
    return examinations.mlflow


@pytest.mark.parametrize("fault", [_set_aside, _refused, _altered, _altered_elsewhere, _torn, _broken])
def test_a_remedy_touches_nothing_else(fault, project: Path) -> None:
    """It runs without a fault; nothing is deleted, torn objects of the cache no more than others; the doctor is content."""
    check = fault(project)
    found = [finding for finding in check() if finding.state != "ok"]
    assert found
    before = _bytes(project.parent)
    for finding in found:
        _paste(finding.mend)
    after = _bytes(project.parent)
    assert sorted(after.values()) == sorted(before.values())
    assert {place: text for place, text in after.items() if "precious" in place.name} == {
        place: text for place, text in before.items() if "precious" in place.name
    }
    assert after == before or all(finding.state == "ok" for finding in check())
    assert all("rm -r" not in finding.mend + finding.advice for finding in found)


def test_what_was_set_aside_whole_is_put_back_as_the_doctor_says(project: Path) -> None:
    """An execution that nobody else sends: the line beside the remedy moves it back, and the doctor no longer names it."""
    name = "20260101-000000-dvc-3-cc"
    place = executions.folder(name)
    files.write_text(place / "execution.json", "{}")
    quarantine.put(name, place, "this is a copy: the original may still work; when it does not, put this back")
    (finding,) = [one for one in examinations.journals() if "set aside" in one.message]
    command = finding.advice.partition("sends it: ")[2].partition("; else")[0]
    assert command.endswith("&& rawline sync")
    _paste(command)
    assert (place / "execution.json").read_text() == "{}"
    assert not [one for one in examinations.journals() if "set aside" in one.message]
    assert "put this back" in quarantine.told(name)[0], "that a person put it back stays known"


@pytest.mark.parametrize("kept", ["rwlock.broken", "rwlock.broken/kept"])
def test_what_was_moved_away_before_stays(kept: str, project: Path) -> None:
    """A file or a folder of that name gets a number, nothing is moved into it, and the doctor is content all the same."""
    check = _torn(project)
    files.write_text(project / ".dvc/tmp" / kept, "kept")
    (finding,) = check()
    _paste(finding.mend)
    assert (project / ".dvc/tmp/rwlock.broken").read_text() == "{torn"
    assert (project / ".dvc/tmp" / kept.replace("broken", "broken.~1~")).read_text() == "kept"
    assert all(one.state == "ok" for one in check())


def test_nothing_is_put_back_into_what_lies_there(project: Path) -> None:
    """An execution of that name that is there again: neither it nor what was set aside is touched."""
    name = "20260101-000000-dvc-3-cc"
    place = executions.folder(name)
    files.write_text(place / "execution.json", "{}")
    quarantine.put(name, place, "this is a copy")
    files.write_text(place / "execution.json", "another")
    before = _bytes(project)
    (finding,) = [one for one in examinations.journals() if "set aside" in one.message]
    command = finding.advice.partition("sends it: ")[2].partition("; else")[0]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode, "nothing was moved: that is said, and nothing is sent"
    assert name in done.stderr
    assert _bytes(project) == before


def test_each_time_keeps_what_was_kept_before(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database is upgraded or set aside a second time: both copies are there."""
    _broken(project)
    database = project / "tracking/mlflow.db"
    for turn, place in enumerate(("mlflow.db.broken", "mlflow.db.broken-2")):
        database.write_bytes(content := b"no database at all" * (turn + 100))
        (finding,) = examinations.mlflow()
        _paste(finding.mend)
        assert (database.parent / place / "mlflow.db").read_bytes() == content
    for name, answer in (("fault", ""), ("is_ready", False), ("revision", "old"), ("newest", "new"), ("is_newer", False)):
        monkeypatch.setattr(examinations.database, name, lambda *_, answer=answer: answer)
    for content in ("first", "second"):
        database.write_text(content)
        (finding,) = examinations.mlflow()
        _paste(finding.mend.partition(" && ")[0])
    assert (database.parent / "mlflow.db.before-upgrade").read_text() == "second"
    assert (database.parent / "mlflow.db.before-upgrade.~1~").read_text() == "first"


def test_a_kept_copy_that_is_lost_is_named_until_its_note_is_deleted(project: Path) -> None:
    """Nothing lies there to be put back, and the record lacks it all the same."""
    quarantine.note("one", "acquire.1-1.files/x/kept.txt", "the kept copy is gone")
    assert list(quarantine.listed()) == ["one"]
    shutil.rmtree(quarantine.folder() / "one")
    assert quarantine.listed() == {}


def test_words_are_no_command(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each remedy of the faults that no command mends is empty, and bash takes all others for commands that exist."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    found: list[Finding] = [*examinations.mlflow()]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (project / "tracking").mkdir()
    with closing(sqlite3.connect(project / "tracking/mlflow.db")) as connection, connection:
        connection.execute("create table alembic_version (version_num text)")
        connection.execute("insert into alembic_version values ('ffff00001111')")
    (project / ".rawline/spool/odd").mkdir(parents=True)
    found += [*examinations.mlflow(), *examinations.journals(), *examinations.python()]
    monkeypatch.setattr(examinations.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 0}))
    found += [one for one in examinations.machine() if one.what == "machine"]
    bad = [one for one in found if one.state != "ok"]
    assert {one.what for one in bad} == {"mlflow", "journals", "project", "machine"}
    assert all(one.advice and not one.mend for one in bad), bad


def _paste(line: str) -> None:
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (line, done.stderr)
    assert not done.stderr


def _bytes(folder: Path) -> dict[Path, str]:
    """Return each file with the hash of its bytes."""
    found = [place for place in folder.rglob("*") if place.is_file()]
    return {place: hashlib.md5(place.read_bytes(), usedforsecurity=False).hexdigest() for place in found}
