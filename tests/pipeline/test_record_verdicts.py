"""What failed is FAILED in MLflow however dvc was called, and nobody else's stages become red."""

import sys
from pathlib import Path

import pytest
import yaml

from pipelines.record import execution as executions
from tests.pipeline import toy

RED = ("FAILED", "KILLED")


@pytest.fixture
def project(tmp_path: Path) -> toy.Project:
    """Return a toy project."""
    found = toy.make(tmp_path / "project")
    found.env = {"DVC_STUDIO_OFFLINE": "true"}
    return found


def _break_outside(project: toy.Project) -> None:
    """Make finetune fail before any code of ours runs: dvc alone knows of it."""
    file = project.root / "dvc.yaml"
    content = yaml.safe_load(file.read_text())
    content["stages"]["finetune"]["do"]["cmd"] = "exit 3"
    file.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("-q", "repro"),
        ("exp", "run"),
        pytest.param(("repro", "finetune@detect", "finetune@classify"), marks=pytest.mark.long),
        pytest.param(("repro", "--keep-going"), marks=pytest.mark.long),
        pytest.param(("exp", "run", "--temp"), marks=pytest.mark.long),
    ],
)
def test_a_stage_that_dvc_could_not_run_makes_the_execution_failed(project: toy.Project, words: tuple[str, ...]) -> None:
    """Its command fails before ours begins, and a bare dvc's exit status cannot be seen: FAILED all the same."""
    _break_outside(project)
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "broken")
    assert project.dvc(*words).returncode != 0
    project.settle()
    (parent,) = project.parents()
    assert parent.info.status == "FAILED", parent.data.tags["mlflow.note.content"]
    assert toy.states(project.children(parent))["acquire"] == ("FINISHED", "Completed")


@pytest.mark.long
def test_stages_that_nobody_asked_for_stay_neutral(project: toy.Project) -> None:
    """One target, one stage alone, one that fails: only what was asked for is red, and only then the parent."""
    assert project.dvc("repro", "finetune@detect").returncode == 0
    project.settle()
    first = project.parents()[0]
    assert first.info.status == "FINISHED"
    assert toy.states(project.children(first))["finetune@classify"] == ("FINISHED", "NotAsked")
    assert project.rawline("stage", "acquire").returncode == 0
    project.settle()
    second = project.parents()[1]
    assert second.info.status == "FINISHED"
    assert not [state for state in toy.states(project.children(second)).values() if state[0] in RED]
    project.set("finetune.detect", fail="bug")
    done = project.rawline("repro", "finetune@detect")
    assert done.returncode != 0
    assert "not asked for" in done.stdout
    third = project.parents()[2]
    assert third.info.status == "FAILED"
    assert toy.states(project.children(third)) == {
        "acquire": ("FINISHED", "Cached"),
        "finetune@classify": ("FINISHED", "NotAsked"),
        "finetune@detect": ("FAILED", "Failed"),
    }


@pytest.mark.slow
def test_a_flow_whose_process_is_gone_without_a_word_is_killed(project: toy.Project) -> None:
    """It did not close its execution: not FINISHED, and it says why."""
    code = (
        "import os, subprocess, sys\nfrom pipelines.record import execution as e\n"
        "os.environ[e.VARIABLE] = e.open_execution('flow', name='crashed', wanted=['acquire'])\n"
        "subprocess.run([sys.executable, 'toy.py', 'stage', 'acquire'], check=True)\nos.kill(os.getpid(), 9)"
    )
    assert project.run(sys.executable, "-c", code).returncode == -9
    project.settle()
    (parent,) = project.parents()
    assert parent.info.status == "KILLED"
    assert "the flow's process ended without closing it" in parent.data.tags["mlflow.note.content"]
    children = toy.states(project.children(parent))
    assert children["acquire"] == ("FINISHED", "Completed")
    assert children["finetune@detect"] == ("FINISHED", "NotAsked")
    assert executions.STATES["KILLED"] == "Killed"
