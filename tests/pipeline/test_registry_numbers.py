"""What MLflow shows of a version equals what the evaluation wrote: on its run, on its LoggedModel, by its test data."""

import json
import shutil

import pytest
import yaml

from pipelines.record import names
from pipelines.register import judged, lineage, package, registry, run
from stages.core import artefacts, figures, files
from tests.pipeline import registry_project as project

NAME = "shapes-classify"
CLASSES = ["cat", "a/b", "a?b", "a!b", "..", "low.n", "E. coli"]


def judge(value: float, **how) -> None:
    """Judge as the evaluation does, with odd classes and with figures that are not defined."""
    project.judge(value, **how)
    model = artefacts.finetuned("classify") / "model.json"
    files.write_json(model, {**files.read_json(model), "name": "shapes"})
    project.name_model()
    where = artefacts.evaluate_metrics("classify")
    per_class = {name: {"f1": value - i / 100, "recall": None, "n": i} for i, name in enumerate(CLASSES)}
    extra = {"per_class": per_class, "scratch": {"accuracy": {"value": value - 0.1, "low": None, "high": 0.9, "n": 200}}}
    files.write_json(where, {**files.read_json(where), **extra})


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
    judge(0.9)
    return project.client()


def register(client, **rules):
    """Register and return the version."""
    for _ in run(project.job(**rules)):
        pass
    return registry.find(client, NAME, files.read_json(artefacts.receipt("classify"))["digest"])


def written() -> dict[str, float]:
    """Return every number of the metrics file, by the name that MLflow shows."""
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    return {names.allowed(name): value for name, value in figures.numbers(content).items()}


def shown(client, version) -> dict[str, float]:
    return {m.key: m.value for m in client.get_logged_model(judged.model_id(version)).metrics or []}


def found(client, words: str, digest: str, name: str = "shapes-test") -> set[str]:
    data = [{"dataset_name": name, "dataset_digest": digest}]
    models = client.search_logged_models([lineage.experiment()], filter_string=words, datasets=data)
    return {model.model_id for model in models}


def test_run_and_logged_model_carry_every_number_of_the_evaluation(client):
    """Value, ends, count and each class, equal to the file; an undefined one is absent, not 0."""
    version = register(client)
    assert len(written()) == 4 + 2 * len(CLASSES) + 3
    assert shown(client, version) == written()
    assert client.get_run(version.run_id).data.metrics == written()
    assert not any("recall" in name for name in written())
    assert client.get_run(version.run_id).data.tags["verdict"] == "PASS"
    tags = client.get_logged_model(judged.model_id(version)).tags
    assert json.loads(tags["mlflow.modelVersions"]) == [{"name": NAME, "version": "1"}]
    assert tags["verdict"] == "PASS"


def test_the_search_by_test_data_finds_exactly_the_models_judged_on_it(client):
    """Good ones above a floor, all without one; not those of another test split, not half-made ones."""
    first = register(client)
    judge(0.6, weights="worse")
    second = register(client)
    digest = first.tags["test_data"][:36]
    project.make_dataset(artefacts.PREPROCESSED, num_images=12, seed=9)
    judge(0.97, weights="other")
    third = register(client)
    assert third.tags["test_data"][:36] != digest
    assert found(client, "metrics.accuracy > 0.5", digest) == {judged.model_id(first), judged.model_id(second)}
    assert found(client, "metrics.accuracy > 0.8", digest) == {judged.model_id(first)}
    assert found(client, "metrics.accuracy > 0.5", third.tags["test_data"][:36]) == {judged.model_id(third)}
    assert found(client, "metrics.accuracy > 0.5", digest, "other-test") == set()
    assert first.tags[judged.NOTED] == f"shapes-test {digest}"


def test_each_version_keeps_its_own_numbers(client):
    """The same training judged twice gives two versions, and neither shows what the other one got."""
    first = register(client)
    one = written()
    judge(0.7)
    second = register(client)
    assert first.run_id != second.run_id
    assert client.get_run(first.run_id).data.metrics == one
    assert client.get_run(second.run_id).data.metrics == written() != one


