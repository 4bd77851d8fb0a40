"""Sends journals to MLflow: in batches, in order, each event once however often it is tried."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from pipelines import settings
from pipelines.reasons import reason
from pipelines.record import database, locks
from pipelines.record.journal import PARENT, Event, Journal, Sent
from stages.core.errors import InfrastructureError

KEY = "rawline.key"
CHUNK = 2000
METRICS_AT_ONCE = 1000
OTHERS_AT_ONCE = 100
MAX_PARAM = 6000
MAX_TAG = 5000
DIGEST = 36  # MLflow's limit, and the length of a DVC directory hash
NEVER = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE", "BAD_REQUEST")


class Sender:
    """Sends journals of one project; one at a time on a machine, so that sqlite has one writer."""

    def __init__(self, uri: str | None = None) -> None:
        settings.quiet(os.environ)
        self.uri = uri or settings.tracking_uri()
        self._client: MlflowClient | None = None
        self._experiments: dict[str, str] = {}

    @property
    def client(self) -> MlflowClient:
        """Return the client; the database is made ready first."""
        if self._client is None:
            database.prepare()
            self._client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        return self._client

    def send(self, journal: Journal) -> Sent:
        """Send what MLflow does not have yet.

        Returns:
            What it has now; ``refused`` says why it will never take the rest.

        Raises:
            InfrastructureError: MLflow is out of reach; the journal stays and can be sent later.
        """
        with locks.locked(settings.state() / "send.lock", timeout_s=120):
            sent = journal.sent()
            if journal.is_settled():
                return sent
            try:
                with self._reaching():
                    return self._send(journal, sent)
            except MlflowException as error:
                refused = Sent(journal.sent().offset, journal.sent().run_id, reason(error))
                journal.note_sent(refused)
                return refused

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Tell a server out of reach, which may come back, from one that refuses."""
        try:
            yield
        except MlflowException as error:
            if error.error_code in NEVER:
                raise
            raise InfrastructureError(f"MLflow at {self.uri} is out of reach: {reason(error)}") from error
        except (SQLAlchemyError, RequestException, ConnectionError, TimeoutError) as error:
            raise InfrastructureError(f"MLflow at {self.uri} is out of reach: {reason(error)}") from error

    def find(self, tags: dict[str, str], experiment: str) -> Any | None:
        """Return the newest run of an experiment that carries all the tags, None when there is none."""
        words = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found = self.client.search_runs(
            [self._experiment(experiment)], words, max_results=1, order_by=["attributes.start_time DESC"]
        )  # fmt: skip
        return found[0] if found else None

    def origin(self, stage: str, signature: str, outs: str, experiment: str) -> str | None:
        """Return the id of the run that made a stage's bytes, None when there is none.

        Raises:
            InfrastructureError: MLflow is out of reach.
        """
        with self._reaching():
            found = self._origin(stage, signature, outs, experiment)
        return str(found.info.run_id) if found else None

    def _send(self, journal: Journal, sent: Sent) -> Sent:
        run_id = sent.run_id or self._open(journal)
        journal.note_sent(Sent(sent.offset, run_id))
        for chunk, offset in _chunks(journal.events(sent.offset)):
            self._send_chunk(journal, run_id, chunk)
            journal.note_sent(Sent(offset, run_id))
        return journal.sent()

    def _open(self, journal: Journal) -> str:
        """Return the journal's run, made now unless an earlier try has made it."""
        first = journal.opening()
        experiment = first["experiment"]
        if run := self.find({KEY: journal.key}, experiment):
            return str(run.info.run_id)
        tags = {**first.get("tags", {}), KEY: journal.key}
        if not journal.is_parent:
            tags["mlflow.parentRunId"] = self._parent(journal)
        run = self.client.create_run(
            self._experiment(experiment), start_time=first["t"], run_name=first["name"],
            tags={k: str(v)[:MAX_TAG] for k, v in tags.items()},
        )  # fmt: skip
        return str(run.info.run_id)

    def _parent(self, journal: Journal) -> str:
        parent = Journal(journal.path.with_name(f"{PARENT}.jsonl"))
        sent = parent.sent()
        run_id = sent.run_id or self._open(parent)
        if not sent.run_id:
            parent.note_sent(Sent(sent.offset, run_id))
        return run_id

    def _experiment(self, name: str) -> str:
        """Return an experiment's id; it is made where it is missing and restored where it was deleted."""
        if name not in self._experiments:
            found = self.client.get_experiment_by_name(name)
            if found is None:
                self._experiments[name] = self._create(name)
            else:
                if found.lifecycle_stage == "deleted":
                    self.client.restore_experiment(found.experiment_id)
                self._experiments[name] = str(found.experiment_id)
        return self._experiments[name]

    def _create(self, name: str) -> str:
        folder = (
            (settings.artifact_root() / re.sub(r"[^\w.-]+", "-", name)).as_uri() if self.uri.startswith("sqlite") else None
        )
        try:
            return str(self.client.create_experiment(name, artifact_location=folder))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            made = self.client.get_experiment_by_name(name)
            if made is None:
                raise
            return str(made.experiment_id)

    def _send_chunk(self, journal: Journal, run_id: str, events: list[Event]) -> None:
        """Send numbers and words in batches, then the rest in order, the end last."""
        metrics = [m for e in events if e["kind"] == "metrics" for m in _metrics(e)]
        params = [p for e in events if e["kind"] == "params" for p in _params(e["values"])]
        tags = {k: v for e in events if e["kind"] == "tags" for k, v in e["values"].items()}
        for part in _slices(metrics, METRICS_AT_ONCE):
            self.client.log_batch(run_id, metrics=part)
        for part in _slices(params, OTHERS_AT_ONCE):
            self.client.log_batch(run_id, params=part)
        for part in _slices(list(tags.items()), OTHERS_AT_ONCE):
            self.client.log_batch(run_id, tags=[RunTag(_name(k), str(v)[:MAX_TAG]) for k, v in part])
        for event in events:
            self._send_one(journal, run_id, event)

    def _send_one(self, journal: Journal, run_id: str, event: Event) -> None:
        match event["kind"]:
            case "inputs":
                self.client.log_inputs(run_id, datasets=[_dataset(item) for item in event["datasets"]])
            case "artifact":
                self._keep(run_id, journal.files / event["file"], event["folder"])
            case "link":
                self._link(journal, run_id, event)
            case "end":
                if event.get("message"):
                    tags = {"rawline.message": event["message"], "mlflow.note.content": event["message"]}
                    self.client.log_batch(run_id, tags=[RunTag(k, v[:MAX_TAG]) for k, v in tags.items()])
                self.client.set_terminated(run_id, event["status"], event["t"])

    def _keep(self, run_id: str, path: Path, folder: str) -> None:
        if path.is_dir():
            self.client.log_artifacts(run_id, str(path), "/".join(filter(None, (folder, path.name))))
        else:
            self.client.log_artifact(run_id, str(path), folder or None)

    def _link(self, journal: Journal, run_id: str, event: Event) -> None:
        """Point a cached stage at the run that made its bytes."""
        origin = self._origin(event["stage"], event["signature"], event["outs"], journal.opening()["experiment"])
        if origin is None:
            note, tags = "Cached: its bytes were made before this record began, or on another machine.", {}
        else:
            info = origin.info
            note = f"Cached: made by [{info.run_name}](#/experiments/{info.experiment_id}/runs/{info.run_id})."
            tags = {"rawline.origin": info.run_id, "rawline.origin_name": str(info.run_name)}
        tags["mlflow.note.content"] = note
        self.client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])

    def _origin(self, stage: str, signature: str, outs: str, experiment: str) -> Any | None:
        """Find the completed run of a stage with the same inputs, else with the same outputs."""
        made = {"rawline.state": "Completed", "rawline.stage": stage}
        found = self.find({**made, "rawline.signature": signature}, experiment)
        return found or self.find({**made, "rawline.outs": outs}, experiment)


