"""A bare dvc repro leaves one parent run with every stage of the graph below it."""

import shutil
from pathlib import Path

import pytest

from tests.pipeline import toy


@pytest.fixture(scope="module", params=["0", "1"], ids=["outlives_dvc", "ends_with_dvc"])
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> toy.Project:
    """Return a project that ran once, from a database nobody had prepared: on a host, and as in a container."""
    project = toy.make(tmp_path_factory.mktemp("toy") / "project", cold=True)
    project.env = {"RAWLINE_CONTAINED": request.param}
    done = project.dvc("repro")
    assert done.returncode == 0, done.stderr + done.stdout
    project.settle()
    assert not list((project.root / ".rawline").glob("work/*"))  # what a stage kept for going on is gone when it ended well
    return project


@pytest.fixture
def project(template: toy.Project, tmp_path: Path) -> toy.Project:
    """Return a copy of the project that ran once."""
    copy = tmp_path / "copy"
    shutil.copytree(template.root, copy, symlinks=True, ignore=shutil.ignore_patterns(".rawline"))
    return toy.Project(copy, dict(template.env))


def test_all_stages_of_one_repro_belong_to_one_parent(project: toy.Project) -> None:
    """One execution, every stage below it, all finished, the parent closed although dvc knows nothing of it."""
    (parent,) = project.parents()
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["command"] == "dvc repro"
    expected = dict.fromkeys(toy.STAGES, ("FINISHED", "Completed"))
    assert toy.states(project.children(parent)) == expected


def test_a_run_has_params_curves_inputs_tags_and_artefacts(project: toy.Project) -> None:
    """What a stage yields is in MLflow, the data set it read by reference with DVC's hash."""
    (parent,) = project.parents()
    run = project.children(parent)["finetune@classify"]
    assert run.data.params == {"num_epochs": "3", "sleep_s": "0.0", "fail": "", "seed": "7"}
    curve = project.client.get_metric_history(run.info.run_id, "train/loss")
    assert [(m.step, m.value) for m in curve] == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]
    (given,) = run.inputs.dataset_inputs
    lock = (project.root / "dvc.lock").read_text()
    assert given.dataset.name == "data/acquire"
    assert len(given.dataset.digest) == 36
    assert given.dataset.digest in lock
    assert run.data.tags["dvc.out.data/finetune/classify"] in lock
    assert {"rawline.signature", "rawline.commit", "rawline.dirty"} <= set(run.data.tags)
    (folder,) = project.client.list_artifacts(run.info.run_id)
    assert folder.path == "outs"
    assert not (project.root / "mlruns").exists()


def test_what_did_not_run_is_cached_and_linked_to_its_origin(project: toy.Project) -> None:
    """After one parameter has changed, the other stages are shown as Cached with the run that made their bytes."""
    first = project.children(project.parents()[0])
    project.set("finetune.detect", num_epochs=4)
    project.dvc("repro")
    project.settle()
    second = project.children(project.parents()[1])
    assert toy.states(second)["finetune@detect"] == ("FINISHED", "Completed")
    for name in ("acquire", "finetune@classify"):
        assert toy.states(second)[name] == ("FINISHED", "Cached")
        assert second[name].data.tags["rawline.origin"] == first[name].info.run_id
    project.set("finetune.detect", num_epochs=3)
    project.set("finetune.classify", num_epochs=5)
    done = project.dvc("repro")
    assert "cached - skipping run" in done.stdout + done.stderr
    project.settle()
    third = project.children(project.parents()[2])
    assert toy.states(third)["finetune@detect"] == ("FINISHED", "Cached")
    assert third["finetune@detect"].data.tags["rawline.origin"] == first["finetune@detect"].info.run_id


@pytest.mark.parametrize(
    ("fail", "state", "message"),
    [
        ("data", "Failed", "picture 7 is empty (data/7.png)"),
        ("bug", "Failed", "ZeroDivisionError: a slip"),
        ("kill", "Killed", "its process was killed"),
        ("term", "Killed", "terminated"),
    ],
)
def test_a_stage_that_ends_badly_is_not_left_running(project: toy.Project, fail: str, state: str, message: str) -> None:
    """The run says what happened, what came after it was not reached, and the execution did not finish."""
    project.set("acquire", fail=fail)
    done = project.dvc("repro")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    project.settle()
    parent = project.parents()[1]
    children = project.children(parent)
    assert toy.states(children)["acquire"] == (state.upper(), state)
    assert children["acquire"].data.tags["rawline.message"] == message
    assert toy.states(children)["finetune@detect"] == ("KILLED", "NotReached")
    assert parent.info.status == ("FAILED" if state == "Failed" else "KILLED")
    if fail == "kill":
        (work,) = (project.root / ".rawline/work").iterdir()
        assert (work / "checkpoint").read_text() == "half"
        project.set("acquire", fail="")
