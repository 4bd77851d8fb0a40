"""Which of two models is the older one: weights that were registered before take champion back only if they are better."""

import hashlib
import json
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipelines.register import ages, registry
from stages.core import artefacts
from tests.pipeline import registry_project as project
from tests.pipeline.registry_project import NAME, another, holders


@pytest.fixture
def client(tmp_path, monkeypatch) -> MlflowClient:
    """A registry whose champion is version 1, with 0.90."""
    return project.start_with_champion(tmp_path, monkeypatch)


def files_of(folder: Path, place: str, patch: pytest.MonkeyPatch) -> None:
    """Let the store have a copy of a model's folder where an address ends so: the light packages hold no weights."""
    plain, kept = registry.fetch, {file.name: file.read_bytes() for file in folder.iterdir()}

    def fetch(uri: str, target: Path) -> Path:
        if not uri.endswith(place):
            return plain(uri, target)
        for name, content in kept.items():
            (target / name).write_bytes(content)
        return target

    patch.setattr(registry, "fetch", fetch)


def test_the_same_weights_that_lost_do_not_come_back_by_other_rules(client):
    """Version 3 has the weights of version 1: as good as the champion within the allowance is not enough for them."""
    another(0.905, "slightly better")
    assert holders()["champion"] == 2
    project.judge(0.9)
    version = project.register(max_drop=0.05)
    assert int(version.version) == 3
    assert "registered before the champion and not shown to be better" in version.tags["gate.champion"]
    assert holders() == {"challenger": 3, "champion": 2}


def test_the_same_weights_with_another_card_do_not_come_back(client):
    """``model.json`` holds settings that change no answer: with another of them version 1's weights are as old as they were.

    Version 2's, the champion's own, are no older for that, and what came with each version is on record.
    """
    another(0.905, "slightly better")
    project.judge(0.9)
    project.change_card(workers=8)
    version = project.register()
    assert int(version.version) == 3
    assert "registered before the champion and not shown to be better" in version.tags["gate.champion"]
    assert holders() == {"challenger": 3, "champion": 2}
    first, second = (client.get_model_version(NAME, number).tags for number in "12")
    assert version.tags[ages.WEIGHTS] == first[ages.WEIGHTS] == hashlib.sha256(b"weights").hexdigest()
    assert version.tags[ages.WEIGHTS] != second[ages.WEIGHTS]
    assert version.tags[ages.MODEL] != first[ages.MODEL]
    project.judge(0.905, weights="slightly better")
    project.change_card(workers=8)
    assert "registered before" not in project.register().tags["gate.champion"]
    assert holders() == {"challenger": 4, "champion": 4}


@pytest.mark.parametrize("tag", [True, False])
def test_weights_of_a_deleted_version_are_no_newer(client, monkeypatch, tag):
    """Version 1 is deleted after version 2 took its place: its weights, with another card, are the older model still.

    Its LoggedModel says so, or, where it is of before and names weights and card alone, its files do.
    """
    another(0.95, "better")
    left = client.get_model_version(NAME, "1").tags["logged_model"]
    client.delete_model_version(NAME, "1")
    project.judge(0.945)
    if not tag:
        files_of(artefacts.finetuned("classify"), f"models:/{left}/{ages.PLACE}", monkeypatch)
        client.delete_logged_model_tag(left, ages.WEIGHTS)
    project.change_card(workers=8)
    assert "registered before the champion and not shown to be better" in project.register().tags["gate.champion"]
    assert holders() == {"challenger": 3, "champion": 2}


@pytest.mark.parametrize("tag", [True, False])
@pytest.mark.parametrize("end", ["deleted", "renamed"])
def test_weights_of_a_registered_model_of_before_are_no_newer(client, end, tag):
    """It is made anew and counts from 1 again: the number of a version tells nothing of one of before.

    When it was registered its LoggedModel says, or, where that is of before, when it was packed.
    """
    left = [client.get_model_version(NAME, "1").tags["logged_model"]]
    assert another(0.93, "better") == 2
    left += [client.get_model_version(NAME, "2").tags["logged_model"]]
    for one in left:
        assert ages.FIRST in client.get_logged_model(one).tags
        if not tag:
            for tag_of_now in (ages.FIRST, ages.REGISTRATIONS):
                client.delete_logged_model_tag(one, tag_of_now)
    if end == "deleted":
        client.delete_registered_model(NAME)
    else:
        client.rename_registered_model(NAME, "elsewhere")
    assert another(0.905, "slightly better") == 1
    project.judge(0.9)
    for rules in ({}, {"max_drop": 0.05}):  # settled, and once more when it has a version that counts after the champion's
        version = project.register(**rules)
        assert version.tags["gate.champion"].startswith("no: registered before the champion and not shown to be better")
        assert holders()["champion"] == 1
    assert another(0.9, "newer") == 4
    assert holders()["champion"] == 4


