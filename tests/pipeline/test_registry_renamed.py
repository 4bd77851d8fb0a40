"""A registered model that got another name: what was registered under it is as old as it was, whatever its name was then."""

import json
from pathlib import Path

import pytest
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from pipelines.register import ages, registry
from tests.pipeline import registry_project as project
from tests.pipeline.registry_project import NAME, another

RENAMED = "forms-classify"
OLDER = "no: registered before the champion and not shown to be better"


@pytest.fixture
def client(tmp_path, monkeypatch) -> MlflowClient:
    """A registry whose champion is version 1, with 0.90."""
    return project.start_with_champion(tmp_path, monkeypatch)


def make_of_before(client: MlflowClient, *versions: ModelVersion) -> None:
    """Leave to the LoggedModels of versions what those of before have: names and numbers alone."""
    for one in versions:
        for tag in (ages.FIRST, ages.REGISTRATIONS):
            client.delete_logged_model_tag(one.tags["logged_model"], tag)


def put(value: float, weights: str = "weights", **rules: object) -> str:
    """Judge and register a model under the new name; return what the gate says of the champion."""
    project.judge(value, weights=weights)
    return project.register(**{"name": "forms", **rules}).tags["gate.champion"]


def champion(client: MlflowClient, name: str = RENAMED) -> int:
    """Return the champion's number."""
    found = registry.holder(client, name, registry.CHAMPION)
    assert found is not None
    return int(found.version)


@pytest.mark.parametrize(
    ("names", "tag", "project_too"),
    [
        ([RENAMED], True, False),
        (["between", RENAMED], False, True),
        *(
            pytest.param(names, tag, project, marks=pytest.mark.long)
            for names in ([RENAMED], ["between", RENAMED])
            for tag, project in ((True, True), (False, False))
        ),
    ],
)
def test_weights_of_a_deleted_version_are_no_newer_under_another_name(client, names, tag, project_too):
    """Version 1 was registered under the name of then; its LoggedModel may lie in the experiment of that name, too.

    Of before it names no registered model, but version 2, which is there, was packed under the same name.
    """
    another(0.905, "slightly better")
    if not tag:
        make_of_before(client, *(client.get_model_version(NAME, number) for number in "12"))
    client.delete_model_version(NAME, "1")
    for before, after in zip([NAME, *names], names, strict=False):
        client.rename_registered_model(before, after)
    if project_too:
        Path("params.yaml").write_text(json.dumps({"name": "forms", "seed": 7}))
        project.commit()
    assert put(0.9, max_drop=0.05).startswith(OLDER)
    assert champion(client) == 2
    assert put(0.9, "newer", max_drop=0.05).startswith("yes")


@pytest.mark.parametrize("tag", [True, pytest.param(False, marks=pytest.mark.long)])
def test_what_was_registered_while_it_had_another_name_counts_when_it_is_renamed_back(client, tag):
    """Version 2 came and went under the name of between, the champion after it under that of now."""
    client.rename_registered_model(NAME, RENAMED)
    for value, weights in ((0.85, "second"), (0.85, "third")):
        put(value, weights)
    if not tag:
        make_of_before(client, *(client.get_model_version(RENAMED, number) for number in "23"))
    client.delete_model_version(RENAMED, "2")
    client.rename_registered_model(RENAMED, NAME)
    assert another(0.905, "slightly better") == 4
    assert champion(client, NAME) == 4
    project.judge(0.9, weights="second")
    assert project.register(max_drop=0.05).tags["gate.champion"].startswith(OLDER)
    assert champion(client, NAME) == 4


@pytest.mark.parametrize("tag", [pytest.param(True, marks=pytest.mark.long), False])
def test_a_registered_model_that_has_the_old_name_now_is_another_one(client, tag):
    """Its weights were never registered under the renamed one: there they are new, the renamed one's own are not."""
    another(0.905, "slightly better")
    client.delete_model_version(NAME, "1")
    client.rename_registered_model(NAME, RENAMED)
    project.judge(0.9, weights="elsewhere")
    version = project.register()
    assert int(version.version) == 1
    if not tag:
        make_of_before(client, version)
    assert put(0.907, "best").startswith("yes")
    assert put(0.9, max_drop=0.05).startswith(OLDER)
    assert put(0.9, "elsewhere", max_drop=0.05).startswith("yes")
    assert champion(client) == 5


def test_of_another_one_of_its_new_name_time_tells(client):
    """It was made after the champion and deleted before the champion's registered model took its name."""
    assert put(0.9, "elsewhere").startswith("yes")
    client.delete_registered_model(RENAMED)
    client.rename_registered_model(NAME, RENAMED)
    assert put(0.895, "elsewhere", max_drop=0.05).startswith("yes")
    assert champion(client) == 2


def test_a_registered_model_keeps_its_age_under_another_name(client):
    """MLflow leaves the time at which it was made as it is: that time tells it from others."""
    made = ages.since(client, NAME)
    client.rename_registered_model(NAME, RENAMED)
    assert ages.since(client, RENAMED) == made
