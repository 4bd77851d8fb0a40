"""The same model is one version; a new one moves challenger, and champion only through the gate."""

import multiprocessing
import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.register import behaviour, registry, run
from stages.core import artefacts, files
from stages.core.errors import DataError, InfrastructureError, ParamsError
from tests.pipeline import registry_project as project

NAME = "shapes-classify"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A prepared database to copy: making its tables takes seconds."""
    folder = tmp_path_factory.mktemp("database")
    with pytest.MonkeyPatch.context() as patch:
        project.make(folder, patch)
        with registry.reachable():
            return folder


@pytest.fixture
def client(tmp_path, monkeypatch, database):
    """A trained and judged project in the current folder, and a client of its registry."""
    for name in ("mlflow.db", "mlflow.ready"):
        shutil.copy(database / name, tmp_path / name)
    project.make(tmp_path, monkeypatch)
    project.quick(monkeypatch)
    return project.client()


def register(**rules) -> tuple[dict, bytes]:
    for _ in run(project.job(**rules)):
        pass
    file = artefacts.receipt("classify")
    return files.read_json(file), file.read_bytes()


def alias(client, name: str) -> int:
    return int(client.get_model_version_by_alias(NAME, name).version)


def test_the_same_model_again_is_the_same_version(client):
    """Registering twice makes one version and the same receipt to the byte, aliases untouched."""
    first, one = register()
    second, two = register()
    assert one == two
    assert len(registry.versions(client, NAME)) == 1
    assert first["version"] == second["version"] == alias(client, "champion") == alias(client, "challenger")
    assert first["aliases"] == ["challenger", "champion"]
    assert not {"time", "run_id"} & set(first)


def test_a_version_says_where_it_comes_from(client):
    """Tags name commit, lock, verdict, test data and figures with intervals; the description is the card."""
    receipt, _ = register()
    version = client.get_model_version(NAME, str(receipt["version"]))
    assert {"commit", "commit_dirty", "dvc_lock", "verdict", "test_data", "digest", "gate"} <= set(version.tags)
    assert version.tags["metric.accuracy"] == "0.900 [0.860, 0.940], n = 200"
    assert version.tags["gate.quality"].startswith("yes: the low end of accuracy")
    assert version.description.startswith("# shapes-classify")
    assert "0.860 to 0.940" in version.description
    assert "mlflow.pyfunc.load_model" in version.description


def test_aliases_move_through_the_gate_alone(client):
    """A worse model becomes challenger and leaves the champion; a better one takes both; the history tells all moves."""
    register()
    project.judge(0.85, weights="worse")
    receipt, _ = register(min_quality=0.5)
    assert receipt["aliases"] == ["challenger"]
    assert receipt["gate"]["checks"]["champion"].startswith("no: worse than the champion")
    assert (alias(client, "challenger"), alias(client, "champion")) == (2, 1)
    project.judge(0.95, weights="better")
    assert register()[0]["aliases"] == ["challenger", "champion"]
    assert (alias(client, "challenger"), alias(client, "champion")) == (3, 3)
    history = {k: v for k, v in client.get_registered_model(NAME).tags.items() if k.startswith("alias_history.")}
    assert history == {
        "alias_history.challenger.0001": "none -> 1",
        "alias_history.champion.0001": "none -> 1",
        "alias_history.challenger.0002": "1 -> 2",
        "alias_history.challenger.0003": "2 -> 3",
        "alias_history.champion.0002": "1 -> 3",
    }


def test_an_older_model_again_moves_nothing(client):
    """Registering version 1 once more, after version 2, gives its old receipt and leaves the newest the challenger."""
    _, one = register()
    project.judge(0.95, weights="better")
    register()
    project.judge(0.9)
    assert register()[1] == one
    assert (alias(client, "challenger"), alias(client, "champion")) == (2, 2)


def test_a_failed_audit_stays_challenger(client):
    """FAIL keeps a model from champion although its figures pass; the receipt says so."""
    project.judge(0.95, verdict="FAIL")
    receipt, _ = register()
    assert receipt["aliases"] == ["challenger"]
    assert receipt["verdict"] == "FAIL"
    assert receipt["gate"] == {
        "champion": False,
        "checks": {
            "audit": "no: the audit says FAIL",
            "champion": "yes: there is no champion yet",
            "quality": "yes: the low end of accuracy 0.950 [0.910, 0.990], n = 200 is 0.910 >= 0.800",
        },
    }


def test_other_test_pictures_are_not_compared(client):
    """A model judged on another test split stays challenger with that reason."""
    register()
    project.make_dataset(artefacts.PREPROCESSED, num_images=12, seed=9)
    project.judge(0.99, weights="better")
    receipt, _ = register()
    assert receipt["aliases"] == ["challenger"]
    assert "other test data" in receipt["gate"]["checks"]["champion"]


def test_other_code_is_another_version(client, monkeypatch):
    """The model brings its code: when that changes in more than words, what is registered is not the same model."""
    register()
    plain = behaviour.meaning
    monkeypatch.setattr(behaviour, "meaning", lambda text: plain(text + "\n\n# a comment\n"))
    assert register()[0]["version"] == 1
    monkeypatch.setattr(behaviour, "meaning", lambda text: plain(text + "\nCHANGED = 1\n"))
    assert register()[0]["version"] == 2


def test_a_deleted_version_is_made_again(client):
    """Whoever deletes the version gets it back by running the stage again."""
    first, _ = register()
    client.delete_model_version(NAME, str(first["version"]))
    again, _ = register()
    assert again["digest"] == first["digest"]
    assert alias(client, "champion") == again["version"]
    client.delete_registered_model(NAME)
    assert register()[0]["aliases"] == ["challenger", "champion"]


def test_a_kill_between_version_and_aliases_is_mended(client, monkeypatch):
    """A version whose aliases were never set gets them by the next run, not a second version."""
    with monkeypatch.context() as patch:
        patch.setattr(registry, "move", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            register()
    assert not artefacts.receipt("classify").exists()
    receipt, _ = register()
    assert (receipt["version"], alias(client, "champion")) == (1, 1)
    assert len(registry.versions(client, NAME)) == 1


def test_mlflow_out_of_reach_is_one_line_that_asks_for_a_retry(client, monkeypatch, tmp_path):
    """No server at the address: an infrastructure error of one line, and no receipt."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InfrastructureError, match=r"MLflow at http://127.0.0.1:9 failed") as caught:
        register()
    assert "\n" not in str(caught.value)
    assert not artefacts.receipt("classify").exists()