@pytest.mark.parametrize("left", ["there", "deleted", "deleted, of before", "registered model deleted"])
def test_a_model_registered_by_a_clock_that_was_ahead_is_no_newer(tmp_path, monkeypatch, left):
    """The number tells, and of a registered model made anew that the one of before is gone; time says the contrary."""
    client = project.start(tmp_path, monkeypatch)
    project.light(monkeypatch)
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 86_400)
    first = project.register()
    monkeypatch.setattr(time, "time", right)
    if left == "registered model deleted":
        client.delete_registered_model(NAME)
    better = another(0.905, "slightly better")
    assert holders()["champion"] == better
    assert client.get_model_version(NAME, str(better)).creation_timestamp < first.creation_timestamp
    if left.startswith("deleted"):
        client.delete_model_version(NAME, "1")
    if left == "deleted, of before":
        client.delete_logged_model_tag(first.tags["logged_model"], ages.REGISTRATIONS)
    project.judge(0.9)
    for rules in ({"max_drop": 0.02}, {"max_drop": 0.05}):
        gate = project.register(**rules).tags["gate.champion"]
        assert gate.startswith("no: registered before the champion and not shown to be better")
        assert holders()["champion"] == better


def test_a_logged_model_keeps_each_registration_whatever_others_wrote_there(client):
    """It is made a version of once more after that was deleted; what is no list of registrations does no harm."""
    logged = client.get_model_version(NAME, "1").tags["logged_model"]
    first = ages.entries(client.get_logged_model(logged))
    assert [(one["name"], one["version"], one["since"]) for one in first] == [(NAME, "1", ages.since(client, NAME))]
    another(0.95, "better")
    for text in (json.dumps(first), "by hand", '[1, {"name": 3}]', '[{"name": "' + NAME + '", "version": "x", "at": []}]'):
        client.set_logged_model_tags(logged, {ages.REGISTRATIONS: text})
        for version in client.search_model_versions(f"name='{NAME}'"):
            if int(version.version) != 2:
                client.delete_model_version(NAME, version.version)
        project.judge(0.9)
        version = project.register()
        assert version.tags["logged_model"] == logged
        assert "registered before the champion" in version.tags["gate.champion"]
        assert ages.entries(client.get_logged_model(logged))[-1]["version"] == str(version.version)


def test_a_logged_model_keeps_its_first_registrations_in_order(client, monkeypatch):
    """It is made a version of five times, of which it keeps three: which model is the older one the first ones tell."""
    monkeypatch.setattr(ages, "MOST", 3)
    version = client.get_model_version(NAME, "1")
    logged, made = version.tags["logged_model"], [ages.entry(client, version)]
    assert another(0.95, "better") == 2
    project.judge(0.9)
    for _ in range(4):
        client.delete_model_version(NAME, version.version)
        version = project.register()
        assert version.tags["logged_model"] == logged
        made.append(ages.entry(client, version))
        assert ages.entries(client.get_logged_model(logged)) == made[:3]
        assert int(client.get_logged_model(logged).tags[ages.FIRST]) == made[0]["at"]


def test_the_champions_own_weights_may_take_over_and_are_not_the_older_model(client):
    """Version 2 has the champion's weights under other rules; version 3, newer than both, meets a champion of its age."""
    version = project.register(min_quality=0.5)
    assert holders() == {"challenger": 2, "champion": 2}
    assert "registered before" not in version.tags["gate.champion"]
    assert another(0.9, "newer") == 3
    assert holders()["champion"] == 3


def test_a_champion_registered_again_is_no_newer_than_it_was(client):
    """Weights 1, weights 2, weights 1 again made champion by hand: weights 2 are not the older model."""
    another(0.85, "second")
    project.judge(0.9)
    project.register(max_drop=0.05)
    client.set_registered_model_alias(NAME, "champion", "3")
    project.judge(0.9, weights="second")
    version = project.register()
    assert int(version.version) == 4
    assert version.tags["gate.champion"].startswith("yes: not shown to be worse")


@pytest.mark.parametrize("files_there", [True, False])
def test_a_version_of_before_is_as_old_as_its_files_say(client, monkeypatch, files_there):
    """Without the tag its weights are read from its package; where that fails, no model of unknown age comes back."""
    another(0.95, "better")
    for key in (ages.MODEL, ages.WEIGHTS):
        client.delete_model_version_tag(NAME, "1", key)
    project.judge(0.955)
    if files_there:
        files_of(artefacts.finetuned("classify"), f"/{ages.PLACE}", monkeypatch)
    version = project.register(max_drop=0.05)
    assert version.tags["gate.champion"].startswith("no: registered before the champion and not shown to be better")
    assert holders()["champion"] == 2
    assert (ages.WEIGHTS in client.get_model_version(NAME, "1").tags) == files_there
