"""Sending is complete, in batches and without doubles, whenever it is interrupted."""

import shutil
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.tracking import MlflowClient

from pipelines.record import database
from pipelines.record.journal import Journal, Sent
from pipelines.record.sender import DIGEST, Sender
from stages.core.errors import InfrastructureError

LONG = "3a28da627bc5ea91b5acfe28aeee6e93.dir"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a database that is ready."""
    root = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAWLINE_ROOT", str(root))
        patch.setenv("MLFLOW_TRACKING_URI", "")
        database.prepare()
    return root


@pytest.fixture
def root(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a ready database."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    shutil.copytree(prepared / "tracking", tmp_path / "tracking")
    return tmp_path


def _journal(root: Path, *, epochs: int = 3) -> Journal:
    folder = root / ".rawline/spool/one"
    parent = Journal(folder / "execution.jsonl")
    if not parent.path.exists():
        parent.write("open", name="one", experiment="toy", tags={})
    journal = Journal(folder / "acquire.jsonl")
    journal.write("open", name="acquire", stage="acquire", experiment="toy", tags={"rawline.stage": "acquire"})
    journal.write("params", values={"a": 1, "long": "x" * 9000})
    journal.write(
        "inputs", datasets=[{"name": "data/raw", "digest": LONG, "source": "{}", "profile": None, "context": "in"}]
    )
    for epoch in range(epochs):
        journal.write("metrics", values={"loss (mean)": 1 / (epoch + 1), "undefined": float("nan")}, step=epoch)
    (root / "report.txt").write_text("fine")
    journal.keep(root / "report.txt", "reports")
    journal.write("end", status="FINISHED", message="")
    return journal


def _children(sender: Sender) -> list:
    experiment = sender.client.get_experiment_by_name("toy").experiment_id
    runs = sender.client.search_runs([experiment])
    return [run for run in runs if "mlflow.parentRunId" in run.data.tags]


def test_a_journal_arrives_whole(root: Path) -> None:
    """Parameters (cut to MLflow's limit), inputs, curves, files and the end are there, below the parent."""
    sender, journal = Sender(), _journal(root)
    sent = sender.send(journal)
    run = sender.client.get_run(sent.run_id)
    assert len(run.data.params["long"]) == 6000
    assert run.inputs.dataset_inputs[0].dataset.digest == LONG
    assert len(LONG) == DIGEST
    assert len(sender.client.get_metric_history(sent.run_id, "loss _mean_")) == 3
    assert [a.path for a in sender.client.list_artifacts(sent.run_id, "reports")] == ["reports/report.txt"]
    assert run.info.status == "FINISHED"
    assert run.info.start_time < run.info.end_time or run.info.start_time == run.info.end_time
    assert journal.is_settled()


@pytest.mark.parametrize("fatal", [1, 2, 3])
def test_a_kill_while_sending_doubles_and_loses_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, fatal: int) -> None:
    """The sender dies before it can note what it sent; the next one sends again, and there is one run with one curve."""
    journal = _journal(root)
    calls = iter(range(1, 10))

    def dies(self: Journal, sent: Sent) -> None:
        if next(calls) == fatal:
            raise KeyboardInterrupt
        plain(self, sent)

    plain = Journal.note_sent
    monkeypatch.setattr(Journal, "note_sent", dies)
    with pytest.raises(KeyboardInterrupt):
        Sender().send(journal)
    monkeypatch.undo()
    monkeypatch.setenv("RAWLINE_ROOT", str(root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    sender = Sender()
    sender.send(journal)
    (run,) = _children(sender)
    assert len(sender.client.get_metric_history(run.info.run_id, "loss _mean_")) == 3
    assert len(run.inputs.dataset_inputs) == 1
    assert run.info.status == "FINISHED"


def test_numbers_go_in_batches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty epochs take one call, not sixty."""
    journal = _journal(root, epochs=60)
    sizes = []
    plain = MlflowClient.log_batch

    def counted(self, run_id, metrics=(), params=(), tags=(), **rest):
        sizes.append(len(metrics))
        return plain(self, run_id, metrics=metrics, params=params, tags=tags, **rest)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    Sender().send(journal)
    assert [size for size in sizes if size] == [120]


def test_out_of_reach_and_refused_are_told_apart(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may come back keeps the journal waiting; what MLflow will never take is set aside with the reason."""
    journal = _journal(root)

    def away(*_: object, **__: object) -> None:
        raise MlflowException("API request failed: connection refused")

    def refuses(*_: object, **__: object) -> None:
        raise MlflowException("that is no number", error_code=INVALID_PARAMETER_VALUE)

    monkeypatch.setattr(MlflowClient, "log_batch", away)
    with pytest.raises(InfrastructureError, match="out of reach"):
        Sender().send(journal)
    assert not journal.is_settled()
    monkeypatch.setattr(MlflowClient, "log_batch", refuses)
    assert "that is no number" in Sender().send(journal).refused
    assert journal.is_settled()


def test_a_deleted_experiment_comes_back(root: Path) -> None:
    """Someone deleted the experiment on the page; the next run restores it instead of failing for ever."""
    sender = Sender()
    sender.send(_journal(root))
    sender.client.delete_experiment(sender.client.get_experiment_by_name("toy").experiment_id)
    journal = Journal(root / ".rawline/spool/two/execution.jsonl")
    journal.write("open", name="two", experiment="toy", tags={})
    assert Sender().send(journal).run_id