def test_wrong_input_is_one_line(client):
    """An unknown figure, a missing model and a missing verdict name the file or key and what is right."""
    with pytest.raises(ParamsError, match=r"register.classify.metric is 'acuracy'.*did you mean 'accuracy'"):
        register(metric="acuracy")
    files.write_json(artefacts.audit_metrics("classify"), {"verdict": "MAYBE"})
    with pytest.raises(DataError, match=r"verdict is 'MAYBE'; expected one of PASS, FAIL, UNDECIDED"):
        register()
    (artefacts.finetuned("classify") / "best.safetensors").unlink()
    with pytest.raises(DataError, match=r"best.safetensors is missing; run dvc repro finetune@classify"):
        register()


def _move(root: Path, version: int) -> None:
    os.chdir(root)
    with registry.reachable() as found, registry.exclusive(NAME):
        registry.move(found, NAME, "challenger", str(version))


def test_moves_of_several_processes_are_one_after_the_other(client, tmp_path):
    """Four processes move one alias: the history is a chain without a gap, since each reads again before it sets."""
    register()
    for weights in "ab":
        project.judge(0.9, weights=weights)
        register()
    context = multiprocessing.get_context("fork")
    movers = [context.Process(target=_move, args=(tmp_path, version)) for version in (1, 2, 3, 1)]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    assert [mover.exitcode for mover in movers] == [0] * 4
    tags = client.get_registered_model(NAME).tags
    moves = [tags[k].split(" -> ") for k in sorted(tags) if k.startswith("alias_history.challenger.")]
    assert all(before[1] == after[0] for before, after in pairwise(moves))
    assert int(moves[-1][1]) == alias(client, "challenger")
