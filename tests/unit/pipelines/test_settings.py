"""The record lives in the project, wherever a command runs."""

from pathlib import Path

import pytest

from pipelines import settings


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project folder that is the current one."""
    for name in ("RAWLINE_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("inside", [".dvc/tmp/exps/tmp1a2b", ".dvc/tmp/exps/standalone/tmp9", ".dvc/tmp/exps/tmp1/deeper"])
def test_a_temporary_copy_of_dvc_belongs_to_its_project(project: Path, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    """Below .dvc/tmp/exps the root is the project that the copy was made from."""
    (project / inside).mkdir(parents=True)
    monkeypatch.chdir(project / inside)
    assert settings.root() == project
    assert settings.tracking_uri() == f"sqlite:///{project}/tracking/mlflow.db"


def test_a_relative_database_is_made_absolute(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative sqlite path means the project's root; a server's address is left alone."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///here/mlflow.db")
    assert settings.tracking_uri() == f"sqlite:///{project}/here/mlflow.db"
    assert settings.sqlite_file(settings.tracking_uri()) == project / "here/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert settings.tracking_uri() == "http://127.0.0.1:5000"
    assert not settings.is_local()


def test_quiet_switches_off_phone_homes_and_forgets_the_run_id(project: Path) -> None:
    """What the user has set stays; MLFLOW_RUN_ID goes; MLflow's patience is short."""
    environment = {"MLFLOW_RUN_ID": "1", "DO_NOT_TRACK": "0"}
    settings.quiet(environment)
    assert "MLFLOW_RUN_ID" not in environment
    assert environment["DO_NOT_TRACK"] == "0"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert int(environment["MLFLOW_HTTP_REQUEST_TIMEOUT"]) <= 10


def test_the_experiment_is_named_in_params(project: Path) -> None:
    """It is ``name``; a broken file does not keep a fault from being recorded."""
    (project / "params.yaml").write_text("name: bccd\n")
    assert settings.experiment() == "bccd"
    (project / "params.yaml").write_text("name: [")
    assert settings.experiment() == "rawline"
