"""A run of some stages claims nothing of those below: their outputs were made by what stood above them before."""

from pathlib import Path

import pytest

from tests.pipeline import toy

BELOW = ("finetune@classify", "finetune@detect")


def _last(project: toy.Project) -> tuple[str, dict[str, str]]:
    project.settle()
    parent = project.parents()[-1]
    children = project.children(parent)
    return parent.info.status, {name: state for name, (_, state) in toy.states(children).items()}


@pytest.mark.long
@pytest.mark.parametrize("contained", ["0", "1"], ids=["outlives_dvc", "ends_with_dvc"])
def test_what_lies_below_a_stage_that_was_made_anew_is_not_cached(tmp_path: Path, contained: str) -> None:
    """Other parameters made it; as the first process of a container the record is closed before dvc has booked the stage."""
    project = toy.make(tmp_path / "project")
    project.env["RAWLINE_CONTAINED"] = contained
    assert project.dvc("repro").returncode == 0
    project.set("acquire", num_epochs=4)
    assert project.dvc("repro", "acquire").returncode == 0
    assert _last(project) == ("FINISHED", {"acquire": "Completed", **dict.fromkeys(BELOW, "NotAsked")})


@pytest.mark.long
def test_repro_says_what_is_not_up_to_date_and_records_what_dvc_restored(tmp_path: Path) -> None:
    """Going back to a value that DVC knows runs nothing and changes data: that is an execution, with every stage in it."""
    project = toy.make(tmp_path / "project")
    assert project.rawline("repro").returncode == 0
    project.set("acquire", num_epochs=4)
    told = project.rawline("repro", "acquire")
    assert "1 completed, 2 not asked for" in told.stdout
    assert f"not up to date, so that their figures are of before: {', '.join(BELOW)}" in told.stdout
    again = project.rawline("repro", "acquire")
    assert "What was asked for is up to date" in again.stdout
    assert ", ".join(BELOW) in again.stdout
    assert len(project.parents()) == 2
    project.set("acquire", num_epochs=2)
    project.set("finetune.detect", num_epochs=5)
    restored = project.rawline("repro", "acquire")
    assert restored.returncode == 0, restored.stderr
    assert "Restored from DVC's cache: acquire" in restored.stdout
    assert "All is up to date" not in restored.stdout
    assert "figures are of before: finetune@detect" in restored.stdout
    found = {"acquire": "Cached", "finetune@classify": "Cached", "finetune@detect": "NotAsked"}
    assert _last(project) == ("FINISHED", found)
    assert project.parents()[-1].data.tags["rawline.kind"] == "repro"


def test_a_frozen_stage_makes_nobody_red(tmp_path: Path) -> None:
    """DVC leaves it as it is and ends well; so does the record, whoever started it."""
    project = toy.make(tmp_path / "project")
    assert project.dvc("repro").returncode == 0
    assert project.dvc("freeze", "acquire").returncode == 0
    project.set("acquire", num_epochs=4)
    project.set("finetune.detect", num_epochs=5)
    assert project.dvc("repro").returncode == 0
    states = {"acquire": "NotAsked", "finetune@classify": "NotAsked", "finetune@detect": "Completed"}
    assert _last(project) == ("FINISHED", states)


@pytest.mark.long
def test_a_stage_of_somebody_s_own_that_ran_is_not_called_restored(tmp_path: Path) -> None:
    """Its command opens no execution; that DVC booked it anew is all that is known."""
    project = toy.make(tmp_path / "project")
    graph = (project.root / "dvc.yaml").read_text()
    (project.root / "dvc.yaml").write_text(
        f"{graph}\n  report: {{cmd: cp own.txt report.txt, deps: [own.txt], outs: [report.txt]}}\n"
    )
    (project.root / "own.txt").write_text("1")
    assert project.rawline("repro").returncode == 0
    (project.root / "own.txt").write_text("2")
    again = project.rawline("repro")
    assert again.returncode == 0, again.stderr
    assert "Restored" not in again.stdout
    assert "Booked by DVC: report" in again.stdout
    status, states = _last(project)
    assert (status, states["report"], states["acquire"]) == ("FINISHED", "Completed", "Cached")
