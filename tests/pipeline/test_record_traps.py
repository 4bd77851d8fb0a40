"""The traps of MLflow and DVC that the record walks past."""

import sys
from pathlib import Path

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
    outputs = [process.communicate(timeout=120)[0] for process in started]
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
