"""Keeps one stage from running twice in one folder, and from outliving the dvc that started it."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines import settings
from pipelines.record import locks, processes
from pipelines.record.lockfile import digest
from pipelines.record.processes import Owner
from stages.core.errors import InfrastructureError

PATIENCE_S = 20.0  # for a stage whose dvc was killed to notice it and to end
LOOK_S = 1.0


@contextmanager
def alone(address: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the stage's lock of the current folder while the block runs.

    The copies in which ``dvc exp run --queue`` works have locks of their own.

    Args:
        address: the stage's DVC address.
        patience_s: how long to wait for another process that runs it.

    Raises:
        InfrastructureError: another process runs the stage here.
    """
    lock = settings.state() / "locks" / f"{address}-{digest(str(Path.cwd()))[:8]}.lock"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.locked(lock, patience_s))
        except InfrastructureError as error:
            number = lock.read_text(encoding="utf-8").strip()
            raise InfrastructureError(f"{address} runs here already; wait for it, or end it: kill {number}") from error
        lock.write_text(str(os.getpid()), encoding="utf-8")
        yield


@contextmanager
def bound() -> Iterator[None]:
    """End this process by SIGTERM when the dvc above it dies: nobody would book what it makes, and the next starts anew."""
    over = threading.Event()
    if found := processes.dvc_ancestor():
        threading.Thread(target=_watch, args=(found[0], over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(dvc: Owner, over: threading.Event) -> None:
    while not over.wait(LOOK_S):
        if not dvc.is_alive():
            os.kill(os.getpid(), signal.SIGTERM)
            return
