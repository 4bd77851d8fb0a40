"""The same model is one version; a new one moves challenger, and champion only through the gate."""

import json
import shutil
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

import stages
from pipelines.register import behaviour, judged, package, registry, settling
from stages.core import artefacts, digests, files
from stages.core.errors import DataError, InfrastructureError, ParamsError
from tests.factories import make_dataset
from tests.pipeline import registry_project as project
from tests.pipeline.registry_project import NAME, holders, register

RECEIPT = {"name", "digest", "verdict", "test_data", "figures"}


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A trained and judged project in the current folder, and a client of its registry."""
    return project.start(tmp_path, monkeypatch)


def test_the_same_model_again_is_the_same_version(client):
    """Registering twice makes one version and the same receipt to the byte, aliases and tags untouched, and says so."""
    first, receipt = register(), artefacts.receipt("classify").read_bytes()
    tags = client.get_registered_model(NAME).tags
    assert "nothing changes" in " ".join(project.said())
    assert artefacts.receipt("classify").read_bytes() == receipt
    assert len(registry.versions(client, NAME)) == 1
    assert client.get_registered_model(NAME).tags == tags
    again = client.get_model_version(NAME, first.version)
    assert (again.tags, again.description) == (first.tags, first.description)
    assert holders() == {"challenger": 1, "champion": 1}


def test_the_receipt_holds_what_follows_from_the_files_alone(client, tmp_path, monkeypatch):
    """Another registry with another champion: the same model gives the same receipt, so that DVC may restore it."""
    register()
    receipt = artefacts.receipt("classify").read_bytes()
    assert files.read_json(artefacts.receipt("classify")).keys() == RECEIPT
    other = tmp_path / "other"
    other.mkdir()
    project.start(other, monkeypatch)
    project.judge(0.99, weights="first")
    project.register()
    project.judge(0.9)
    assert project.register().tags["gate"] == "challenger"
    assert artefacts.receipt("classify").read_bytes() == receipt


@pytest.mark.parametrize("settled", [True, False])
def test_a_version_that_another_clone_made_while_this_one_packed_is_the_only_one(client, monkeypatch, settled):
    """Each clone has a lock of its own: the second looks again before it makes a version, and its package goes."""
    project.light(monkeypatch)
    monkeypatch.setattr(registry, "exclusive", lambda _: nullcontext())
    plain = package.log

    def log(*words):
        monkeypatch.setattr(package, "log", plain)
        own = plain(*words)
        monkeypatch.setattr(registry, "logged", lambda *_: None)  # it began to pack at the same time
        version = register()
        if not settled:
            client.delete_model_version_tag(NAME, version.version, settling.SETTLED)
        return own

    monkeypatch.setattr(package, "log", log)
    lines = project.said()
    assert any("version 1 was made elsewhere meanwhile" in line for line in lines)
    assert any("is not settled" in line for line in lines) != settled
    (version,) = registry.versions(client, NAME)
    assert settling.SETTLED in version.tags
    assert [model.model_id for model in client.search_logged_models(["1"])] == [judged.model_id(version)]
    assert project.moves() == project.moves("challenger") == [("none", "1")]


@pytest.mark.parametrize("first", [True, False])
def test_of_two_versions_made_at_once_the_lower_number_stands(client, monkeypatch, first):
    """Both clones looked and found none, and both make it: each looks again, and the later one gives up its own."""
    project.light(monkeypatch)
    plain = registry.create
    run = client.create_run("0").info.run_id

    def create(*words, **named):
        other = client.create_logged_model("0", NAME, params={"digest": words[3][registry.DIGEST]})
        made = [lambda: plain(*words, **named), lambda: plain(*words[:2], other, *words[3:], run_id=run)]
        found = [one() for one in (made if first else made[::-1])]
        if first:
            client.delete_model_version(NAME, "2")  # as the other does, once it has looked
        return found[not first]

    monkeypatch.setattr(registry, "create", create)
    lines = project.said()
    assert any("version 1 was made elsewhere meanwhile" in line for line in lines) != first
    (version,) = registry.versions(client, NAME)
    assert (int(version.version), settling.SETTLED in version.tags) == (1, True)
    assert holders() == {"challenger": 1, "champion": 1}


def test_what_another_clone_noted_of_the_version_meanwhile_is_noted(client, monkeypatch):
    """Two clones that end one version at once share its run: what the other put there first is no fault."""
    project.light(monkeypatch)
    words = "(sqlite3.IntegrityError) UNIQUE constraint failed: inputs.source_type"

    def refuse(*_words, **_named):
        raise MlflowException(words)

    monkeypatch.setattr(MlflowClient, "log_inputs", refuse)
    assert judged.NOTED in register().tags
    words = "disk I/O error"
    project.judge(0.95, weights="better")
    with pytest.raises(InfrastructureError, match="disk I/O error"):
        register()


@pytest.mark.parametrize(("by", "patience", "left"), [("this clone", 9e9, False), ("else", 9e9, True), ("else", -1, False)])
def test_a_package_that_another_clone_is_making_is_left_alone(client, monkeypatch, by, patience, left):
    """A kill's remains are removed by the clone that was killed, or after a day."""
    monkeypatch.setattr(registry, "PACKING_S", patience)
    tags = {registry.PACKED_BY: registry.clone() if by == "this clone" else by}
    client.create_logged_model("0", NAME, tags=tags, params={"digest": "d"})
    assert registry.logged(client, "0", NAME, "d") is None
    assert bool(client.search_logged_models(["0"])) == left


