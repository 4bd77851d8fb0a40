"""The tasks with objects go the whole way: from nothing to registered models that answer a picture, twice the same bytes."""

import json
import re

import pytest

from tests.pipeline import chain_project
from tests.pipeline.chain_project import Project

pytestmark = pytest.mark.long
TASKS = ("detect", "segment", "instance")
VERBS = ("finetune", "evaluate", "audit", "register")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give a project that was reproduced once."""
    made = chain_project.make(tmp_path_factory.mktemp("tasks") / "project", TASKS)
    done = made.run("rawline", "repro")
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    return made


def test_every_stage_of_every_task_ran_and_nothing_is_stale(project: Project) -> None:
    """The lock holds each verb of each task; ``dvc status`` finds nothing to do."""
    assert {f"{verb}@{task}" for verb in VERBS for task in TASKS} <= set(project.lock())
    status = project.run("dvc", "status")
    assert "up to date" in status.stdout, status.stdout


@pytest.mark.parametrize(("task", "metric"), [("detect", "map50"), ("segment", "miou"), ("instance", "map50")])
def test_the_summary_names_figure_verdict_and_version(task: str, metric: str, project: Project) -> None:
    """A reader sees what each model is worth, with its interval and count, and where it is registered."""
    said = project.run("rawline", "summary").stdout
    part = said.partition(f"  {task} ")[2].partition(f"model scenes-{task} version 1")
    assert part[1], said
    assert f"{metric} " in part[0]
    assert ", n = " in part[0]
    assert "audit " in part[0]


@pytest.mark.parametrize("task", TASKS)
def test_the_registered_model_answers_a_picture(task: str, project: Project) -> None:
    """The version behind the alias answers in the picture's own size, with masks where they are the task, and draws it."""
    picture = next((project.root / "data/preprocessed").rglob("*.png"))
    model = f"models:/scenes-{task}@challenger"
    done = project.run("rawline", "predict", model, str(picture), "--json", "--min-score", "0", "--draw", "out")
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    (answer,) = json.loads(done.stdout[done.stdout.index("[") : done.stdout.rindex("]") + 1])
    assert (answer["width"], answer["height"]) == (64, 64)
    assert ("mask" in json.dumps(answer)) == (task != "detect")
    assert [file.stem for file in (project.root / "out").iterdir()]


def test_running_it_all_again_gives_the_same_bytes(project: Project) -> None:
    """Every output of every stage, weights, reports and receipts included, has the hash it had."""
    before = project.lock()
    done = project.run("dvc", "repro", "--force")
    assert done.returncode == 0, done.stdout
    assert set(re.findall(r"Running stage '([^']+)'", done.stdout)) == set(before)
    assert project.lock() == before
