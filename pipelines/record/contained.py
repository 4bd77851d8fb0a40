"""Shows an execution as it stands where all processes end with dvc: as the first process of a container, or its last.

There the recorder dies the moment dvc ends, and cannot write the end afterwards. So each stage waits at its end until MLflow
has everything so far, the parent run among it with the state of that moment; the next stage opens it again. When nothing
is left to run the execution is closed in earnest, stages that did not run included.
"""

import time
from typing import TYPE_CHECKING

from pipelines.record import closing, snapshots, wanted
from pipelines.record import execution as executions
from pipelines.record.journal import PARENT, Journal, journals
from stages.core import files
from stages.core.errors import DataError

if TYPE_CHECKING:
    from pipelines.record.sender import Sender  # imports MLflow, and stages use this module

NAME = "shown.json"
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
        self._marked: list[str] = []
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
        """Give the parent run the state of this moment, and say so to the stages that wait."""
        if not applies(self.execution):
            return
        found = journals(executions.folder(self.execution))
        idle = closing.is_idle(self.execution) and all(journal.is_settled() for journal in found)
        names = [journal.path.name for journal in found] * idle
        if names == self._marked:
            return
        self._show(running=not idle)
        self._marked = names
        files.write_json(executions.folder(self.execution) / NAME, names)

    def _show(self, *, running: bool) -> None:
        parent = Journal(executions.folder(self.execution) / f"{PARENT}.jsonl")
        run_id = parent.sent().run_id
        if run_id is None or (parent.ending() and not running):
            return
        states = executions.stage_states(self.execution)
        status = "RUNNING" if running else closing.status_of(self.execution, states, None, asked=True)
        self.sender.set_status(run_id, status)


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