def test_what_the_rules_differ_by_is_renewed_with_the_commit(client, monkeypatch):
    """Run with an edit and a lower floor, then commit both: the version's commit holds the floor, and no tag denies it."""
    project.light(monkeypatch)
    content = {"name": "shapes", "seed": 7, "tasks": {"classify": {}}, "register": {"classify": {"min_quality": 0.8}}}
    Path("params.yaml").write_text(json.dumps(content))
    project.commit()
    Path("params.yaml").write_text(json.dumps(content).replace("0.8", "0.3"))
    Path(project.CODE).write_text("EPOCHS = 9\n")
    project.book()
    assert register().tags["rules_changed"] == "register.classify.min_quality 0.8 -> 0.3"
    project.commit()
    again = register()
    assert (int(again.version), again.tags["commit"]) == (1, project.git("rev-parse", "HEAD"))
    assert "rules_changed" not in again.tags
    assert "not the rules of the commit" not in again.description


def test_equal_figures_on_new_test_data_are_another_registration(client, monkeypatch):
    """The gate is asked again, and the version is of the test data that the receipt names."""
    project.light(monkeypatch)
    register()
    make_dataset(artefacts.PREPROCESSED, num_images=12, seed=5)
    project.judge(0.9)
    lines = project.said()
    assert any("judging champion version 1 on the present test pictures" in line for line in lines)
    receipt = files.read_json(artefacts.receipt("classify"))
    version = registry.find(client, NAME, receipt["digest"])
    assert (int(version.version), version.tags["test_data"]) == (2, receipt["test_data"])


def test_an_earlier_decision_is_told_with_its_time(client):
    """Registered again nothing is asked: the answers are those of then, against the champion of then."""
    with pytest.MonkeyPatch.context() as past:
        past.setattr(settling, "stamp", lambda: "2026-11-02T10:20:30Z")
        register()
        project.judge(0.85, weights="worse")
        first = project.said(min_quality=0.5)
    again = project.said(min_quality=0.5)
    told = "  as the gate said at 2026-11-02T10:20:30Z, against version 1:"
    for said in (first, again):
        assert said.index(told) < min(n for n, line in enumerate(said) if line.startswith("  champion: no: worse"))
    assert any("nothing changes" in line for line in again)
    client.delete_model_version_tag(NAME, "2", "gate_at")
    older = next(line for line in project.said(min_quality=0.5) if line.startswith("  as the gate said"))
    when = client.get_model_version(NAME, "2").creation_timestamp / 1000
    made = datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert older == f"  as the gate said when the version was registered ({made}), or later, against version 1:"
    client.delete_model_version_tag(NAME, "2", settling.AGAINST)
    unknown = next(line for line in project.said(min_quality=0.5) if line.startswith("  as the gate said"))
    assert unknown.endswith("; against which champion is not known:")


