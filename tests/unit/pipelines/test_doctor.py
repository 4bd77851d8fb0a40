"""The doctor finds what is wrong and names the command that mends it."""

import hashlib
import importlib.metadata as packages
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines import cache_examination, doctor, examinations, pins_examination, prefect_server
from pipelines.record import execution as executions
from stages.core import files
from stages.core.errors import InfrastructureError


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty project."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


TORCH = {
    "cuda": ("2.15.0", ["triton==3.9.0; platform_system == 'Linux'", "nvidia-cublas==13.0; platform_system == 'Linux'"]),
    "cpu": ("2.15.0+cpu", []),
}


def _installed(monkeypatch: pytest.MonkeyPatch, torch: str) -> dict[str, tuple[str, list[str]]]:
    """Pretend an installation: this project with one of torch's builds; fastapi has extras that nobody wants."""
    version, nvidia = TORCH[torch]
    found = {
        "rawline": ("0.1.0", ["click>=8", "torch>=2.11", "fastapi[standard]", "pytest>=8; extra == 'dev'"]),
        "click": ("8.3.0", ["colorama; platform_system == 'Windows'"]),
        "torch": (version, ["click", *nvidia]),
        "fastapi": ("0.152.0", ["httpx2>=2; extra == 'all'", "uvicorn; extra == 'standard'"]),
        "uvicorn": ("1.0", []),
    } | ({"triton": ("3.9.0", []), "nvidia-cublas": ("13.0", [])} if nvidia else {})

    def distribution(name: str) -> SimpleNamespace:
        if name not in found:
            raise packages.PackageNotFoundError(name)
        return SimpleNamespace(version=found[name][0], requires=found[name][1])

    monkeypatch.setattr(packages, "distribution", distribution)
    monkeypatch.setattr(packages, "version", lambda name: distribution(name).version)
    return found


PINNED = "click==8.3.0\ntorch==2.15.0\nfastapi==0.152.0\nhttpx2==2.1\ntruststore==0.10\ntriton==3.9.0\nnvidia-cublas==13.0\n"


@pytest.mark.parametrize("torch", TORCH)
def test_a_fresh_installation_is_clean(torch: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With either build of torch: what other builds, platforms and extras need is pinned and may be absent."""
    _installed(monkeypatch, torch)
    (project / "constraints.txt").write_text(PINNED)
    (finding,) = examinations.pins()
    assert finding.state == "ok", finding.message


@pytest.mark.parametrize("gone", ["click", "uvicorn", "triton", "rawline"])
def test_what_is_needed_and_absent_is_broken(gone: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Needed by us, by an extra that we ask for, or by torch's CUDA build; another version is a warning."""
    found = _installed(monkeypatch, "cuda")
    del found[gone]
    (project / "constraints.txt").write_text(PINNED.replace("fastapi==0.152.0", "fastapi==0.151.0"))
    absent, other = examinations.pins()
    assert (absent.state, other.state) == ("broken", "warn")
    assert gone in absent.message
    assert "fastapi 0.152.0 instead of 0.151.0" in other.message
    assert "pip install" in absent.mend


def test_this_installation_lacks_nothing_that_it_asks_for() -> None:
    """The walk through the installed distributions ends and finds them all."""
    assert pins_examination.missing("rawline") == set()


def test_a_server_out_of_reach_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within seconds, with what to do."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    (finding,) = examinations.mlflow()
    assert finding.state == "broken"
    assert "out of reach" in finding.message
    assert "rawline sync" in finding.advice


@pytest.mark.parametrize("status", [200, 401, 403])
def test_a_server_is_read_from_and_not_only_heard(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that lives and lets nobody in is broken: what to set is named, and that the records wait."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415
    from mlflow.utils.rest_utils import verify_rest_response  # noqa: PLC0415

    def asked(_client: object, max_results: int) -> list[str]:
        assert max_results == 1
        verify_rest_response(SimpleNamespace(status_code=status, text="{}" if status == 200 else "no entry"), "/api")
        return []

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(MlflowClient, "search_experiments", asked)
    (finding,) = examinations.mlflow()
    assert finding.state == ("ok" if status == 200 else "broken")
    if status != 200:
        assert f"refuses ({status})" in finding.message
        for word in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "docs/record.md", "rawline sync"):
            assert word in finding.advice


def test_a_database_elsewhere_is_not_called_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no server of HTTP: whether it answers is left to what sends the record, and said."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://127.0.0.1:9/db")
    (finding,) = examinations.mlflow()
    assert finding.state == "warn"
    assert "rawline sync" in finding.advice


