"""A stage is done when DVC has booked it: until then its record claims no bytes, and without it it failed."""

from pathlib import Path

import pytest
import yaml

from pipelines.record import lockfile
from tests.pipeline import toy


@pytest.fixture
def project(tmp_path: Path) -> toy.Project:
    """Return a toy project whose stages write other bytes each time."""
    found = toy.make(tmp_path / "project")
    script = found.root / "toy.py"
    script.write_text(script.read_text().replace('f"{name} {p.num_epochs}"', 'f"{name} {time.time()}"'))
    return found


def _claim(project: toy.Project, out: str) -> None:
    """Let the graph claim an output of acquire that nothing makes."""
    file = project.root / "dvc.yaml"
    content = yaml.safe_load(file.read_text())
    content["stages"]["acquire"]["outs"] = ["data/acquire", out] if out else ["data/acquire"]
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def test_a_stage_whose_outputs_are_missing_is_failed(project: toy.Project) -> None:
    """Its command ends well and dvc does not: Failed with the reason, what follows not reached, the execution FAILED."""
    _claim(project, "data/nothing")
    assert project.dvc("repro").returncode != 0
    project.settle()
    (parent,) = project.parents()
    children = project.children(parent)
    assert parent.info.status == "FAILED"
    assert toy.states(children) == {
        "acquire": ("FAILED", "Failed"),
        "finetune@classify": ("KILLED", "NotReached"),
        "finetune@detect": ("KILLED", "NotReached"),
    }
    assert children["acquire"].data.tags["rawline.message"].startswith("dvc did not book its outputs")
    assert "rawline.outs" not in children["acquire"].data.tags


@pytest.mark.long
def test_a_forced_rerun_that_dvc_does_not_book_is_failed_too(project: toy.Project) -> None:
    """The entry of the run before fits the inputs and stays: it is not this run's."""
    assert project.dvc("repro", "acquire").returncode == 0
    project.settle()
    script = project.root / "toy.py"
    script.write_text(script.read_text().replace('yield Metrics({"final": 1.0})', '__import__("shutil").rmtree(out)'))
    assert project.dvc("repro", "--force", "acquire").returncode != 0
    project.settle()
    second = project.parents()[1]
    assert second.info.status == "FAILED"
    assert toy.states(project.children(second))["acquire"] == ("FAILED", "Failed")


@pytest.mark.parametrize("contained", ["0", pytest.param("1", marks=pytest.mark.long)])
def test_a_stage_beside_others_that_dvc_books_is_failed_too(project: toy.Project, contained: str) -> None:
    """With ``--keep-going`` dvc writes ``dvc.lock`` for the others after it has found no output of this one."""
    project.env = {"RAWLINE_CONTAINED": contained}
    assert project.dvc("repro").returncode == 0
    assert project.rawline("sync").returncode == 0
    project.settle()
    script = project.root / "toy.py"
    break_it = """
    if name == "finetune@classify":
        __import__("shutil").rmtree(out)"""
    script.write_text(script.read_text().replace('yield Metrics({"final": 1.0})', break_it))
    assert project.dvc("repro", "--force", "--keep-going").returncode != 0
    assert project.rawline("sync").returncode == 0
    project.settle()
    second = project.parents()[1]
    children = project.children(second)
    assert second.info.status == "FAILED"
    assert toy.states(children) == {
        "acquire": ("FINISHED", "Completed"),
        "finetune@classify": ("FAILED", "Failed"),
        "finetune@detect": ("FINISHED", "Completed"),
    }
    assert {name for name, run in children.items() if "rawline.signature" in run.data.tags} == {"acquire", "finetune@detect"}


@pytest.mark.parametrize("contained", ["0", pytest.param("1", marks=pytest.mark.long)])
def test_a_forced_rerun_has_the_hashes_of_its_own_outputs(project: toy.Project, contained: str) -> None:
    """Inputs are equal and the entry of the run before fits until dvc has booked this one: only that one is signed."""
    project.env = {"RAWLINE_CONTAINED": contained}
    assert project.dvc("repro", "acquire").returncode == 0
    assert project.dvc("repro", "--force", "acquire").returncode == 0
    if contained == "1":
        assert project.rawline("sync").returncode == 0
    project.settle()
    first, second = (project.children(parent)["acquire"] for parent in project.parents())
    entry = lockfile.read(project.root / "dvc.lock")["acquire"]
    assert second.data.tags["rawline.outs"] == lockfile.output(entry)
    assert second.data.tags["rawline.outs"] != first.data.tags["rawline.outs"]
    assert second.data.tags["rawline.signature"] == first.data.tags["rawline.signature"]
    assert second.data.tags["rawline.state"] == "Completed"


@pytest.mark.long
@pytest.mark.parametrize("words", [("repro", "--no-commit", "acquire"), ("repro", "--force", "--no-run-cache", "acquire")])
def test_what_dvc_books_in_its_other_ways_is_completed(project: toy.Project, words: tuple[str, ...]) -> None:
    """Without a commit into the cache, and with equal outputs by force: booked is booked."""
    script = project.root / "toy.py"
    script.write_text(script.read_text().replace("{time.time()}", ""))
    for number in range(2):
        assert project.dvc(*words, *(["--force"] if number and "--force" not in words else [])).returncode == 0
        project.settle()
        parent = project.parents()[number]
        child = project.children(parent)["acquire"]
        assert (parent.info.status, child.data.tags["rawline.state"]) == ("FINISHED", "Completed")
        assert "rawline.signature" in child.data.tags
