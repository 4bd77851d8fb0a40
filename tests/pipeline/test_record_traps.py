"""The traps of MLflow and DVC that the record walks past."""

import json
import platform
import sqlite3
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.entities import Run

from tests.pipeline import toy


def test_parallel_stages_share_one_execution_on_a_cold_database(tmp_path: Path) -> None:
    """Four stages started at once, none of which finds a database: one parent, four runs, nothing lost."""
    project = toy.make(tmp_path / "project", dvc=False, cold=True)
    opened = project.run(
        sys.executable, "-c",
        "import time\nfrom pipelines.record.execution import *\n"
        "print(open_execution('flow', name='four'), flush=True)\n"
        "import os; time.sleep(float(os.environ.get('HOLD', '0')))",
    )  # fmt: skip
    project.env = {"RAWLINE_EXECUTION": opened.stdout.strip()}
    commands = [("finetune", "classify"), ("finetune", "detect"), ("evaluate", "classify"), ("acquire",)]
    started = [project.start(sys.executable, "toy.py", "stage", *words) for words in commands]
    outputs = [process.communicate(timeout=900)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4, outputs
    project.settle()
    (parent,) = [run for run in project.parents() if run.info.run_name == "four"]
    expected = {"@".join(words): ("FINISHED", "Completed") for words in commands}
    assert toy.states(project.children(parent)) == expected
    assert len(project.parents()) == 1


def test_a_run_id_in_the_environment_is_ignored(tmp_path: Path) -> None:
    """MLFLOW_RUN_ID of a caller neither swallows the stage's record nor is its run closed; no file store appears."""
    project = toy.make(tmp_path / "project", dvc=False)
    project.rawline("stage", "acquire")
    project.settle()
    experiment = project.client.get_experiment_by_name("toy").experiment_id
    other = project.client.create_run(experiment, run_name="other")
    project.env = {"MLFLOW_RUN_ID": other.info.run_id}
    assert project.rawline("stage", "acquire").returncode == 0
    project.settle()
    assert project.client.get_run(other.info.run_id).info.status == "RUNNING"
    assert project.client.get_run(other.info.run_id).data.metrics == {}
    assert len([run for run in project.runs() if run.info.run_name == "acquire"]) == 2
    assert not (project.root / "mlruns").exists()
    assert [p.relative_to(project.root).as_posix() for p in project.root.rglob("*.db")] == ["tracking/mlflow.db"]


@pytest.mark.long
def test_an_experiment_in_a_temporary_folder_is_recorded_in_the_project(tmp_path: Path) -> None:
    """Dvc exp run --temp deletes the folder it worked in; the record is in the project's database, relative URI or not."""
    project = toy.make(tmp_path / "project")
    project.env = {"MLFLOW_TRACKING_URI": "sqlite:///tracking/mlflow.db", "DVC_STUDIO_OFFLINE": "true"}
    done = project.dvc("exp", "run", "--temp", "-S", "acquire.num_epochs=5", "--name", "longer")
    assert done.returncode == 0, done.stderr
    project.env = {}
    project.settle()
    (parent,) = project.parents()
    children = project.children(parent)
    assert toy.states(children) == dict.fromkeys(toy.STAGES, ("FINISHED", "Completed"))
    assert len(project.client.get_metric_history(children["acquire"].info.run_id, "train/loss")) == 5
    assert children["acquire"].data.tags["rawline.dvc_experiment"] == "longer"
    assert "rawline.signature" in children["finetune@detect"].data.tags
    assert not list((project.root / ".dvc/tmp/exps").rglob("mlflow.db"))
    _holds_what_it_ran_with(project, parent, {"num_epochs": 5, "sleep_s": 0.0, "fail": ""})


def test_each_execution_holds_its_parameters_and_its_environment(tmp_path: Path) -> None:
    """A bare dvc repro and an experiment in the workspace: the parameters as they were then, whole, and what they ran on."""
    project = toy.make(tmp_path / "project")
    project.set("acquire", num_epochs=3)
    assert project.dvc("repro", "acquire").returncode == 0
    project.env = {"DVC_STUDIO_OFFLINE": "true"}
    assert project.dvc("exp", "run", "-S", "acquire.num_epochs=4").returncode == 0
    project.env = {}
    project.settle()
    for parent, epochs in zip(project.parents(), (3, 4), strict=True):
        _holds_what_it_ran_with(project, parent, {"num_epochs": epochs, "sleep_s": 0.0, "fail": ""})


def _holds_what_it_ran_with(project: toy.Project, parent: Run, acquire: dict[str, Any]) -> None:
    names = {artifact.path for artifact in project.client.list_artifacts(parent.info.run_id)}
    assert {"params.yaml", "environment.json", "requirements.txt"} <= names
    place = Path(project.client.download_artifacts(parent.info.run_id, "params.yaml"))
    assert yaml.safe_load(place.read_text()) == {**toy.PARAMS, "acquire": acquire}
    about = json.loads(Path(project.client.download_artifacts(parent.info.run_id, "environment.json")).read_text())
    assert about["packages"]["dvc"] == metadata.version("dvc")
    tags = parent.data.tags
    assert (tags["rawline.python"], tags["rawline.host"]) == (platform.python_version(), platform.node())
    assert {"rawline.torch", "rawline.cuda", "rawline.gpu", "rawline.cpu"} <= set(tags)


@pytest.mark.slow
def test_a_database_of_a_newer_mlflow_does_not_fail_dvc_and_is_told(tmp_path: Path) -> None:
    """The stages run, each says in one line why nothing is recorded; with the database back, sync sends all."""
    project = toy.make(tmp_path / "project")
    file = project.root / "tracking/mlflow.db"
    before = _revision(file)
    _revision(file, "ffff00001111")
    done = project.dvc("repro")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert f"{file} was written by a newer MLflow (its schema is ffff00001111;" in said
    assert "Traceback" not in said
    _revision(file, before)
    sent = project.rawline("sync")
    assert sent.returncode == 0, sent.stderr
    project.settle()
    (parent,) = project.parents()
    assert toy.states(project.children(parent)) == dict.fromkeys(toy.STAGES, ("FINISHED", "Completed"))


@pytest.mark.long
@pytest.mark.slow
def test_a_project_whose_path_has_every_sign_keeps_its_record_inside(tmp_path: Path) -> None:
    """Blanks, quotes, # and ?, % and letters beyond ASCII: the database and the files lie where they belong."""
    project = toy.make(tmp_path / "it's #1? 50% ü", cold=True)
    done = project.dvc("repro")
    assert done.returncode == 0, done.stderr
    project.settle()
    (parent,) = project.parents()
    assert toy.states(project.children(parent)) == dict.fromkeys(toy.STAGES, ("FINISHED", "Completed"))
    run = project.children(parent)["acquire"]
    kept = project.root / "tracking/artifacts/toy" / run.info.run_id / "artifacts/outs/numbers.txt"
    assert kept.exists()
    assert [path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.db")] == [project.root.name]


def _revision(file: Path, new: str = "") -> str:
    """Return the schema's revision; write another where one is given."""
    connection = sqlite3.connect(file)
    with connection:
        (found,) = connection.execute("select version_num from alembic_version").fetchone()
        if new:
            connection.execute("update alembic_version set version_num = ?", (new,))
    connection.close()
    return str(found)