def test_registering_again_doubles_nothing(client):
    """One run, one model, one point for each number; a kill before they were noted is mended by the next run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judged, "note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            register(client)
    version = register(client)
    for tries in range(2):
        if tries:
            client.delete_model_version_tag(NAME, version.version, judged.NOTED)
        register(client)
        assert shown(client, version) == written()
        history = client.get_metric_history(version.run_id, "accuracy.low")
        assert [m.value for m in history] == [written()["accuracy.low"]]
        assert len(client.get_logged_model(judged.model_id(version)).metrics) == len(written())
        assert len(client.search_logged_models([lineage.experiment()])) == 1
        assert len(client.search_runs([lineage.experiment()])) == 1
        given = client.get_run(version.run_id).inputs
        assert len(given.dataset_inputs) == len(given.model_inputs) == 1


def test_a_failed_registration_leaves_a_run_that_says_so(client, monkeypatch):
    """The run that was made for a version that never came has ended: it is not running, and not finished."""
    for error, status in ((KeyboardInterrupt, "KILLED"), (OSError, "FAILED")):
        with monkeypatch.context() as patch:
            patch.setattr(registry, "create", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
            with pytest.raises(error):
                register(client)
        newest = client.search_runs([lineage.experiment()], order_by=["attributes.start_time DESC"])[0]
        assert (newest.info.status, newest.data.metrics) == (status, {})
    assert found(client, "", "x") == set()


def test_versions_of_other_test_data_compare_as_such(client):
    """MLflow's comparison shows parameters of the versions' runs: test data and the audit's verdict are among them."""
    version = register(client)
    params = client.get_run(version.run_id).data.params
    assert (params["test_data"], params["verdict"]) == (version.tags["test_data"], "PASS")


def test_a_version_of_before_gets_its_numbers_when_it_is_registered_again(client, monkeypatch):
    """A version made without numbers stays readable as it is; the next registration of the same model completes it."""
    with monkeypatch.context() as patch:
        patch.setattr(judged, "note", lambda *_: None)
        version = register(client)
    assert shown(client, version) == {}
    assert register(client).version == version.version
    assert shown(client, version) == written()


def test_the_parameters_say_what_made_the_model(client, tmp_path):
    """The run has those of the whole chain as DVC booked them, the LoggedModel its parts."""
    model = artefacts.finetuned("classify") / "model.json"
    files.write_json(model, {**files.read_json(model), "head": {"name": "linear"}, "backbone": {"name": "resnet18"}})
    project.name_model()
    entry = {"cmd": "x", "params": {"params.yaml": {"pretrain": {"ssl": "simclr", "loading": {"workers": 2}}, "seed": 7,
             "finetune.classify": {"epochs": 9, "patience": None}}}, "outs": []}  # fmt: skip
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"finetune@classify": entry}}))
    version = register(client)
    params = client.get_run(version.run_id).data.params
    expected = {"pretrain.ssl": "simclr", "finetune.classify.epochs": "9", "finetune.classify.patience": "null", "seed": "7"}
    assert expected.items() <= params.items()
    assert "pretrain.loading.workers" not in params
    assert {"task": "classify", "head": "linear", "backbone": "resnet18"}.items() <= params.items()
    logged = client.get_logged_model(judged.model_id(version))
    assert {"task": "classify", "head": "linear", "num_classes": "3"}.items() <= logged.params.items()


def test_versions_judged_by_other_rules_compare_as_such(client, tmp_path):
    """MLflow's comparison of two versions reads their runs' parameters: the rules of all that judged are among them."""
    found = []
    for max_gap, verdict, floor, bootstraps in ((0.1, "FAIL", 0.8, 1000), (0.3, "PASS", 0.7, 500)):
        judge(0.9, verdict=verdict)
        sections = {"audit": {"max_gap": max_gap, "min_group": 10}, "evaluate": {"num_bootstraps": bootstraps}}
        entries = {
            f"{stage}@classify": {
                "cmd": "x",
                "params": {"params.yaml": {"seed": 7, f"{stage}.classify": section}},
                "outs": [],
            }
            for stage, section in sections.items()
        }
        (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": entries}))
        found.append(client.get_run(register(client, min_quality=floor).run_id).data.params)
    one, other = found
    differ = {key: (one.get(key), other.get(key)) for key in one | other if one.get(key) != other.get(key)}
    assert differ == {
        "verdict": ("FAIL", "PASS"),
        "audit.classify.max_gap": ("0.1", "0.3"),
        "evaluate.classify.num_bootstraps": ("1000", "500"),
        "register.classify.min_quality": ("0.8", "0.7"),
    }
    rules = {f"register.classify.{key}" for key in project.RULES if key != "name"}
    assert rules | {"audit.classify.min_group"} <= set(one)


def test_a_thousand_classes_stay_in_the_evaluation(client):
    """Above the limit the version has the headline numbers alone, whole; below it, every class."""
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    content["per_class"] = {f"c{i}": {"f1": 0.5, "n": 3} for i in range(1000)}
    files.write_json(artefacts.evaluate_metrics("classify"), content)
    version = register(client)
    assert {name for name in shown(client, version) if "per_class" in name} == set()
    assert shown(client, version)["accuracy"] == 0.9
    assert len(judged.selected({"per_class": {f"c{i}": {"f1": 0.5} for i in range(1000)}})) == judged.MAX_NUMBERS


def test_the_description_of_parts_needs_no_part():
    """A model of another form has what it has."""
    assert package.described({"classes": []}) == {"num_classes": 0}
    assert json.dumps(package.described({"classes": ["a"], "tuning": {"name": "full"}}))
