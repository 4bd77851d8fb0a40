"""A registration that is killed at any step leaves a registry that the next registration brings right."""

from itertools import pairwise

import pytest
from mlflow.entities import LoggedModelStatus
from mlflow.tracking import MlflowClient

from pipelines.register import judged, registry
from stages.core import artefacts, files
from tests.pipeline import registry_project as project
from tests.pipeline.registry_project import NAME, holders, moves

WRITES = (
    "create_run", "set_terminated", "log_inputs", "log_batch", "set_tag", "set_logged_model_tags", "create_logged_model",
    "log_model_artifacts", "finalize_logged_model", "create_model_version", "set_model_version_tag",
    "delete_model_version_tag", "update_model_version", "set_registered_model_alias", "set_registered_model_tag",
)  # fmt: skip
STEPS = 22  # of the registration of a better model; a test holds that there are no more


class Killed(BaseException):
    """As if the process had been killed: nothing mends anything on the way out."""


class Counter:
    """Counts what is written to MLflow and ends the process right after one of them, or right before the receipt."""

    def __init__(self, patch: pytest.MonkeyPatch, last: int) -> None:
        self.last = last
        self.dead = False
        self.seen: list[str] = []
        for method in (*WRITES, "delete_logged_model", "delete_run"):
            patch.setattr(MlflowClient, method, self._counted(method, getattr(MlflowClient, method)))
        plain = files.write_json
        patch.setattr(files, "write_json", lambda path, content: self._receipt(plain, path, content))

    def _counted(self, method: str, plain):
        def call(*words, **named):
            if self.dead:
                raise Killed
            found = plain(*words, **named)
            self._step(method)
            return found

        return call

    def _receipt(self, plain, path, content) -> None:
        if path == artefacts.receipt("classify"):
            self._step("receipt")
        plain(path, content)

    def _step(self, what: str) -> None:
        self.seen.append(what)
        if len(self.seen) == self.last:
            self.dead = True
            raise Killed


@pytest.fixture(autouse=True)
def champion(tmp_path, monkeypatch):
    """A registry whose champion is version 1, with 0.90; the better model with 0.95 lies in the folder."""
    project.start(tmp_path, monkeypatch)
    project.light(monkeypatch)
    project.register()
    artefacts.receipt("classify").unlink()
    better()


def better(value: float = 0.95) -> None:
    project.judge(value, weights="better")


def killed(monkeypatch: pytest.MonkeyPatch, step: int) -> list[str]:
    with monkeypatch.context() as patch:
        counter = Counter(patch, step)
        with pytest.raises(Killed):
            project.register()
    return counter.seen


def whole() -> None:
    """Hold what must be true of a registry at rest."""
    client = project.client()
    found = registry.versions(client, NAME)
    digests = [version.tags["digest"] for version in found]
    assert len(set(digests)) == len(digests), "a model became two versions"
    assert all("settled" in version.tags for version in found)
    for alias, version in holders().items():
        chain = moves(alias)
        assert chain[0][0] == "none"
        assert all(one[1] == two[0] for one, two in pairwise(chain)), chain
        assert chain[-1][1] == str(version)
    receipt = files.read_json(artefacts.receipt("classify"))
    assert receipt["digest"] in digests
    packed = client.search_logged_models(["1"], filter_string=f"name = '{NAME}'")
    assert [model.status for model in packed] == [LoggedModelStatus.READY] * len(found), "a package belongs to nobody"
    for version in found:
        own = client.get_run(version.run_id)
        assert (own.info.lifecycle_stage, own.info.status) == ("active", "FINISHED")
        assert own.data.metrics["accuracy"] > 0
        assert own.data.params["verdict"] == "PASS"
        assert judged.NOTED in version.tags
    others = {run.info.status for run in client.search_runs(["1"]) if run.info.run_id not in {v.run_id for v in found}}
    assert others <= {"KILLED"}, "a run that nobody ends"


def test_the_steps_are_these(monkeypatch):
    """Nothing is written that the kills below leave out."""
    with monkeypatch.context() as patch:
        counter = Counter(patch, 99)
        project.register()
    assert len(counter.seen) == STEPS, counter.seen
    assert counter.seen[:2] == ["create_logged_model", "log_model_artifacts"]
    assert counter.seen[-2:] == ["set_model_version_tag", "receipt"]


@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=[] if step % 3 == 1 else [pytest.mark.long]) for step in range(1, STEPS + 1)]
)
def test_killed_and_run_again_it_is_as_if_never_killed(monkeypatch, step):
    """Whatever step was the last: the second run ends with one version 2, champion and challenger, and the receipt."""
    killed(monkeypatch, step)
    assert not artefacts.receipt("classify").exists()
    version = project.register()
    assert int(version.version) == 2
    assert (version.tags["gate"], version.tags["settled"]) == ("champion", "challenger,champion")
    assert holders() == {"challenger": 2, "champion": 2}
    whole()


def test_a_decision_of_before_is_not_replayed(monkeypatch):
    """Killed before its aliases, then a better one became champion: run again it moves nothing and says why."""
    assert killed(monkeypatch, 5)[-1] == "create_model_version"
    project.judge(0.97, weights="other")
    project.register()
    better()
    version = project.register()
    assert (int(version.version), version.tags["gate"], version.tags["settled"]) == (2, "challenger", "none")
    assert version.tags["gate.champion"].startswith("no: registered before the champion and not shown to be better")
    assert "not passed" in version.description
    assert holders() == {"challenger": 3, "champion": 3}
    whole()


@pytest.mark.parametrize("gone", [False, True])
def test_a_registration_that_fails_after_its_version_was_made_is_ended_by_the_next(monkeypatch, gone):
    """An answer that got lost on its way: the version's run is kept, and one that somebody deleted stops nobody."""
    plain = registry.create

    def lost(*words, **named):
        plain(*words, **named)
        raise OSError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "create", lost)
        with pytest.raises(OSError, match="no answer"):
            project.register()
    client = project.client()
    run = client.get_model_version(NAME, "2").run_id
    assert (client.get_run(run).info.lifecycle_stage, client.get_run(run).info.status) == ("active", "FAILED")
    if gone:
        client.delete_run(run)
    assert project.register().tags["settled"] == "challenger,champion"
    if gone:
        assert client.get_run(run).data.metrics == {}
    else:
        whole()


@pytest.mark.long
@pytest.mark.parametrize("value", [0.91, 1.0])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_the_best_is_champion_whoever_came_between(monkeypatch, step, value):
    """Another model registers after the kill, then the killed one again: champion is the better of the two.

    They differ by more than their intervals: the killed one may be the older of the two.
    """
    better(0.98)
    killed(monkeypatch, step)
    project.judge(value, weights="other")
    project.register()
    better(0.98)
    project.register()
    champion = project.client().get_model_version_by_alias(NAME, "champion")
    assert champion.tags["metric.accuracy"].startswith(f"{max(value, 0.98):.3f}")
    at_rest = project.client().get_registered_model(NAME).tags
    for again in ("better", "other"):
        project.judge({"better": 0.98, "other": value}[again], weights=again)
        project.register()
    assert project.client().get_registered_model(NAME).tags == at_rest
    assert holders()["champion"] == int(champion.version)
    whole()