def _chunks(events: Iterable[tuple[Event, int]]) -> Iterator[tuple[list[Event], int]]:
    chunk: list[Event] = []
    offset = 0
    for event, offset in events:  # the last offset is what a chunk reaches
        chunk.append(event)
        if len(chunk) == CHUNK:
            yield chunk, offset
            chunk = []
    if chunk:
        yield chunk, offset


def _metrics(event: Event) -> list[Metric]:
    return [Metric(_name(key), float(value), event["t"], event["step"] or 0) for key, value in event["values"].items()]


def _params(values: dict[str, Any]) -> list[Param]:
    return [Param(_name(key), str(value)[:MAX_PARAM]) for key, value in values.items()]


def _dataset(item: dict[str, Any]) -> DatasetInput:
    digest = item["digest"][:DIGEST]
    data = Dataset(item["name"], digest, source_type="dvc", source=item["source"], profile=item.get("profile"))
    return DatasetInput(data, [InputTag("mlflow.data.context", item["context"])])


def _name(key: str) -> str:
    """Return a name MLflow takes: letters, digits and ``_ - . : /`` and blanks.

    Example:
        >>> _name("val/IoU (background)")
        'val/IoU _background_'
    """
    return re.sub(r"[^\w\-. :/]", "_", key)[:250]


def _slices(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
