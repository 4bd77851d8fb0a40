"""A stage's run, seen from inside the stage's process: writes its journal, waits for MLflow at its end."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines import origin, settings
from pipelines.graph import Graph, file_name, local
from pipelines.record import (
    booking,
    code_state,
    contained,
    contents,
    headline,
    identity,
    lockfile,
    looks,
    outputs,
    processes,
    provenance,
    recorder,
)
from pipelines.record import execution as executions
from pipelines.record.journal import Journal
from pipelines.redaction import redact
from stages.core import params as parameters
from stages.core.errors import DataError, RawlineError
from stages.core.stage import Keep, Metrics, Note, Record, Tags

VARIABLE = "RAWLINE_RUN"  # the journal of the stage that this process runs
PATIENCE_S = 8.0  # for a server to answer or to be found missing; the recorder goes on after that
LOCAL_S = 2.0
START_S = 30.0  # for a recorder to load MLflow and to try
CONTAINED_S = 60.0  # where the recorder ends with dvc
MESSAGE = 1500


class StageRun:
    """One stage's run.

    Attributes:
        journal: where its records go.
        address: the stage's DVC address.
        node: the stage in DVC's graph; None outside of one.
        seen: hashes of what it reads, as it lay there at the start.
        stamps: sizes and times of it then.
        code: the tags that say which code ran, by what was known then.
        loaded: the files of code that it had loaded or run by then.
    """

    def __init__(self, address: str, execution: str, graph: Graph, raw: Mapping[str, Any] | None = None) -> None:
        """Begin a run.

        Args:
            address: the stage's DVC address.
            execution: it belongs to.
            graph: of the project; may be empty.
            raw: what the stage read in the parameter file, which may be another one by now; None to read it.
        """
        self.address = address
        self.node = graph.nodes.get(address)
        self.execution = execution
        written = booking.stamp(Path(lockfile.of(address)))
        self.entries = lockfile.bookings(Path(), graph)
        self.seen = self._inputs()
        self.stamps = self._stamps()
        me = processes.owner()
        stamp = f"{int(time.time() * 1000):x}-{me.pid:x}"
        self.journal = Journal(executions.folder(execution) / f"{file_name(address)}.{stamp}.jsonl")
        workdir = Path(executions.describe(execution)["workdir"])
        looks.note(workdir, address, self.entries.get(address), written, self.journal.key)
        verb, _, task = local(address).partition("@")
        self.loaded, self.code = code_state.loaded(Path.cwd()), provenance.tags(Path.cwd())
        tags = {"rawline.stage": address, "rawline.verb": verb, "rawline.state": "Running", **self.code}
        tags |= {"rawline.task": task} if task else {}
        seen = {path: value for path, value in self.seen.items() if lockfile.known(value)}
        tags |= {f"dvc.dep.{path}": value for path, value in seen.items() if path.startswith("data/")}
        self.journal.write(
            "open", name=address, stage=address, experiment=settings.experiment(), **me.noted(),
            tags=tags, seen=seen, listed=self._listings(), booked=lockfile.digest(self.entries.get(address)),
            params=self._parameters(raw), **identity.here(), **self._told_by_dvc(),
        )  # fmt: skip
        if datasets := self._datasets(seen):
            self.journal.write("inputs", datasets=datasets)

    def _inputs(self) -> dict[str, str]:
        """Return path to hash of what the stage reads: of code that is loaded, of what was compiled."""
        found = lockfile.inputs(self.node, self.entries, Path()) if self.node else {}
        return found | {path: md5 for path, md5 in origin.compiled(Path.cwd()).items() if path in found}

    def _parameters(self, raw: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
        read = {} if raw is None else {parameters.FILE.name: raw}
        return lockfile.parameters(self.node, Path(), read) if self.node else {}

    def _edited(self) -> list[str]:
        """Return what the stage reads and what was written meanwhile, and code that ran from another source than lies there.

        DVC books what lies there now. Modules may be loaded late, and an edit may come before the run is opened: both are
        other code than was seen then.
        """
        deps = self.node.deps if self.node else ()
        ran = [(PurePosixPath(path), md5) for path, md5 in origin.compiled(Path.cwd()).items()]
        read = [(path, md5) for path, md5 in ran if any(path.is_relative_to(dep) for dep in deps)]
        other = {str(path) for path, md5 in read if contents.file_hash(Path(path)) != md5}
        now, known = self._stamps(), {str(path) for path, _ in ran}  # what was compiled says itself what ran
        return sorted(other | {path for path, stamp in self.stamps.items() if now[path] != stamp and path not in known})

    def _stamps(self) -> dict[str, str]:
        return lockfile.stamps(self.node, Path()) if self.node else {}

    def _told_by_dvc(self) -> dict[str, Any]:
        """Note whether dvc runs the command and will book it, and the command as it stands in the graph."""
        command = {"cmd": list(self.node.commands)} if self.node else {}
        return {"by_dvc": "DVC_STAGE" in os.environ, **command}

    def _listings(self) -> dict[str, str]:
        """List the folders that are read and that no stage made, as they lie there now."""
        return lockfile.listings(self.node, self.entries, Path()) if self.node else {}

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
            case Tags(values):
                self.journal.write("tags", values=dict(values))

    def end(self, status: str, message: str = "") -> None:
        """Note how the run ended, and the figures it leaves for the execution's own run.

        Where nobody is left to send that afterwards, a run that ended badly waits for it too.
        """
        if status == "FINISHED":
            outputs.note(self.journal, self.node)
            headline.note(self.journal, self.node)
        code = provenance.late(Path.cwd(), self.code, self.loaded)
        self.journal.write("tags", values={"rawline.state": executions.STATES[status], **code})
        lock = booking.stamp(Path(lockfile.of(self.address)))
        listed = self._listings() if status == "FINISHED" else {}
        edited = self._edited()
        self.journal.write("end", status=status, message=message[:MESSAGE], lock=lock, listed=listed, edited=edited)
        if status != "FINISHED" and contained.applies(self.execution):
            self.wait()

    def wait(self) -> str:
        """Wait a little for MLflow to take the run.

        Returns:
            Why it will not have it, one line; empty when it has, or when the recorder is at it.
        """
        if lost := self.journal.incomplete():
            return f"the record is incomplete, {lost}"
        if os.environ.get(executions.RECORDER) == "off":  # nobody sends it now
            return ""
        begin = time.monotonic()
        while time.monotonic() - begin < self._patience_s():
            try:
                if self.journal.is_settled() and not self._waits_for_parent():
                    return self.journal.sent().refused
                if problem := executions.problem(self.execution):
                    return problem
            except (FileNotFoundError, DataError):  # sent and put away
                return ""
            time.sleep(0.05)
        recorder.ensure(self.execution)  # slow, or gone: then a new one takes over
        return ""

    def _patience_s(self) -> float:
        """Return how long to wait: a recorder that has just begun must have tried once, or nobody says what is wrong."""
        place = executions.folder(self.execution)
        if identity.is_contained():
            return CONTAINED_S
        if not (place / identity.HEARTBEAT).exists() and recorder.is_running(self.execution):
            return START_S
        return LOCAL_S if settings.is_local() else PATIENCE_S

    def _waits_for_parent(self) -> bool:
        """Tell whether the recorder, which ends with this process, has still to show the execution as it stands."""
        return contained.applies(self.execution) and not contained.is_shown(self.execution, self.journal)

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
def opened(address: str, graph: Graph, raw: Mapping[str, Any] | None = None) -> Iterator[StageRun]:
    """Open a stage's run in the current execution; what leaves the block says how it ended. See ``StageRun``."""
    run = StageRun(address, executions.current_execution(), graph, raw)
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
    text = redact(" ".join(str(error).split()))
    return text if isinstance(error, RawlineError) else f"{type(error).__name__}: {text}"
