"""Sends journals to MLflow: in batches, in order, each event once however often it is tried."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from pipelines import settings
from pipelines.reasons import LOGIN, reason, refusal
from pipelines.record import database, entities, locks, quarantine, uploads
from pipelines.record.entities import MAX_TAG
from pipelines.record.events import Event
from pipelines.record.journal import FULL, INCOMPLETE, PARENT, Journal, Sent
from stages.core.errors import InfrastructureError
from stages.core.text import markdown

KEY = "rawline.key"
MESSAGE = "rawline.message"
EXPERIMENT_KIND = "mlflow.experimentKind"  # without it MLflow opens the GenAI pages and files runs under "Evaluations"
TRAINING = "custom_model_development"
CHUNK = 2000
METRICS_AT_ONCE = 1000
OTHERS_AT_ONCE = 100
MAX_PATIENCE = 16  # times the usual limit
NEVER = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE", "BAD_REQUEST")


class Sender:
    """Sends journals of one project; one at a time on a machine, so that sqlite has one writer."""

    def __init__(self, uri: str | None = None) -> None:
        settings.quiet(os.environ)
        self.uri = uri or settings.tracking_uri()
        self._client: MlflowClient | None = None
        self._experiments: dict[str, str] = {}
        self._patience = 1

    @property
    def client(self) -> MlflowClient:
        """Return the client; the database is made ready first."""
        if self._client is None:
            database.prepare()
            self._client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        return self._client

    def send(self, journal: Journal) -> Sent:
        """Send what MLflow does not have yet, words first.

        Returns:
            What it has now; ``refused`` says why it will never take the rest.

        Raises:
            InfrastructureError: MLflow is out of reach; the journal stays and can be sent later.
        """
        self.tell(journal)
        return self.keep(journal)

    def tell(self, journal: Journal) -> Sent:
        """Send numbers and words; returns and raises as ``send`` does."""
        with locks.locked(settings.state() / "send.lock", timeout_s=120):
            for _ in range(uploads.TRIES - 1):  # each with a longer limit than the one before
                with suppress(uploads.SlowError):
                    return self._tell_once(journal)
            return self._tell_once(journal)

    def _tell_once(self, journal: Journal) -> Sent:
        if journal.is_told() or self._end_refused(journal):
            return journal.sent()
        return self._trying(journal, self._tell)

    def _end_refused(self, journal: Journal) -> bool:
        """Give a run of which MLflow refused something the end that came later; tell whether it is such a run."""
        if journal.lacks_end():
            with self._reaching():
                self._close_refused(journal)
        return bool(journal.sent().refused)

    def keep(self, journal: Journal) -> Sent:
        """Send kept files; returns and raises as ``send`` does. A large file keeps no other sender from its words."""
        with locks.locked(journal.path.with_name("files.lock"), timeout_s=120):
            if journal.is_settled() or self._end_refused(journal):
                return journal.sent()
            return self._trying(journal, self._keep_all)

    def _trying(self, journal: Journal, work: Any) -> Sent:
        try:
            with self._reaching():
                work(journal)
        except MlflowException as error:
            journal.note_sent(replace(journal.sent(), refused=reason(error)))
            with suppress(InfrastructureError):  # the next look tries again
                self._end_refused(journal)
        return journal.sent()

    def _close_refused(self, journal: Journal) -> None:
        """End a run of which MLflow would not take something: it would stay open. What is refused again is left."""
        sent, last = journal.sent(), journal.ending()
        if not (sent.run_id and last):
            return
        try:
            self._say_missing(journal, sent.run_id)
            self.client.set_terminated(sent.run_id, last["status"], last["t"])
        except MlflowException as error:
            if error.error_code not in NEVER:
                raise
        journal.note_sent(replace(sent, closed=last["t"]))

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Tell a server that is out of reach or lets us not in, which may change, from one that refuses what is sent."""
        try:
            with uploads.limited(uploads.base_s() * self._patience):
                yield
        except (MlflowException, SQLAlchemyError, RequestException, ConnectionError, TimeoutError) as error:
            if uploads.is_slow(error):
                self._patience = min(2 * self._patience, MAX_PATIENCE)  # the next try waits longer
                raise uploads.SlowError(f"MLflow at {self.uri} is slow: {reason(error)}") from error
            if isinstance(error, MlflowException) and error.error_code in NEVER:
                raise
            refused = refusal(error)
            told = f"refuses ({refused}): {LOGIN}" if refused else f"is out of reach: {reason(error)}"
            raise InfrastructureError(f"MLflow at {self.uri} {told}") from error
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise InfrastructureError(f"MLflow at {self.uri} takes nothing more: {reason(error)}") from error

    def set_status(self, run_id: str, status: str, message: str = "") -> None:
        """Give a run a status that may change again, with a message or without one; raises as ``send`` does."""
        with self._reaching():
            self._say(run_id, MESSAGE, message)
            self.client.update_run(run_id, status=status)

    def shown(self, journal: Journal) -> Any | None:
        """Return the run that MLflow shows of a journal, None when there is none.

        Raises:
            InfrastructureError: MLflow is out of reach.
        """
        with self._reaching():
            return self.find({KEY: journal.key}, journal.opening()["experiment"])

    def find(self, tags: dict[str, str], experiment: str) -> Any | None:
        """Return the newest run of an experiment that carries all the tags, None when there is none."""
        words = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found = self.client.search_runs(
            [self._experiment(experiment)], words, max_results=1, order_by=["attributes.start_time DESC"]
        )  # fmt: skip
        return found[0] if found else None

    def _tell(self, journal: Journal) -> None:
        sent = journal.sent()
        run_id = sent.run_id or self._open(journal)
        sent = replace(sent, run_id=run_id)
        journal.note_sent(sent)
        for chunk, offset in _chunks(journal.lines(sent.offset)):
            self._send_chunk(journal, run_id, chunk)
            sent = replace(sent, offset=offset)
            journal.note_sent(sent)

    def _keep_all(self, journal: Journal) -> None:
        """Send the files up to where the words were sent; each one that has arrived is noted."""
        sent = journal.sent()
        for event, _, offset in journal.lines(sent.kept):
            if offset > sent.offset:
                break
            if event and event["kind"] == "artifact" and sent.run_id:
                self._keep(journal, sent.run_id, event)
            if not event or event["kind"] == "artifact" or offset == sent.offset:
                journal.note_sent(replace(journal.sent(), kept=offset, arrived=()))

    def _open(self, journal: Journal) -> str:
        """Return the journal's run, made now unless an earlier try has made it."""
        first = journal.opening()
        experiment = first["experiment"]
        if run := self.find({KEY: journal.key}, experiment):
            self._say_missing(journal, run.info.run_id)
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
                if EXPERIMENT_KIND not in found.tags:  # made by an older version or by hand; a person's choice stays
                    with suppress(MlflowException):  # a server may not let us: the record goes on all the same
                        self.client.set_experiment_tag(found.experiment_id, EXPERIMENT_KIND, TRAINING)
        return self._experiments[name]

    def _create(self, name: str) -> str:
        folder = (
            (settings.artifact_root() / re.sub(r"[^\w.-]+", "-", name)).as_uri() if self.uri.startswith("sqlite") else None
        )
        try:
            return str(self.client.create_experiment(name, artifact_location=folder, tags={EXPERIMENT_KIND: TRAINING}))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            made = self.client.get_experiment_by_name(name)
            if made is None:
                raise
            return str(made.experiment_id)

    def _send_chunk(self, journal: Journal, run_id: str, events: list[Event]) -> None:
        """Send numbers and words in batches, then the rest in order, the end last."""
        metrics = [m for e in events if e["kind"] == "metrics" for m in entities.metrics(e)]
        params = [p for e in events if e["kind"] == "params" for p in entities.params(e["values"])]
        tags = {k: v for e in events if e["kind"] == "tags" for k, v in e["values"].items()}
        for part in entities.slices(metrics, METRICS_AT_ONCE):
            self.client.log_batch(run_id, metrics=part)
        for part in entities.slices(params, OTHERS_AT_ONCE):
            self.client.log_batch(run_id, params=part)
        for part in entities.slices(list(tags.items()), OTHERS_AT_ONCE):
            self.client.log_batch(run_id, tags=entities.tags(dict(part)))
        if any(event["kind"] == "missing" for event in events):
            self._say_missing(journal, run_id)
        for event in events:
            self._send_one(journal, run_id, event)

    def _say_missing(self, journal: Journal, run_id: str) -> None:
        """Give a run one tag with all reasons why it is incomplete, and none when there is none any more."""
        self._say(run_id, INCOMPLETE, "; ".join(journal.reasons()))

    def _say(self, run_id: str, tag: str, text: str) -> None:
        if text:
            self.client.set_tag(run_id, tag, text[:MAX_TAG])
        elif tag in self.client.get_run(run_id).data.tags:
            self.client.delete_tag(run_id, tag)

    def _send_one(self, journal: Journal, run_id: str, event: Event) -> None:
        match event["kind"]:
            case "inputs":
                self.client.log_inputs(run_id, datasets=[entities.dataset(item) for item in event["datasets"]])
            case "link":
                self._link(journal, run_id, event)
            case "end":
                if event.get("message"):
                    tags = {MESSAGE: event["message"], "mlflow.note.content": _described(event["message"])}
                    self.client.log_batch(run_id, tags=entities.tags(tags))
                self.client.set_terminated(run_id, event["status"], event["t"])

    def _keep(self, journal: Journal, run_id: str, event: Event) -> None:
        path = journal.files / event["file"]
        if not path.exists():
            self._miss(journal, run_id, event["file"])
            return
        again = _is_second(journal, event)
        for part, folder in uploads.parts(path, event["folder"]):
            name, sent = part.relative_to(journal.files).as_posix(), journal.sent()
            if name not in sent.arrived:
                uploads.send(self.client, run_id, part, folder, again=again)
                journal.note_sent(replace(sent, arrived=(*sent.arrived, name)))

    def _miss(self, journal: Journal, run_id: str, name: str) -> None:
        """Say that a kept copy is gone; the rest of the run is sent."""
        quarantine.note(
            journal.path.parent.name, f"{journal.files.name}/{name}", "the kept copy is gone, so MLflow has not got it"
        )
        sent = journal.sent()
        journal.note_sent(replace(sent, gone=tuple(dict.fromkeys((*sent.gone, name)))))
        self._say_missing(journal, run_id)

    def _link(self, journal: Journal, run_id: str, event: Event) -> None:
        """Point a cached stage at the run that made its bytes."""
        origin = self._origin(event["stage"], event["signature"], event["outs"], journal.opening()["experiment"])
        if origin is None:
            note, tags = "Cached: its bytes were made before this record began, or on another machine.", {}
        else:
            info = origin.info
            place = f"#/experiments/{info.experiment_id}/runs/{info.run_id}"
            note = f"Cached: made by [{markdown(info.run_name)}]({place})."
            tags = {"rawline.origin": info.run_id, "rawline.origin_name": str(info.run_name)}
        tags["mlflow.note.content"] = note
        self.client.log_batch(run_id, tags=entities.tags(tags))

    def _origin(self, stage: str, signature: str, outs: str, experiment: str) -> Any | None:
        """Find the completed run of a stage with the same inputs, else with the same outputs."""
        made = {"rawline.state": "Completed", "rawline.stage": stage}
        found = self.find({**made, "rawline.signature": signature}, experiment)
        return found or self.find({**made, "rawline.outs": outs}, experiment)


