"""Sending is complete, in batches and without doubles, whenever it is interrupted."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, PERMISSION_DENIED, UNAUTHENTICATED
from mlflow.tracking import MlflowClient

from pipelines.record import database
from pipelines.record.entities import DIGEST
from pipelines.record.journal import Journal, Sent
from pipelines.record.names import allowed
from pipelines.record.sender import Sender
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


def test_a_run_has_the_times_of_its_journal_not_of_its_sending(root: Path) -> None:
    """What is sent an hour later began, was measured and ended when it did: durations and curves are the stage's own."""
    sender, journal = Sender(), _journal(root)
    hour = 3_600_000
    events = [json.loads(line) for line in journal.path.read_text().splitlines()]
    journal.path.write_text("".join(json.dumps({**event, "t": event["t"] - hour}) + "\n" for event in events))
    times = {event["kind"]: event["t"] - hour for event in events}
    info = sender.client.get_run(sender.send(journal).run_id).info
    assert (info.start_time, info.end_time) == (times["open"], times["end"])
    curve = sender.client.get_metric_history(info.run_id, allowed("loss (mean)"))
    assert [point.timestamp for point in curve] == [event["t"] - hour for event in events if event["kind"] == "metrics"]


def test_a_journal_arrives_whole(root: Path) -> None:
    """Parameters (a digest of what is too long), inputs, curves, files and the end are there, below the parent."""
    sender, journal = Sender(), _journal(root)
    sent = sender.send(journal)
    run = sender.client.get_run(sent.run_id)
    assert run.data.params["long"].startswith("sha256 ")
    assert run.inputs.dataset_inputs[0].dataset.digest == LONG
    assert len(LONG) == DIGEST
    assert len(sender.client.get_metric_history(sent.run_id, allowed("loss (mean)"))) == 3
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
    assert len(sender.client.get_metric_history(run.info.run_id, allowed("loss (mean)"))) == 3
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


@pytest.mark.parametrize("away", [False, True])
def test_a_run_that_mlflow_refuses_midway_is_closed_when_it_ends(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, away: bool
) -> None:
    """A changed parameter is refused while the stage runs; its end comes later, and is tried until MLflow has it."""
    folder = root / ".rawline/spool/one"
    Journal(folder / "execution.jsonl").write("open", name="one", experiment="toy", tags={})
    journal = Journal(folder / "acquire.jsonl")
    journal.write("open", name="acquire", stage="acquire", experiment="toy", tags={})
    journal.write("params", values={"a": 1})
    sender = Sender()
    sender.send(journal)
    journal.write("params", values={"a": 2})
    assert "a" in sender.send(journal).refused
    assert journal.is_settled(), "the stage goes on, and nothing is to be sent"
    journal.write("end", status="FAILED", message="")
    assert not journal.is_settled()
    if away:
        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, "set_terminated", _refuse_to_connect)
            with pytest.raises(InfrastructureError, match="out of reach"):
                sender.send(journal)
        assert not journal.is_settled()
    sender.send(journal)
    assert journal.is_settled()
    (run,) = _children(sender)
    assert run.info.status == "FAILED"
    assert run.data.tags["rawline.record"].startswith("MLflow refused: ")


def _refuse_to_connect(*_: object, **__: object) -> None:
    raise MlflowException("API request failed: connection refused")


@pytest.mark.parametrize(("signature", "outs", "made_by"), [
    ("in-1", "out-1", "first"),
    ("in-1", "other", "first"),  # the same inputs; a file may have been made twice with other bytes
    ("other", "out-1", "first"),  # other inputs gave the same bytes
    ("in-2", "out-2", None),  # it failed
    ("other", "other", None),
])  # fmt: skip
def test_a_cached_stage_points_to_the_run_that_made_its_bytes(
    root: Path, signature: str, outs: str, made_by: str | None
) -> None:
    """Found by what went in, else by what came out; a run that did not complete made nothing."""
    folder = root / ".rawline/spool/one"
    Journal(folder / "execution.jsonl").write("open", name="one", experiment="toy", tags={})
    sender, runs = Sender(), {}
    for name, state, number in (("first", "Completed", 1), ("second", "Failed", 2)):
        made = Journal(folder / f"acquire.{number}.jsonl")
        tags = {"rawline.state": state, "rawline.stage": "acquire"}
        tags |= {"rawline.signature": f"in-{number}", "rawline.outs": f"out-{number}"}
        made.write("open", name=name, stage="acquire", experiment="toy", tags=tags)
        made.write("end", status="FINISHED", message="")
        runs[name] = sender.send(made).run_id
    cached = Journal(folder / "acquire.absent.jsonl")
    cached.write("open", name="acquire", stage="acquire", experiment="toy", tags={}, state="Cached", message="")
    cached.write("link", stage="acquire", signature=signature, outs=outs)
    cached.write("end", status="FINISHED", message="")
    tags = sender.client.get_run(sender.send(cached).run_id).data.tags
    assert tags.get("rawline.origin") == runs.get(made_by)
    assert tags.get("rawline.origin_name") == made_by


@pytest.mark.parametrize(("code", "status"), [(UNAUTHENTICATED, 401), (PERMISSION_DENIED, 403)])
def test_a_server_that_lets_nobody_in_is_not_called_away(
    root: Path, monkeypatch: pytest.MonkeyPatch, code: int, status: int
) -> None:
    """It refuses, and what to set is named; the journal waits until it is."""
    sender, journal = Sender(), _journal(root)

    def refuses(*_: object, **__: object) -> None:
        raise MlflowException("no entry", error_code=code)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "search_runs", refuses)
        with pytest.raises(InfrastructureError, match=rf"refuses \({status}\): set MLFLOW_TRACKING_USERNAME and MLFLOW_TR"):
            sender.send(journal)
    assert not journal.sent().refused
    assert sender.send(journal).run_id
