"""Receipts that DVC's cache restores and the registry are brought together, and what is shown is the registry's own word."""

import json

import pytest
import yaml
from mlflow.tracking import MlflowClient

from pipelines import registered, repro
from pipelines.receipt_examination import receipts
from pipelines.register import registry, settling
from stages.core import artefacts, files
from stages.core.errors import InfrastructureError
from tests.pipeline import chain_project
from tests.pipeline import registry_project as project
from tests.pipeline.registry_project import NAME, holders

REFUSED = "MLflow at http://ann:hunter2secret@127.0.0.1:9 refused ann:hunter2secret"


@pytest.fixture
def receipt(tmp_path, monkeypatch) -> bytes:
    """A project whose model was registered, as DVC would restore it elsewhere; give the receipt's bytes."""
    project.start(tmp_path, monkeypatch)
    project.light(monkeypatch)
    raw = yaml.safe_load((chain_project.HOME / "params.yaml").read_text())
    raw |= {"name": "shapes", "tasks": {"classify": raw["tasks"]["classify"]}}
    raw["register"]["classify"] = {key: value for key, value in project.RULES.items() if key != "name"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    project.commit()
    project.register()
    return artefacts.receipt("classify").read_bytes()


def test_a_local_registry_is_asked_again_only_after_a_write(receipt, monkeypatch):
    """A run with nothing to do need not bring MLflow; an alias moved by whomever is seen at once."""
    assert receipt
    asked = []
    ask = registered._ask
    monkeypatch.setattr(registered, "_ask", lambda *words: asked.append(words) or ask(*words))
    first = registered.standing("classify")
    assert [registered.standing("classify") for _ in range(3)] == [first] * 3
    assert len(asked) == 1
    project.client().delete_registered_model_alias(NAME, "champion")
    assert registered.standing("classify").aliases == ("challenger",)
    assert len(asked) == 2


def test_what_was_remembered_without_a_field_of_now_is_asked_again(receipt):
    """A memory of before told no other versions: that is unknown, not none."""
    project.judge(0.95, weights="better")
    project.register()
    project.client().delete_model_version(NAME, "2")
    told = registered.standing("classify")
    assert told.others == 1
    place = registered._memory("classify")
    content = files.read_json(place)
    for field in ("others", "waits_for"):
        rest = {key: value for key, value in content["standing"].items() if key != field}
        files.write_json(place, {**content, "standing": rest})
        assert registered.standing("classify") == told


def test_what_agrees_is_left_alone(receipt):
    """Nothing is said and nothing moves."""
    before = project.client().get_registered_model(NAME).tags
    assert registered.reconcile() == []
    assert project.client().get_registered_model(NAME).tags == before
    assert str(registered.standing("classify")) == f"{NAME} version 1 (challenger, champion)"


def test_a_version_that_was_deleted_beside_others_is_told_as_such(receipt):
    """Not as if the model were unknown there; what registers it stands beside, and nothing is remembered from before."""
    project.judge(0.95, weights="better")
    project.register()
    assert registered.standing("classify").version == 2
    project.client().delete_model_version(NAME, "2")
    told = (
        f"{NAME}: the version of this model is not in the registry (rawline repro registers it), which has 1 other version"
    )
    assert str(registered.standing("classify")) == told
    project.client().set_registered_model_alias(NAME, "champion", "1")
    assert str(registered.standing("classify")) == f"{told}; champion is version 1"
    assert registered.reconcile()[0].startswith(f"{NAME}: the registry lacked it; now {NAME} version ")


def test_a_pulled_receipt_is_registered(receipt):
    """The registry is empty, the model's bytes are there: it is registered, and the receipt stays to the byte."""
    project.client().delete_registered_model(NAME)
    assert str(registered.standing("classify")) == f"{NAME} is not in the registry (rawline repro registers it)"
    assert registered.reconcile() == [f"{NAME}: the registry lacked it; now {NAME} version 1 (challenger, champion)"]
    assert holders() == {"challenger": 1, "champion": 1}
    assert artefacts.receipt("classify").read_bytes() == receipt


def test_a_pulled_receipt_of_before_stays_to_the_byte(receipt):
    """It names no hashes of figures; DVC booked its bytes and shall see no change."""
    place = artefacts.receipt("classify")
    files.write_json(place, {key: value for key, value in json.loads(receipt).items() if key != "figures"})
    before = place.read_bytes()
    project.client().delete_registered_model(NAME)
    assert len(registered.reconcile()) == 1
    assert place.read_bytes() == before


def test_without_a_database_none_is_made_for_asking(receipt, tmp_path, monkeypatch):
    """A fresh clone has none: the summary says that nothing is registered and leaves no file behind."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/fresh.db")
    assert registered.standing("classify").version is None
    assert not (tmp_path / "fresh.db").exists()
    assert "now shapes-classify version 1" in registered.reconcile()[0]


def test_an_interrupted_registration_is_ended(receipt, monkeypatch):
    """Its version exists without its aliases: it gets them."""
    project.judge(0.95, weights="better")
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_registered_model_alias", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            project.register()
        digest = registry.versions(project.client(), NAME)[0].tags["digest"]
    artefacts.receipt("classify").write_text(f'{{"name": "{NAME}", "digest": "{digest}"}}')
    assert "interrupted" in str(registered.standing("classify"))
    assert registered.reconcile() == [
        f"{NAME}: its registration had been interrupted; now {NAME} version 2 (challenger, champion)"
    ]


def test_files_of_another_model_are_not_registered_under_this_receipt(receipt):
    """The receipt names what no longer lies here: it is said, and nothing is made."""
    project.client().delete_registered_model(NAME)
    project.judge(0.95, weights="other")
    (line,) = registered.reconcile()
    assert "no longer those of its receipt: dvc repro register@classify" in line
    assert not project.client().search_registered_models()


def test_missing_files_and_a_registry_out_of_reach_are_lines_not_faults(receipt, monkeypatch):
    """``rawline repro`` has done its work by then: it says what is left."""
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        (line,) = registered.reconcile()
        assert "nobody knows whether its version is registered: MLflow at http://127.0.0.1:9 failed" in line
    project.client().delete_registered_model(NAME)
    (artefacts.finetuned("classify") / "model.json").unlink()
    (line,) = registered.reconcile()
    assert "could not be registered" in line
    assert "model.json" in line


def test_a_receipt_of_before_is_read(receipt):
    """It held the version and the aliases of its day; what counts is the digest."""
    digest = registered.standing("classify").digest
    artefacts.receipt("classify").write_text(
        f'{{"name": "{NAME}", "digest": "{digest}", "version": 7, "aliases": ["champion"]}}'
    )
    assert str(registered.standing("classify")) == f"{NAME} version 1 (challenger, champion)"


def test_the_doctor_names_the_disagreement(receipt, monkeypatch):
    """A receipt without its version is a warning whose remedy heals; a registry out of reach is told by another check."""
    assert [(one.state, one.mend) for one in receipts()] == [("ok", "")]
    project.client().delete_registered_model(NAME)
    (found,) = receipts()
    assert (found.state, found.mend) == ("warn", "rawline repro")
    assert f"{NAME} is not in the registry" in found.message
    registered.reconcile()
    assert [one.state for one in receipts()] == ["ok"]
    monkeypatch.setattr(registered, "standing", lambda _: registered.Standing(NAME, "d", problem="out of reach"))
    assert list(receipts()) == []


def test_a_restored_receipt_does_not_move_the_registry(receipt):
    """A floor raised again restores the old receipt: its version is settled, the newer champion stands, both are said."""
    project.register(max_drop=0.5)
    assert holders() == {"challenger": 2, "champion": 2}
    artefacts.receipt("classify").write_bytes(receipt)
    assert registered.reconcile() == []
    assert str(registered.standing("classify")) == f"{NAME} version 1 (no alias; champion is version 2)"


def test_rawline_repro_brings_them_together(receipt, monkeypatch, capsys):
    """After a run in which DVC had nothing to do."""
    project.client().delete_registered_model(NAME)
    monkeypatch.setattr(repro, "_run", lambda _: (0, None))
    monkeypatch.setattr(repro, "check_once", lambda _: None)
    monkeypatch.setattr(repro, "check_inputs", lambda *_, **__: None)
    assert repro.repro([]) == 0
    text = capsys.readouterr().out
    assert f"{NAME}: the registry lacked it" in text
    assert f"model {NAME} version 1 (challenger, champion)" in text
    assert settling.SETTLED in registry.versions(project.client(), NAME)[0].tags


def test_a_registry_out_of_reach_gives_no_password_away(receipt, monkeypatch):
    """The problem is shown by the summary, doctor and the servers' pages."""
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://ann:hunter2secret@127.0.0.1:9")
    monkeypatch.setattr(registered, "_ask", lambda *_: (_ for _ in ()).throw(InfrastructureError(REFUSED)))
    standing = registered.standing("classify")
    assert "127.0.0.1:9" in standing.problem
    assert "hunter2secret" not in str(standing) + "".join(registered.reconcile())