def _described(message: str) -> str:
    r"""Return a message as a run's description, which MLflow's page shows as markdown; its lines stay lines.

    Example:
        >>> _described("evaluate failed\n# not a heading")
        'evaluate failed\n\\# not a heading'
    """
    return "\n".join(map(markdown, message.splitlines()))


def _is_second(journal: Journal, event: Event) -> bool:
    """Tell whether something was kept before under the place of a kept file or folder: ``dvc.lock`` at start and end."""
    own = _target(event)
    for other, _ in journal.events():
        if other["kind"] == "artifact":
            if other["file"] == event["file"]:
                return False
            if f"{own}/".startswith(f"{_target(other)}/") or f"{_target(other)}/".startswith(f"{own}/"):
                return True
    return False


def _target(event: Event) -> str:
    return "/".join(filter(None, (event["folder"], event["file"].rpartition("/")[2])))


def _chunks(lines: Iterable[tuple[Event | None, bytes, int]]) -> Iterator[tuple[list[Event], int]]:
    """Yield events by the chunk with the offset behind them; lines that are no events are passed over."""
    chunk: list[Event] = []
    offset = 0
    for event, _, offset in lines:  # the last offset is what a chunk reaches
        chunk += [event] if event else []
        if len(chunk) == CHUNK:
            yield chunk, offset
            chunk = []
    if offset:
        yield chunk, offset