def _mend(finding: doctor.Finding) -> None:
    """Type what the doctor says."""
    done = subprocess.run(["bash", "-c", finding.mend], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _old(place: Path) -> None:
    """Make a database of an old MLflow."""
    import mlflow.store.db.utils as db  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from mlflow.store.tracking.dbmodels.initial_models import Base  # noqa: PLC0415

    engine = db.create_sqlalchemy_engine_with_retry(f"sqlite:///{place}")
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config = db._get_alembic_config(f"sqlite:///{place}")
        config.attributes["connection"] = connection
        command.upgrade(config, "451aebb31d03")
    engine.dispose()


@pytest.mark.parametrize("state", ["broken", "old"])
def test_a_database_that_is_broken_or_old_is_mended_as_the_doctor_says(project: Path, state: str) -> None:
    """The command heals, what was there is kept beside it, and while a process has it open the doctor gives none."""
    place = project / "tracking/mlflow.db"
    place.parent.mkdir()
    if state == "broken":
        place.write_bytes(b"no database at all" * 100)
        place.with_name("mlflow.db-wal").write_bytes(b"its journal")
    else:
        _old(place)
    before = place.read_bytes()
    with place.open("rb"):
        (finding,) = examinations.mlflow()
        assert finding.state == "broken"
        assert f"process {os.getpid()}" in finding.advice
        assert not finding.mend
    (finding,) = examinations.mlflow()
    _mend(finding)
    (after,) = examinations.mlflow()
    assert after.state == "ok", after.message
    kept = project / ("tracking/mlflow.db.broken/mlflow.db" if state == "broken" else "tracking/mlflow.db.before-upgrade")
    assert kept.read_bytes() == before
    assert not place.with_name("mlflow.db-wal").exists()


def test_a_database_of_a_newer_mlflow_is_not_to_be_upgraded(project: Path) -> None:
    """An upgrade by the older one would fail; the newer one, or another database, is what helps."""
    place = project / "tracking/mlflow.db"
    place.parent.mkdir()
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("create table alembic_version (version_num text)")
        connection.execute("insert into alembic_version values ('ffff00001111')")
    (finding,) = examinations.mlflow()
    assert finding.state == "broken"
    assert "newer MLflow" in finding.message
    assert "upgrade" not in finding.mend + finding.advice


def test_unsent_records_are_counted(project: Path) -> None:
    """Journals without a recorder want a sync."""
    files.write_json(executions.folder("one") / "execution.json", {})
    (unsent,) = examinations.journals()
    assert (unsent.state, unsent.mend) == ("warn", "rawline sync")


def test_a_lock_of_a_process_that_is_gone_needs_no_mending(project: Path) -> None:
    """DVC itself takes such an entry out when it meets it, so the doctor lets nobody remove what others may hold."""
    subprocess.run(["git", "init", "-q"], check=True)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q"], check=True)
    (project / "dvc.yaml").write_text("stages: {a: {cmd: echo 1 > x, outs: [x]}}")
    lock = project / ".dvc/tmp/rwlock"
    lock.parent.mkdir(exist_ok=True)
    held = {str(project / "x"): {"pid": 2**22 + 1, "cmd": "dvc repro"}}
    lock.write_text(json.dumps({"write": held, "read": {}}))
    (finding,) = examinations.dvc_locks()
    assert (finding.state, finding.message, finding.mend) == ("ok", "DVC notes nothing in use", "")
    mine = {"pid": os.getpid(), "cmd": "dvc repro"}
    lock.write_text(json.dumps({"write": held, "read": {"y": [mine], "z": [*held.values()]}}))
    (finding,) = examinations.dvc_locks()
    assert finding.message == "DVC notes 1 paths in use by living processes"
    assert subprocess.run([*dvc, "repro", "-q"], check=False).returncode == 0


def test_a_torn_lock_file_is_set_aside_when_nobody_holds_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command moves it away; while a dvc runs in the project the doctor gives none."""
    lock = project / ".dvc/tmp/rwlock"
    lock.parent.mkdir(parents=True)
    lock.write_text("{torn")
    with monkeypatch.context() as patch:
        patch.setattr(examinations, "_dvc", lambda: [77])
        (finding,) = examinations.dvc_locks()
        assert finding.advice.startswith("end or await dvc (process 77)")
        assert not finding.mend
    (finding,) = examinations.dvc_locks()
    assert finding.state == "broken"
    _mend(finding)
    (finding,) = examinations.dvc_locks()
    assert finding.state == "ok"
    assert (project / ".dvc/tmp/rwlock.broken").read_text() == "{torn"


def test_making_room_keeps_what_other_branches_and_experiments_need(project: Path) -> None:
    """The command for a full disk deletes nothing, and what it lists stands in no commit."""
    dvc, git = [sys.executable, "-m", "dvc"], ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run([*dvc, "init", "-q"], check=True)
    for content in ("old", "new"):
        (project / "x").write_text(content)
        subprocess.run([*dvc, "add", "-q", "x"], check=True)
        subprocess.run(["git", "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", content], check=True)
    (project / "x").write_text("in no commit")
    subprocess.run([*dvc, "add", "-q", "x"], check=True)
    (project / "x").write_text("last")
    subprocess.run([*dvc, "add", "-q", "x"], check=True)
    cached = sorted((project / ".dvc/cache/files/md5").glob("*/*"))
    words = examinations.GC.partition("#")[0].split()
    done = subprocess.run([*dvc, *words[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted((project / ".dvc/cache/files/md5").glob("*/*")) == cached
    subprocess.run([*dvc, *(word for word in words[1:] if word != "--dry"), "--force"], capture_output=True, check=True)
    left = {file.read_text() for file in (project / ".dvc/cache/files/md5").glob("*/*")}
    assert left == {"old", "new", "last"}


def test_the_prefect_server_that_a_flow_would_use_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The configured one, be it away or there; else the one that answers, or none."""

    def away() -> str:
        raise InfrastructureError("the Prefect server at http://h/api does not answer")

    monkeypatch.setattr(prefect_server, "found", away)
    assert examinations._server().state == "broken"
    for found, words in (("http://h:1/api", "http://h:1/api answers"), (None, "all projects of this user share")):
        monkeypatch.setattr(prefect_server, "found", lambda found=found: found)
        assert examinations._server().state == "ok"
        assert words in examinations._server().message


def test_the_exit_status_says_whether_something_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning is not broken; an examination that fails itself is."""
    warn = lambda: iter([doctor.Finding("disk", "warn", "8 GiB free", "make room")])  # noqa: E731

    def fails() -> None:
        raise ValueError("oh")

    monkeypatch.setattr(examinations, "CHECKS", (warn,))
    assert doctor.doctor() == 0
    monkeypatch.setattr(examinations, "CHECKS", (warn, fails))
    assert doctor.doctor() == 1
    assert "mend: make room" in capsys.readouterr().out


def test_an_object_of_the_cache_that_was_altered_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert not finding.mend
    assert "is not a git repository" in finding.advice
    assert "delete nothing" in finding.advice
    monkeypatch.setattr(cache_examination.dvc_hashes, "links", lambda *_: False)
    monkeypatch.setattr(cache_examination.dvc_hashes, "booked", lambda _: {})
    (finding,) = cache_examination.cache()
    assert str(altered.relative_to(project)) in finding.mend
