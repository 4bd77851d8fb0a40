"""A project that is moved or copied keeps its record, and writes to nobody else's."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from pipelines import settings
from pipelines.record import database, delivery, moved
from pipelines.record.sender import Sender
from stages.core.errors import InfrastructureError
from tests import recording
from tests.pipeline import toy


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> toy.Project:
    """Return a project with one execution in MLflow."""
    made = recording.project(tmp_path / "first", monkeypatch)
    execution = recording.execution("before")
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    return made


def _files(client: MlflowClient, run_id: str, to: Path) -> str:
    return Path(client.download_artifacts(run_id, "outs/kept.txt", str(to))).read_text()


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("name", ["second", "a #1? of 50% 'ü'"])
def test_files_of_old_and_new_runs_are_where_the_project_is(
    project: toy.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, copied: bool
) -> None:
    """After the move the old run's files load, a new run's go to the new place, and nothing appears at the old one."""
    there = tmp_path / "elsewhere" / name
    there.parent.mkdir()
    if copied:
        shutil.copytree(project.root, there)
        before = sorted((p.relative_to(project.root), p.stat().st_mtime_ns) for p in project.root.rglob("*"))
    else:
        project.root.rename(there)
    monkeypatch.setenv("RAWLINE_ROOT", str(there))
    monkeypatch.chdir(there)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    execution = recording.execution("after")
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    client = MlflowClient(settings.tracking_uri())
    experiment = client.get_experiment_by_name("toy")
    assert experiment.artifact_location.startswith(settings.artifact_root().as_uri())
    runs = [run for run in client.search_runs([experiment.experiment_id]) if run.info.run_name == "acquire"]
    assert len(runs) == 2
    (tmp_path / "down").mkdir()
    assert [_files(client, run.info.run_id, tmp_path / "down") for run in runs] == ["acquire", "acquire"]
    for run in runs:
        assert (there / "tracking/artifacts/toy" / run.info.run_id / "artifacts/outs/kept.txt").exists()
    if copied:
        assert sorted((p.relative_to(project.root), p.stat().st_mtime_ns) for p in project.root.rglob("*")) == before
    else:
        assert not project.root.exists()


def test_a_registered_version_is_found_where_the_project_is(
    project: toy.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its source is an address too, and MLflow loads the model from there."""
    client = MlflowClient(settings.tracking_uri())
    run = next(run for run in project.runs() if run.info.run_name == "acquire")
    client.create_registered_model("shapes")
    client.create_model_version("shapes", f"{run.info.artifact_uri}/outs", run_id=run.info.run_id)
    there = tmp_path / "elsewhere"
    project.root.rename(there)
    monkeypatch.setenv("RAWLINE_ROOT", str(there))
    monkeypatch.chdir(there)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    database.prepare()
    client = MlflowClient(settings.tracking_uri(), settings.tracking_uri())
    address = client.get_model_version_download_uri("shapes", "1")
    assert address == client.get_model_version("shapes", "1").source
    assert address.startswith(settings.artifact_root().as_uri())
    (tmp_path / "down").mkdir()
    found = Path(mlflow.artifacts.download_artifacts(address, dst_path=str(tmp_path / "down")))
    assert (found / "kept.txt").read_text() == "acquire"


def test_addresses_of_other_places_stay(project: toy.Project, tmp_path: Path) -> None:
    """Only what lay below the old place follows; a bucket and a folder whose name begins alike are left."""
    old, now = settings.artifact_root().as_uri(), (tmp_path / "new/tracking/artifacts").as_uri()
    others = ["s3://bucket/x", f"{old}-more/x", "file:///data/artifacts/x"]
    with sqlite3.connect(settings.database()) as connection:
        for number, place in enumerate(others):
            connection.execute(
                "insert into experiments (name, artifact_location, lifecycle_stage) values (?, ?, 'active')",
                (f"o{number}", place),
            )
    connection.close()
    assert moved.old_root(settings.database(), old) is None
    assert moved.follow(settings.database(), now) > 2
    connection = sqlite3.connect(settings.database())
    found = {row[0] for row in connection.execute("select artifact_location from experiments")}
    connection.close()
    assert found == {*others, f"{now}/0", f"{now}/toy"}
    assert moved.follow(settings.database(), now) == 0


def test_no_address_of_the_old_place_is_left_anywhere(project: toy.Project, tmp_path: Path) -> None:
    """Versions, their stored files and traces follow as well; every column of every table is looked at."""
    old, now = settings.artifact_root().as_uri(), (tmp_path / "new/tracking/artifacts").as_uri()
    with closing(sqlite3.connect(settings.database())) as connection, connection:
        connection.execute(
            "insert into model_versions (name, version, source, storage_location) values ('m', 1, ?, ?)",
            (f"{old}/1/models/m-1/artifacts", f"{old}/1/stored"),
        )
        connection.execute(
            "insert into trace_tags (key, value, request_id) values ('mlflow.artifactLocation', ?, 't')",
            (f"{old}/1/traces/t",),
        )
    assert len(_holding(old)) >= 5
    moved.follow(settings.database(), now)
    assert _holding(old) == set()
    assert {("model_versions", "source"), ("model_versions", "storage_location"), ("trace_tags", "value")} <= _holding(now)


def _holding(address: str) -> set[tuple[str, str]]:
    """Return each table and column of the database in which an address below this one stands."""
    with closing(sqlite3.connect(settings.database())) as connection:
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        pairs = [(t, row[1]) for t in tables for row in connection.execute(f"pragma table_info({t})")]
        return {
            (table, column)
            for table, column in pairs
            if connection.execute(f'select 1 from {table} where instr("{column}", ?) > 0', (f"{address}/",)).fetchone()  # noqa: S608 - names of its own
        }


def test_a_database_of_a_newer_mlflow_is_refused_in_one_line(project: toy.Project) -> None:
    """Both schemas, the installed version and what to do; the executions wait and say so."""
    with sqlite3.connect(settings.database()) as connection:
        connection.execute("update alembic_version set version_num = 'ffff00001111'")
    connection.close()
    with pytest.raises(InfrastructureError, match="ffff00001111") as caught:
        database.prepare()
    assert database.newest() in str(caught.value)
    assert "\n" not in str(caught.value)
    execution = recording.execution("waits")
    assert "written by a newer MLflow" in delivery.deliver_rest(Sender())[execution]
    assert delivery.waiting() == [execution]