def test_a_version_says_where_it_comes_from(client):
    """Tags name commit, lock, verdict, test data and figures with intervals; the description is the card."""
    version = register()
    wanted = {"commit", "commit_dirty", "dvc_lock", "verdict", "test_data", "digest", "gate", "gate_against", "code_policy"}
    assert wanted <= set(version.tags)
    assert version.tags["metric.accuracy"] == "0.900 [0.860, 0.940], n = 200"
    assert version.tags["gate.quality"].startswith("yes: the low end of accuracy")
    assert version.tags["gate.code"].startswith("yes: all 1 files of code")
    assert version.description.splitlines()[0] == "PASS, accuracy 0.900 [0.860, 0.940], n = 200, champion"
    assert 'load_model("models:/shapes-classify/1")' in version.description
    assert "0.860 to 0.940" in version.description
    assert "mlflow.pyfunc.load_model" in version.description


def test_aliases_move_through_the_gate_alone(client):
    """A worse model becomes challenger and leaves the champion; a better one takes both; the history tells all moves."""
    register()
    project.judge(0.85, weights="worse")
    worse = register(min_quality=0.5)
    assert worse.tags["gate.champion"].startswith("no: worse than the champion")
    assert holders() == {"challenger": 2, "champion": 1}
    project.judge(0.95, weights="better")
    register()
    assert holders() == {"challenger": 3, "champion": 3}
    assert project.moves("challenger") == [("none", "1"), ("1", "2"), ("2", "3")]
    assert project.moves("champion") == [("none", "1"), ("1", "3")]


def test_an_older_model_again_moves_nothing(client):
    """Registering version 1 once more, after version 2, gives its old receipt and leaves the newest the challenger."""
    register()
    one = artefacts.receipt("classify").read_bytes()
    project.judge(0.95, weights="better")
    register()
    project.judge(0.9)
    register()
    assert artefacts.receipt("classify").read_bytes() == one
    assert holders() == {"challenger": 2, "champion": 2}


def test_a_failed_audit_stays_challenger(client):
    """FAIL keeps a model from champion although its figures pass; the version says so."""
    project.judge(0.95, verdict="FAIL")
    version = register()
    assert holders() == {"challenger": 1}
    assert files.read_json(artefacts.receipt("classify"))["verdict"] == "FAIL"
    assert {k: v for k, v in version.tags.items() if k.startswith("gate.") and k != "gate.code"} == {
        "gate.audit": "no: the audit says FAIL",
        "gate.champion": "yes: there is no champion yet",
        "gate.evaluation": "yes: nothing degenerate by accuracy was found in it",
        "gate.quality": "yes: the low end of accuracy 0.950 [0.910, 0.990], n = 200 is 0.910 >= 0.800",
    }


def test_other_code_is_another_version(client, tmp_path_factory, monkeypatch):
    """The model brings its code: when that changes in more than words, what is registered is not the same model."""
    register()
    other = tmp_path_factory.mktemp("code") / "stages"
    shutil.copytree(Path(stages.__file__).parent, other, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(behaviour, "stages", SimpleNamespace(__file__=str(other / "__init__.py")))
    code = other / "core" / "checkpoint.py"
    plain = code.read_text()
    code.write_text(f"{plain}\n# a comment\n")
    assert int(register().version) == 1
    code.write_text(f"{plain}\nCHANGED = 1\n")
    assert int(register().version) == 2


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


@pytest.mark.parametrize("stage", ["evaluate", "audit"])
@pytest.mark.parametrize("said", ["another", None])
def test_a_model_that_was_never_judged_gets_no_other_models_figures(client, stage, said):
    """Trained anew by a stage that ran alone, or judged before the stages said of which model: refused in one line."""
    project.judge(0.95, weights="judged")
    if said:
        (artefacts.finetuned("classify") / "best.safetensors").write_text("never judged")
        place = artefacts.audit_metrics("classify") if stage == "evaluate" else artefacts.evaluate_metrics("classify")
        files.write_json(place, files.read_json(place) | {digests.MODEL: digests.model(artefacts.finetuned("classify"))})
    else:
        place = artefacts.evaluate_metrics("classify") if stage == "evaluate" else artefacts.audit_metrics("classify")
        files.write_json(place, {k: v for k, v in files.read_json(place).items() if k != digests.MODEL})
    told = "judged another model than lies in data/finetuned/classify" if said else "does not say which model it judged"
    with pytest.raises(DataError, match=rf"^{stage}@classify {told}.*rawline repro, .*--single-item {stage}@classify$"):
        register()
    assert not client.search_registered_models()
    assert not artefacts.receipt("classify").exists()
