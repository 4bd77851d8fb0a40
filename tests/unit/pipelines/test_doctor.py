"""The doctor finds what is wrong and names the command that mends it."""

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from pipelines import cache_examination, doctor, examinations
from pipelines.record import execution as executions
from stages.core import files


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty project."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pins_are_held_against_what_is_installed(project: Path) -> None:
    """Absent is broken, another version a warning, the same fine whatever its build."""
    import torch  # noqa: PLC0415

    (project / "constraints.txt").write_text(f"no-such-package==1.0\nclick==0.1\ntorch=={torch.__version__.split('+')[0]}\n")
    absent, other = examinations.pins()
    assert (absent.state, other.state) == ("broken", "warn")
    assert "no-such-package" in absent.message
    assert "click" in other.message
    assert "torch" not in other.message
    assert "pip install" in absent.mend


def test_a_server_out_of_reach_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within seconds, with what to do."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    (finding,) = examinations.mlflow()
    assert finding.state == "broken"
    assert "out of reach" in finding.message
    assert "rawline sync" in finding.mend


@pytest.mark.parametrize(("broken", "mend"), [(True, "mv "), (False, "mlflow db upgrade sqlite:///")])
def test_a_database_that_is_broken_or_old_is_named(project: Path, broken: bool, mend: str) -> None:
    """A file that is no database is set aside, an old schema upgraded."""
    place = project / "tracking/mlflow.db"
    place.parent.mkdir()
    if broken:
        place.write_bytes(b"no database at all" * 100)
    else:
        with sqlite3.connect(place) as connection:
            connection.execute("create table alembic_version (version_num text)")
            connection.execute("insert into alembic_version values ('0001')")
        connection.close()
    (finding,) = examinations.mlflow()
    assert finding.state == "broken"
    assert mend in finding.mend


def test_unsent_records_and_stale_locks_are_counted(project: Path) -> None:
    """Journals without a recorder want a sync; a lock of a process that is gone can be removed."""
    files.write_json(executions.folder("one") / "execution.json", {})
    (project / ".dvc/tmp").mkdir(parents=True)
    (project / ".dvc/tmp/rwlock").write_text(json.dumps({"data/x": {"write": {"pid": 2**22 + 1, "cmd": "dvc repro"}}}))
    (unsent,), (stale,) = examinations.journals(), examinations.stale_locks()
    assert (unsent.state, unsent.mend) == ("warn", "rawline sync")
    assert stale.state == "warn"
    assert stale.mend == "rm .dvc/tmp/rwlock"


def test_the_exit_status_says_whether_something_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning is not broken; an examination that fails itself is."""
    warn = lambda: iter([doctor.Finding("disk", "warn", "8 GiB free", "dvc gc --workspace")])  # noqa: E731

    def fails() -> None:
        raise ValueError("oh")

    monkeypatch.setattr(examinations, "CHECKS", (warn,))
    assert doctor.doctor() == 0
    monkeypatch.setattr(examinations, "CHECKS", (warn, fails))
    assert doctor.doctor() == 1
    assert "mend: dvc gc --workspace" in capsys.readouterr().out


def test_an_object_of_the_cache_that_was_altered_is_named(project: Path) -> None:
    """DVC trusts write-protected objects; the doctor reads them, directories' lists too, and says how to mend."""
    place = project / ".dvc/cache/files/md5"
    assert list(cache_examination.cache()) == []
    for content, suffix in ((b"whole", ""), (b"[]", ".dir")):
        name = hashlib.md5(content, usedforsecurity=False).hexdigest()
        (place / name[:2]).mkdir(parents=True)
        (place / name[:2] / (name[2:] + suffix)).write_bytes(content)
    (fine,) = cache_examination.cache()
    assert (fine.state, fine.message) == ("ok", "2 objects hold what their names say")
    altered = next(file for file in place.glob("*/*") if file.suffix != ".dir")
    altered.write_bytes(b"while")
    (finding,) = cache_examination.cache()
    assert finding.state == "broken"
    assert str(altered.relative_to(project)) in finding.mend
