"""A stage's run, seen from inside the stage's process: writes its journal, waits for MLflow at its end."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines import settings
from pipelines.graph import Node
from pipelines.record import execution as executions
from pipelines.record import lockfile, processes, provenance, recorder
from pipelines.record.journal import Journal
from stages.core.errors import InfrastructureError, RawlineError
from stages.core.stage import Keep, Metrics, Note, Record

VARIABLE = "RAWLINE_RUN"  # the journal of the stage that this process runs
PATIENCE_S = 8.0  # for a server to answer or to be found missing; the recorder goes on after that
LOCAL_S = 2.0
MESSAGE = 1500


class StageRun:
    """One stage's run.

    Attributes:
        journal: where its records go.
        address: the stage's DVC address.
    """

    def __init__(self, address: str, execution: str, node: Node | None) -> None:
        self.address = address
        self.execution = execution
        self.entries = lockfile.read(Path(lockfile.NAME))
        self.seen = lockfile.inputs(node, self.entries, Path()) if node else {}
        me = processes.owner()
        stamp = f"{int(time.time() * 1000):x}-{me.pid:x}"
        self.journal = Journal(executions.folder(execution) / f"{address}.{stamp}.jsonl")
        verb, _, task = address.partition("@")
        tags = {"rawline.stage": address, "rawline.verb": verb, "rawline.state": "Running", **provenance.tags(Path.cwd())}
        tags |= {"rawline.task": task} if task else {}
        seen = {path: value for path, value in self.seen.items() if lockfile.known(value)}
        tags |= {f"dvc.dep.{path}": value for path, value in seen.items() if path.startswith("data/")}
        self.journal.write(
            "open", name=address, stage=address, experiment=settings.experiment(), pid=me.pid,
            created_ms=int(me.created * 1000), tags=tags, seen=seen, booked=lockfile.digest(self.entries.get(address)),
            params=lockfile.parameters(node, Path()) if node else {},
        )  # fmt: skip
        if datasets := self._datasets(seen):
            self.journal.write("inputs", datasets=datasets)

    def params(self, values: Mapping[str, Any]) -> None:
        """Note the parameters, flattened with dots."""
        self.journal.write("params", values=dict(flatten(values)))

    def take(self, record: Record) -> None:
        """Note a stage's record."""
        match record:
            case Metrics(values, step):
                self.journal.write("metrics", values={k: float(v) for k, v in values.items()}, step=step)
            case Keep(path, folder):
                self.journal.keep(path, folder)
            case Note(text):
                self.journal.write("note", text=text)

    def end(self, status: str, message: str = "") -> None:
        """Note how the run ended."""
        self.journal.write("tags", values={"rawline.state": executions.STATES[status]})
        self.journal.write("end", status=status, message=message[:MESSAGE])

    def wait(self) -> str:
        """Wait a little for MLflow to take the run.

        Returns:
            Why it will not have it, one line; empty when it has, or when the recorder is at it.
        """
        end = time.monotonic() + (LOCAL_S if settings.is_local() else PATIENCE_S)
        while time.monotonic() < end:
            try:
                if self.journal.is_settled():
                    return self.journal.sent().refused
            except FileNotFoundError:  # sent and put away
                return ""
            if problem := executions.problem(self.execution):
                return problem
            time.sleep(0.05)
        recorder.ensure(self.execution)  # slow, or gone: then a new one takes over
        return ""

    def _datasets(self, seen: Mapping[str, str]) -> list[dict[str, Any]]:
        """Refer to each data set that is read: DVC's hash is the digest, the bytes stay where they are."""
        made = {out["path"]: out for entry in self.entries.values() for out in entry.get("outs", [])}
        return [
            {
                "name": path,
                "digest": value,
                "context": self.address.partition("@")[0],
                "source": json.dumps({"path": path, "md5": value, "dvc": lockfile.NAME}),
                "profile": json.dumps({k: v for k, v in made.get(path, {}).items() if k in ("size", "nfiles")}),
            }
            for path, value in seen.items()
            if path.startswith("data/")
        ]


@contextmanager
def opened(address: str, node: Node | None) -> Iterator[StageRun]:
    """Open a stage's run in the current execution; what leaves the block says how it ended."""
    run = StageRun(address, executions.current_execution(), node)
    os.environ[VARIABLE] = str(run.journal.path)
    try:
        yield run
    except BaseException as error:
        killed = isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit))
        run.end("KILLED" if killed else "FAILED", describe(error))
        raise
    else:
        run.end("FINISHED")
    finally:
        os.environ.pop(VARIABLE, None)


def current_run_id() -> str:
    """Return the MLflow run of the stage that this process runs; it is sent now if it was not.

    Raises:
        InfrastructureError: MLflow is out of reach.
        RawlineError: no stage runs in this process, or MLflow refused the run.
    """
    from pipelines.record.sender import Sender  # noqa: PLC0415 - imports MLflow

    if VARIABLE not in os.environ:
        raise RawlineError("no stage runs in this process; start it with rawline stage")
    sent = Sender().send(Journal(Path(os.environ[VARIABLE])))
    if sent.run_id is None:
        raise InfrastructureError(f"MLflow refused the run: {sent.refused}")
    return sent.run_id


def origin_run_id(address: str) -> str | None:
    """Return the MLflow run that made a stage's present outputs, None when this record does not know it.

    Args:
        address: the stage's DVC address, for instance ``finetune@classify``.

    Raises:
        InfrastructureError: MLflow is out of reach.
    """
    from pipelines.record.sender import Sender  # noqa: PLC0415 - imports MLflow

    state = executions.stage_states(executions.current_execution()).get(address)
    if state and state.state == "Completed" and state.run_id:
        return state.run_id
    if not (entry := lockfile.read(Path(lockfile.NAME)).get(address)):
        return None
    return Sender().origin(address, lockfile.signature(entry), lockfile.output(entry), settings.experiment())


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted names and plain values.

    Example:
        >>> dict(flatten({"a": {"b": 1}, "c": [1, 2]}))
        {'a.b': 1, 'c': '[1, 2]'}
    """
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, default=str) if isinstance(value, (list, tuple, Mapping)) else value


def describe(error: BaseException) -> str:
    """Return one line that says what happened."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit):
        return "terminated"
    text = " ".join(str(error).split())
    return text if isinstance(error, RawlineError) else f"{type(error).__name__}: {text}"
