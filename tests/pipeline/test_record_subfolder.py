"""Dvc called from a folder below the project names stages from there; the record calls them by their own names."""

import sys
from pathlib import Path

import pytest

from tests.pipeline import toy

DVC = (sys.executable, "-m", "dvc")
BESIDE = """
stages:
  page:
    cmd: echo page > page.txt
    outs: [page.txt]
  judge:
    wdir: ..
    cmd: {python} toy.py stage evaluate classify
    deps: [data/finetune/classify]
    outs: [data/judge]
"""


@pytest.fixture
def project(tmp_path: Path) -> toy.Project:
    """Return a project with a folder beside the stages."""
    project = toy.make(tmp_path / "project")
    (project.root / "docs").mkdir()
    return project


@pytest.mark.parametrize(
    ("folder", "words", "asked"),
    [
        pytest.param("docs", ("repro", "-P"), toy.STAGES, marks=pytest.mark.long),
        pytest.param(".", ("--cd", "docs", "repro", "-P"), toy.STAGES, marks=pytest.mark.long),
        ("docs", ("repro", "../dvc.yaml:finetune@classify"), ["acquire", "finetune@classify"]),
        ("docs", ("repro", "-R", ".."), toy.STAGES),
    ],
)
def test_stages_that_ran_are_completed_under_their_names(
    project: toy.Project, folder: str, words: tuple[str, ...], asked: list[str]
) -> None:
    """Each that was asked for ran in this execution, is signed, and nothing of it lies beside the execution's folder."""
    done = project.run(*DVC, *words, cwd=project.root / folder)
    assert done.returncode == 0, done.stderr + done.stdout
    project.settle()
    (parent,) = project.parents()
    children = project.children(parent)
    expected = {name: ("FINISHED", "Completed" if name in asked else "NotAsked") for name in toy.STAGES}
    assert toy.states(children) == expected
    assert parent.info.status == "FINISHED"
    assert all("rawline.signature" in children[name].data.tags for name in asked)
    _is_tidy(project)


def test_a_stage_that_fails_there_fails_its_execution(project: toy.Project) -> None:
    """What came after it was wanted and not reached."""
    project.set("acquire", fail="data")
    done = project.run(*DVC, "repro", "-P", cwd=project.root / "docs")
    assert done.returncode != 0
    project.settle()
    (parent,) = project.parents()
    children = project.children(parent)
    assert parent.info.status == "FAILED"
    assert toy.states(children)["acquire"] == ("FAILED", "Failed")
    assert toy.states(children)["finetune@detect"] == ("KILLED", "NotReached")
    _is_tidy(project)


def test_a_stage_that_was_refused_and_a_target_that_fails_in_dvc_are_told(project: toy.Project) -> None:
    """Wrong parameters are that stage's failure; an output that is missing is dvc's, and the stage was not booked."""
    project.set("finetune.classify", num_epochs="three")
    target = ("repro", "../dvc.yaml:finetune@classify")
    assert project.run(*DVC, *target, cwd=project.root / "docs").returncode != 0
    project.settle()
    (parent,) = project.parents()
    found = toy.states(project.children(parent))
    assert found["finetune@classify"] == ("FAILED", "Failed")
    assert found["finetune@detect"] == ("FINISHED", "NotAsked")
    _is_tidy(project)


def test_the_stage_s_lock_and_checkpoints_are_the_same_from_everywhere(project: toy.Project) -> None:
    """What a killed run left is found again, wherever dvc is called next."""
    project.set("acquire", fail="kill")
    for folder in ("docs", "."):
        assert project.run(*DVC, "repro", "-P", cwd=project.root / folder).returncode != 0
    project.settle()
    (work,) = (project.root / ".rawline/work").iterdir()
    assert work.name.startswith("acquire-")
    (lock,) = (project.root / ".rawline/locks").rglob("*acquire*")
    assert lock.parent.name == "locks"


@pytest.mark.long
def test_a_stage_of_another_folder_s_file_stays_within_the_execution(project: toy.Project) -> None:
    """DVC books it in that folder: it is done like the others, under its one address, and no file lies elsewhere."""
    (project.root / "docs/dvc.yaml").write_text(BESIDE.format(python=sys.executable))
    assert project.run(*DVC, "repro", "-P").returncode == 0
    project.settle()
    (parent,) = project.parents()
    children = project.children(parent)
    done = dict.fromkeys([*toy.STAGES, "docs/dvc.yaml:judge"], ("FINISHED", "Completed"))
    assert toy.states(children) == {**done, "docs/dvc.yaml:page": ("FINISHED", "Cached")}
    assert parent.info.status == "FINISHED"
    tags = children["docs/dvc.yaml:judge"].data.tags
    assert "rawline.signature" in tags
    assert tags["rawline.verb"] == "judge"
    assert set(children["docs/dvc.yaml:judge"].data.tags) >= {"dvc.dep.data/finetune/classify", "dvc.out.data/judge"}
    kept = {item.path for item in project.client.list_artifacts(parent.info.run_id, "docs")}
    assert kept == {"docs/dvc.lock"}
    _is_tidy(project)


def _is_tidy(project: toy.Project) -> None:
    """Nothing is left in the spool or set aside, and no folder was made that is named like a stage."""
    assert list((project.root / ".rawline/spool").iterdir()) == []
    assert not (project.root / ".rawline/quarantine").exists()
