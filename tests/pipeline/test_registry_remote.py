"""The registry may live elsewhere than the runs: every call goes to the right one of the two."""

import pytest
from mlflow.tracking import MlflowClient

from pipelines.register import registry
from tests.pipeline import registry_project as project
from tests.pipeline.mlflow_server import Server
from tests.pipeline.registry_project import NAME, holders


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Give the addresses of runs and models, in two databases."""
    project.start(tmp_path, monkeypatch)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "sqlite:///models.db")  # relative: it belongs to the project's root
    return f"sqlite:///{tmp_path}/mlflow.db", f"sqlite:///{tmp_path}/models.db"


def test_models_go_to_the_registry_and_runs_to_the_tracking_server(two):
    """A second model is compared with the champion that lies there, and nothing is registered beside the runs."""
    runs, models = two
    project.register()
    project.judge(0.95, weights="better")
    version = project.register()
    assert version.tags["gate.champion"].startswith("yes: not shown to be worse than the champion")
    assert holders() == {"challenger": 2, "champion": 2}
    assert not MlflowClient(tracking_uri=runs, registry_uri=runs).search_registered_models()
    there = MlflowClient(tracking_uri=runs, registry_uri=models)
    assert [int(v.version) for v in registry.versions(there, NAME)] == [2, 1]
    assert there.search_logged_models(["1"])


def test_its_files_are_fetched_from_where_they_lie(two, tmp_path):
    """The version's source is a place, not a logged model that the registry does not know."""
    version = project.register()
    assert version.source.startswith(("file:", "/"))
    with registry.reachable() as client:
        found = registry.download(client, NAME, "1", "artifacts/evidence/evidence.json", tmp_path / "fetched")
    assert '"accuracy"' in found.read_text()


@pytest.mark.long
@pytest.mark.slow
def test_a_registry_behind_a_server_is_one_like_any_other(tmp_path, monkeypatch):
    """Versions, aliases, files and the champion's evidence go over HTTP, and a second registration finds the first."""
    project.start(tmp_path, monkeypatch)
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server")
    server.start()
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        project.register()
        project.judge(0.95, weights="better")
        version = project.register()
        assert version.tags["gate.champion"].startswith("yes: not shown to be worse than the champion")
        assert project.moves() == [("none", "1"), ("1", "2")]
        there = MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)
        assert there.get_model_version_by_alias(NAME, "champion").version == version.version
        assert there.get_run(version.run_id).data.metrics["accuracy"] == 0.95
        said = project.said()
        assert any("nothing changes" in line for line in said), said
    finally:
        server.stop()
