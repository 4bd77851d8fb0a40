"""Champions that cannot be judged or whose files are out of reach, and challengers that wait for what may come."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow.tracking import MlflowClient

from pipelines import register, registered, run_stage
from pipelines.register import judged, judging, settling
from stages.core import files
from stages.core.errors import InfrastructureError
from tests.pipeline import registry_project as project
from tests.pipeline.registry_project import NAME, another, holders


@pytest.fixture
def client(tmp_path, monkeypatch) -> MlflowClient:
    """A registry whose champion is version 1, with 0.90."""
    return project.start_with_champion(tmp_path, monkeypatch)


def test_a_champion_of_another_tool_keeps_its_place_and_the_reason_is_told(client, tmp_path):
    """A hand-made version without evidence and without a model of ours: the registration works and says what to do."""
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "model.pkl").write_text("x")
    made = client.create_model_version(NAME, source=(tmp_path / "foreign").as_uri())
    client.set_registered_model_alias(NAME, "champion", made.version)
    project.judge(0.95, weights="better")
    version = project.register()
    assert holders()["champion"] == int(made.version)
    reason = version.tags["gate.champion"]
    assert reason.startswith(
        "no: the champion cannot be judged on the present test data: version 2: it is no model that rawline"
    )
    assert "incomparable_champion: replace" in reason
    project.judge(0.96, weights="best")
    project.register(incomparable_champion="replace")
    assert holders()["champion"] == 4


def test_an_idle_run_judges_no_champion(client, tmp_path, monkeypatch):
    """One that cannot be judged is asked again by a registration: an idle run would pay a pass of it each time."""
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "model.pkl").write_text("x")
    made = client.create_model_version(NAME, source=(tmp_path / "foreign").as_uri())
    client.set_registered_model_alias(NAME, "champion", made.version)
    project.judge(0.95, weights="better")
    assert "rawline register TASK asks again" in project.register().tags["gate.champion"]
    monkeypatch.setattr(registered.parameters, "read", lambda *_: {"tasks": {"classify": {}}})
    monkeypatch.setattr(judging, "judge", lambda *_: pytest.fail("it was judged"))
    before = (tmp_path / "mlflow.db").read_bytes() if (tmp_path / "mlflow.db").exists() else None
    assert [registered.reconcile() for _ in range(2)] == [[], []]
    assert before is None or (tmp_path / "mlflow.db").read_bytes() == before


@pytest.mark.parametrize("source", ["s3://nobody/x", "file:///nowhere/at/all"])
def test_another_tools_version_out_of_reach_keeps_nobody_out(client, source):
    """It holds no alias and cannot be this model: whether it is older is no question."""
    client.create_model_version(NAME, source=source)
    project.judge(0.99, weights="better")
    assert project.register().tags["gate"] == "champion"
    assert holders()["champion"] == 3


def package_of(value: float) -> Path:
    """Return the folder of the package whose evidence has this figure."""
    held = [file for file in Path.cwd().rglob("evidence.json") if files.read_json(file)["figure"]["value"] == value]
    assert len(held) == 1
    return held[0].parents[2]


@pytest.mark.parametrize(("policy", "value", "champion"), [("refuse", 0.97, 2), ("replace", 0.85, 1), ("replace", 0.97, 2)])
def test_files_that_are_out_of_reach_decide_nothing(client, policy, value, champion):
    """An unmounted folder is no champion without evidence: nothing is settled, and once it is back the gate decides."""
    there = package_of(0.9)
    away = there.rename(there.with_name("away"))
    project.judge(value, weights="another")
    with pytest.raises(InfrastructureError, match="the files of shapes-classify version 1 cannot be fetched now"):
        project.register(incomparable_champion=policy)
    assert holders() == {"challenger": 1, "champion": 1}
    away.rename(there)
    project.register(incomparable_champion=policy)
    assert holders() == {"challenger": 2, "champion": champion}


def test_a_former_champion_whose_files_are_out_of_reach_decides_nothing(client):
    """Nor is it none: 0.886 is too far below the first one, whether its files are there at the moment or not."""
    another(0.893, "second")
    there = package_of(0.9)
    away = there.rename(there.with_name("away"))
    project.judge(0.886, weights="third")
    with pytest.raises(InfrastructureError, match="version 1 cannot be fetched now"):
        project.register()
    away.rename(there)
    assert project.register().tags["gate.former"].startswith("no: worse than version 1, the best former champion")
    assert holders() == {"champion": 2, "challenger": 3}


@pytest.mark.parametrize("deleted", [True, False])
def test_what_is_gone_for_good_decides_as_before(client, deleted):
    """A model that was deleted with its files, and a package that lies there without evidence, are no outage."""
    another(0.893, "second")
    if deleted:
        shutil.rmtree(package_of(0.9))
        client.delete_logged_model(judged.model_id(client.get_model_version(NAME, "1")))
    else:
        shutil.rmtree(package_of(0.9) / "artifacts" / "evidence")
    assert another(0.886, "third") == holders()["champion"] == 3


def test_a_refusal_because_the_champion_cannot_be_judged_is_asked_again(client):
    """What kept it from being judged may be gone at the next run; another reason that stands is none to wait for."""
    evidence = package_of(0.9) / "artifacts" / "evidence" / "evidence.json"
    text = evidence.read_text()
    evidence.write_text("{")
    project.judge(0.97, weights="better")
    assert project.register().tags["gate.champion"].startswith("no: the champion cannot be judged")
    assert any("lacked nothing but a champion that can be judged; asking the gate again" in one for one in project.said())
    assert holders() == {"challenger": 2, "champion": 1}
    assert settling.SETTLED in client.get_model_version(NAME, "2").tags
    project.judge(0.97, verdict="FAIL", weights="other")
    project.register()
    assert any("nothing changes" in one for one in project.said())
    evidence.write_text(text)
    project.judge(0.97, weights="better")
    assert project.register().tags["settled"] == "champion"
    assert holders() == {"challenger": 3, "champion": 2}
    assert any("nothing changes" in one for one in project.said())


def test_a_champion_without_files_is_named(client, tmp_path):
    """Nobody can tell whether they are gone: the line says what to do, and the registration waits for it."""
    made = client.create_model_version(NAME, source=(tmp_path / "gone").as_uri())
    client.set_registered_model_alias(NAME, "champion", made.version)
    project.judge(0.95, weights="better")
    with pytest.raises(InfrastructureError, match=r"version 2 cannot be fetched now: .*delete that version"):
        project.register()
    client.delete_registered_model_alias(NAME, "champion")
    assert project.register().tags["gate"] == "champion"


def test_a_challenger_that_waits_for_clean_code_is_asked_again_once_it_is_committed(client):
    """As the gate says: commit it. The tags, the description and the card then say clean, too."""
    another_code = "EPOCHS = 9\n"
    Path(project.CODE).write_text(another_code)
    project.book()
    project.judge(0.95, weights="better")
    version = project.register()
    assert [k for k, v in version.tags.items() if k.startswith("gate.") and v.startswith("no")] == ["gate.code"]
    assert version.tags["commit_dirty"] == "true"
    assert any("nothing changes" in line for line in project.said())
    assert holders() == {"challenger": 2, "champion": 1}
    project.commit()
    assert any("clean code, which it has by now" in line for line in project.said())
    assert holders() == {"challenger": 2, "champion": 2}
    version = client.get_model_version(NAME, "2")
    assert (version.tags["gate"], version.tags["settled"]) == ("champion", "challenger,champion")
    assert (version.tags["commit_dirty"], version.tags["commit"]) == ("false", project.git("rev-parse", "HEAD"))
    assert version.tags["gate.code"].startswith("yes: ")
    assert "uncommitted" not in version.description
    assert any("nothing changes" in line for line in project.said())


def test_repro_asks_again_for_a_challenger_that_waits_for_clean_code(client, monkeypatch):
    """DVC runs nothing then, since nothing that it knows of changed; what follows it does."""
    Path(project.CODE).write_text("EPOCHS = 9\n")
    project.book()
    project.judge(0.95, weights="better")
    project.register()
    monkeypatch.setattr(registered.parameters, "read", lambda *_: {"tasks": {"classify": {}}})
    monkeypatch.setattr(run_stage, "load_job", lambda *_: (SimpleNamespace(run=register.run), project.job()))
    assert registered.reconcile() == []
    project.commit()
    assert len(lines := registered.reconcile()) == 1
    assert lines[0] == "shapes-classify: it waited for clean code; now shapes-classify version 2 (challenger, champion)"
    assert holders() == {"challenger": 2, "champion": 2}
    assert registered.reconcile() == []
