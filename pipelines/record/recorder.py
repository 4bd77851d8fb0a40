"""The recorder: one detached process per execution that ships its journals to MLflow and closes it at the end.

It runs beside the stages, so that these start without MLflow's import, so that sqlite has one writer, and so that an
execution is closed after ``dvc repro`` has ended. It ends itself when the execution is closed and sent, or when it is over
and MLflow stays out of reach; then the next recorder or ``rawline sync`` sends what is left.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pipelines import settings
from pipelines.record import execution as executions
from pipelines.record import locks
from pipelines.record.journal import journals
from stages.core.errors import InfrastructureError

if TYPE_CHECKING:
    from pathlib import Path

POLL_S = 0.25
SHIP_S = 2.0  # curves in MLflow are at most this old
LAST_TRIES_S = 6.0
RETRY_S = 10.0  # between tries while MLflow is out of reach


_STARTED: list[int] = []  # process numbers, so that a long-lived scheduler leaves no zombies


def ensure(execution: str) -> None:
    """Start the execution's recorder unless it runs or ``RAWLINE_RECORDER=off``."""
    place = executions.folder(execution)
    _reap()
    if os.environ.get("RAWLINE_RECORDER") == "off" or is_running(execution):
        return
    environment = {**os.environ, "RAWLINE_ROOT": str(settings.root()), "OMP_NUM_THREADS": "1"}
    for name in ("MLFLOW_RUN_ID", executions.VARIABLE, "DVC_ROOT", "DVC_STAGE"):
        environment.pop(name, None)
    place.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pipelines.record.recorder", execution]
    with (place / "recorder.log").open("ab") as log:  # its own session, no shared pipe: it outlives this process
        process = subprocess.Popen(
            command, cwd=settings.root(), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    process.returncode = 0  # it outlives this process on purpose; else Popen complains of that when it is collected
    _STARTED.append(process.pid)


def _reap() -> None:
    for pid in list(_STARTED):
        with suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        _STARTED.remove(pid)


def is_running(execution: str) -> bool:
    """Tell whether the execution's recorder runs."""
    return locks.is_held(executions.folder(execution) / "recorder.lock")


def main(execution: str) -> None:
    """Record one execution to its end."""
    place = executions.folder(execution)
    try:
        with locks.locked(place / "recorder.lock", timeout_s=1.0):
            Recorder(execution).run()
    except InfrastructureError as error:
        print(error)  # noqa: T201 - into recorder.log


class Recorder:
    """Watches an execution's journals and owner."""

    def __init__(self, execution: str) -> None:
        from pipelines.record import closing, delivery, sender  # noqa: PLC0415 - they import MLflow

        self.execution = execution
        self.closing = closing
        self.delivery = delivery
        self.sender = sender.Sender()
        self._sizes: dict[Path, int] = {}
        self._shipped = 0.0
        self._problem = ""

    def run(self) -> None:
        """Ship until the execution is over and sent, or over and out of reach."""
        self.closing.note_graph(self.execution)
        last_try = None
        others = False
        while True:
            over = self._look()
            if over or self._is_due():
                self._ship()
            if over and (not self._problem or (last_try and time.monotonic() > last_try)):
                break
            last_try = last_try or (time.monotonic() + LAST_TRIES_S if over else None)
            if not others and not self._problem:
                others = True
                self.delivery.deliver_rest(self.sender, but=self.execution)
            time.sleep(1.0 if self._problem else POLL_S)
        self.delivery.deliver_rest(self.sender, but=self.execution)

    def _look(self) -> bool:
        """Bring the journals up to date; tell whether the execution is over."""
        self.closing.settle(self.execution)
        self.closing.snapshot(self.execution)
        over = self.closing.is_over(self.execution)
        if over:
            self.closing.close(self.execution)
        return over

    def _is_due(self) -> bool:
        """Tell whether there is news: at once when a run has begun or ended, every two seconds otherwise."""
        found = journals(executions.folder(self.execution))
        sizes = {journal.path: journal.path.stat().st_size for journal in found}
        since = time.monotonic() - self._shipped
        if sizes == self._sizes and not self._problem:
            return False
        changed = [j for j in found if sizes[j.path] != self._sizes.get(j.path)]
        if since > (RETRY_S if self._problem else SHIP_S) or any(j.path not in self._sizes or j.ending() for j in changed):
            self._sizes = sizes
            return True
        return False

    def _ship(self) -> None:
        self._problem = self.delivery.deliver(self.sender, self.execution)
        self._shipped = time.monotonic()


if __name__ == "__main__":
    main(sys.argv[1])
