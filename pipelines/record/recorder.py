"""The recorder: one detached process per execution that ships its journals to MLflow and closes it at the end.

It runs beside the stages, so that these start without MLflow's import, so that sqlite has one writer, and so that an
execution is closed after ``dvc repro`` has ended. It ends itself when the execution is closed and sent, or when it is over
and MLflow stays out of reach; then the next recorder or ``rawline sync`` sends what is left. Whatever else goes wrong is in
``problem.txt``, one line, and in ``recorder.log``.
"""

import os
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from pipelines import redaction, screens, settings
from pipelines.record import execution as executions
from pipelines.record import identity, locks
from pipelines.record.journal import journals
from stages.core import files
from stages.core.errors import InfrastructureError

if TYPE_CHECKING:
    from pathlib import Path

POLL_S = 0.25
SHIP_S = 2.0  # curves in MLflow are at most this old
LAST_TRIES_S = 6.0
SLOW_TRIES_S = 900.0  # for a server that answers, but late
MEND_S = 10.0  # between looks for what cannot be read
FAULTS = 3  # unexpected ones, before the rest is left to the next recorder
GAVE_UP = (
    "gave_up"  # in an execution's folder: its recorder ended by faults; only who asks for that execution starts another
)
RETRY_S = 10.0  # between tries while MLflow is out of reach


_STARTED: list[int] = []  # process numbers, so that a long-lived scheduler leaves no zombies


def ensure(execution: str) -> None:
    """Start the execution's recorder unless it runs or ``RAWLINE_RECORDER=off``."""
    place = executions.folder(execution)
    _reap()
    if os.environ.get(executions.RECORDER) == "off" or is_running(execution):
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
    """Record one execution to its end; whatever ends this early is told in ``problem.txt``."""
    place = executions.folder(execution)
    screens.guard_screen()
    try:
        with locks.locked(place / "recorder.lock", timeout_s=1.0):
            _record(execution)
    except InfrastructureError as error:
        print(error)  # noqa: T201 - into recorder.log


def _record(execution: str) -> None:
    try:
        recorder = Recorder(execution)
    except Exception as error:  # noqa: BLE001 - MLflow cannot be imported: a stage would wait for a word in vain
        print(traceback.format_exc())  # noqa: T201 - into recorder.log
        text = f"the recorder cannot start: {type(error).__name__}: {error}; rawline doctor"
        files.write_text(executions.folder(execution) / "problem.txt", redaction.redact(" ".join(text.split())) + "\n")
        return
    recorder.run()


class Recorder:
    """Watches an execution's journals and owner."""

    def __init__(self, execution: str) -> None:
        from pipelines.record import contained, delivery, mending, sender  # noqa: PLC0415 - they import MLflow

        self.execution = execution
        self.delivery = delivery
        self.mending = mending
        self.sender = sender.Sender()
        self.shown = contained.Shown(execution, self.sender)
        self._sizes: dict[Path, int] = {}
        self._shipped = 0.0
        self._mended = -MEND_S
        self._last = delivery.Delivery()
        self._others = False

    def run(self) -> None:
        """Ship until the execution is over and sent, or over and out of reach, or three times something unexpected."""
        end = faults = 0.0
        (executions.folder(self.execution) / GAVE_UP).unlink(missing_ok=True)
        while (place := executions.folder(self.execution)).exists():
            try:
                over = self._turn()
                faults = 0
            except Exception as error:  # noqa: BLE001 - told, and tried again
                if not executions.is_one(place):
                    break
                over, faults = True, faults + 1
                self._last = self.delivery.Delivery(self.delivery.unexpected(error))
                self.delivery.say(self.execution, self._last.problem)
                self._mended = -MEND_S
            if over and not self._last.problem:
                break
            if over:
                end = end or time.monotonic() + (SLOW_TRIES_S if self._last.slow else LAST_TRIES_S)
            if faults >= FAULTS or (over and time.monotonic() > end):
                break
            time.sleep(1.0 if self._last.problem else POLL_S)
        if gave_up := faults >= FAULTS:
            with suppress(OSError):  # the folder is gone, or the disk is full
                (place / GAVE_UP).touch()
        self.delivery.deliver_rest(self.sender, but=self.execution, start=not gave_up)

    def _turn(self) -> bool:
        """Look once; tell whether the execution is over."""
        if time.monotonic() - self._mended > MEND_S:
            self.mending.mend(self.execution)
            self._mended = time.monotonic()
        identity.beat(executions.folder(self.execution))
        over = self.delivery.look(self.execution)
        if not over:
            self.shown.end_early()
        if over or self._is_due():
            self._last = self.delivery.deliver(self.sender, self.execution, over=over)
            self._shipped = time.monotonic()
        if not over and not self._last.problem:
            self.shown.mark()
        if not self._others and not self._last.problem:
            self._others = True
            self.delivery.deliver_rest(self.sender, but=self.execution)
        return over

    def _is_due(self) -> bool:
        """Tell whether there is news: at once when a run has begun or ended, every two seconds otherwise."""
        found = journals(executions.folder(self.execution))
        sizes = {journal.path: journal.path.stat().st_size for journal in found}
        since = time.monotonic() - self._shipped
        if sizes == self._sizes and not self._last.problem:
            return False
        changed = [j for j in found if sizes[j.path] != self._sizes.get(j.path)]
        wait_s = RETRY_S if self._last.problem else SHIP_S
        if since > wait_s or any(j.path not in self._sizes or j.ending() for j in changed):
            self._sizes = sizes
            return True
        return False


if __name__ == "__main__":
    main(sys.argv[1])
