"""The whole graph as it is, on tiny data: from nothing to registered models, and later no more than what is stale."""

import re

import pytest

from tests.pipeline import chain_project
from tests.pipeline.chain_project import Project

TASKS = ("classify", "detect")  # a stage takes seconds to start; the others: test_long_tasks.py
SHARED = ("acquire", "preprocess", "augment", "pretrain")
PER_TASK = ("finetune", "evaluate", "audit", "register")
NOISE = re.compile(r"Traceback|Warning:|^\d{4}[/-]\d\d[/-]\d\d \d\d:\d\d|^INFO|^WARNING", re.MULTILINE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give a project that was reproduced once; the tests stand in the order in which they use it."""
    made = chain_project.make(tmp_path_factory.mktemp("chain") / "project", TASKS)
    done = made.run("dvc", "repro")
    assert done.returncode == 0, done.stdout
    assert not NOISE.search(done.stdout), done.stdout
    return made


def ran(output: str) -> set[str]:
    """Return the stages that DVC ran."""
    return set(re.findall(r"Running stage '([^']+)'", output))


@pytest.mark.slow
def test_every_stage_leaves_its_outputs_and_every_task_a_registered_model(project: Project) -> None:
    """Nothing in the graph is left out, and each receipt names a version that is in the registry."""
    lock = project.lock()
    assert set(lock) == {*SHARED, *(f"{verb}@{task}" for verb in PER_TASK for task in TASKS)}
    done = project.run("rawline", "summary")
    assert done.returncode == 0, done.stdout
    for task in TASKS:
        assert f"scenes-{task} version 1" in done.stdout, done.stdout
    status = project.run("dvc", "status")
    assert "up to date" in status.stdout, status.stdout


@pytest.mark.slow
def test_one_parameter_reruns_what_reads_it_and_nothing_else(project: Project) -> None:
    """A limit of one task's audit touches that audit and what stands behind it."""
    params = project.params()
    params["audit"]["classify"]["max_gap"] = 0.123
    project.write(params)
    done = project.run("dvc", "repro")
    assert done.returncode == 0, done.stdout
    assert ran(done.stdout) == {"audit@classify", "register@classify"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "name", "wrong"),
    [("preprocess", "demosaicer", "adaptiv"), ("pretrain", "backbone", "resnet19")],
)
def test_a_wrong_part_name_stops_with_one_line(section: str, name: str, wrong: str, project: Project) -> None:
    """The stage says which value is wrong and what would be right; nothing that was made is lost."""
    params = project.params()
    right = params[section][name]
    before = project.lock()
    params[section][name] = wrong
    project.write(params)
    done = project.run("rawline", "repro")
    params[section][name] = right
    project.write(params)
    assert done.returncode == 1
    assert len(done.stdout.strip().splitlines()) == 1, done.stdout
    assert f"{section}.{name}" in done.stdout
    assert f"did you mean '{right}'" in done.stdout
    assert project.lock() == before
