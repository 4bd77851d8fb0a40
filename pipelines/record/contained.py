"""Shows an execution as it stands where all processes end with dvc: as the first process of a container, or its last.

There the recorder dies the moment dvc ends, and cannot write the end afterwards. So each stage waits at its end until MLflow
has everything so far, the parent run among it with the status that is true should all end now: ``FAILED`` while stages that
were asked for are left. The next stage opens it again. When nothing is left to run the execution is closed in earnest,
stages that did not run included.
"""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import dvc_hashes
from pipelines.record import booking, closing, lockfile, outputs, snapshots, wanted
from pipelines.record import execution as executions
from pipelines.record.journal import PARENT, Journal, journals
from stages.core import files
from stages.core.errors import DataError

if TYPE_CHECKING:
    from pipelines.record.sender import Sender  # imports MLflow, and stages use this module

NAME = "shown.json"
OTHER = "another"  # hash than any
REST = 10.0  # times as long as a look at all outputs took


def is_shown(execution: str, journal: Journal) -> bool:
    """Tell whether MLflow showed the execution as it stood after a run had ended."""
    try:
        return journal.path.name in files.read_json(executions.folder(execution) / NAME)
    except (OSError, DataError, TypeError):
        return False


def applies(execution: str) -> bool:
    """Tell whether the execution's processes end with its owner."""
    about = executions.describe(execution)
    return bool(about.get("contained")) and about["kind"] in ("dvc", "stage")


class Shown:
    """What MLflow shows of an execution that goes on."""

    def __init__(self, execution: str, sender: "Sender") -> None:
        self.execution = execution
        self.sender = sender
        self._marked: tuple[list[str], list[int]] = ([], [])
        self._rested = 0.0

    def end_early(self) -> None:
        """Close the execution when nothing is left to run; it looks at every output, and so rests longer than it looked."""
        if not applies(self.execution) or time.monotonic() < self._rested:
            return
        begin = time.monotonic()
        if is_last(self.execution):
            closing.close(self.execution)
        self._rested = time.monotonic() + REST * (time.monotonic() - begin)

    def mark(self) -> None:
        """Give the parent run the state of this moment, and say so to the stages that wait; what dvc books changes it."""
        if not applies(self.execution):
            return
        place = executions.folder(self.execution)
        found = journals(place)
        idle = closing.is_idle(self.execution) and all(journal.is_settled() for journal in found)
        names = [journal.path.name for journal in found] * idle
        written = [booking.stamp(place / name) for name in lockfile.names(snapshots.graph(self.execution))] * idle
        if (names, written) == self._marked:
            return
        self._show(running=not idle)
        self._marked = (names, written)
        files.write_json(place / NAME, names)

    def _show(self, *, running: bool) -> None:
        parent = Journal(executions.folder(self.execution) / f"{PARENT}.jsonl")
        run_id = parent.sent().run_id
        if run_id is None or (parent.ending() and not running):
            return
        status, message = ("RUNNING", "") if running else standing(self.execution)
        self.sender.set_status(run_id, status, message)


def standing(execution: str) -> tuple[str, str]:
    """Return the status that is true should all end now, and which stages that were asked for are not reached then."""
    ran = executions.stage_states(execution)
    absent = closing.absent(execution, ran, {}, _lying(execution))
    left = [name for name, state in absent.items() if state.state == "NotReached"]
    status = closing.status_of(execution, {**ran, **absent}, None, asked=True)
    return status, f"not reached: {', '.join(left)}" if left else ""


def _lying(execution: str) -> lockfile.Entries:
    """Return the outputs of stages that have just run as dvc will book them: where the bytes are those of before, dvc skips.

    Of a large one dvc's own hash is asked for where another stage's entry may fit; dvc keeps it and needs it next.
    """
    command, workdir = closing.command(execution), Path(executions.describe(execution)["workdir"])
    states, booked = executions.stage_states(execution), closing.booked(execution)
    deps = [item for entry in snapshots.entries(execution).values() for item in entry.get("deps", [])]
    found: lockfile.Entries = {}
    for journal in journals(executions.folder(execution)):
        stage = journal.opening().get("stage", "")
        if stage not in states or states[stage].state != "Completed" or stage in booked:
            continue
        seen = outputs.noted(journal, command).seen
        hashes = {path: _hash(workdir, path, one, deps) for path, one in seen.items() if one is not None}
        found.pop(stage, None)  # of several attempts the last one counts
        if seen and hashes.keys() == seen.keys() and all(hashes.values()):
            found[stage] = {"outs": [{"path": path, "md5": value} for path, value in hashes.items()]}
    return found


def _hash(workdir: Path, path: str, seen: Mapping[str, Any], deps: Iterable[Mapping[str, Any]]) -> str | None:
    """Return DVC's hash of an output, any other one where no stage has read the same; None where it is not known."""
    if "md5" in seen:
        return str(seen["md5"])
    fitting = [dep for dep in deps if dep["path"] == path and outputs.fits({path: seen}, {"outs": [dep]}) is not False]
    return dvc_hashes.folder(workdir, path) if fitting else OTHER


def is_last(execution: str) -> bool:
    """Tell whether nothing is left to run: all stages that were asked for ran or need not, or one failed."""
    states = executions.stage_states(execution)
    if not states or not closing.is_idle(execution):
        return False
    command, about = closing.command(execution), executions.describe(execution)
    failed = [name for name, state in states.items() if state.state in ("Failed", "Killed")]
    if failed and not wanted.keeps_going(command):
        return True
    graph = snapshots.graph(execution)
    asked = wanted.stages(graph, about, command)
    left = (set(graph.nodes) if asked is None else set(asked)) - set(states) - wanted.skipped(graph, command, failed)
    done = [name for name, state in states.items() if state.state == "Completed"]
    return not left & wanted.regardless(graph, about, command, done) and closing.are_fresh(execution, left)
