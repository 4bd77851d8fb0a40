"""Keeps one stage from running twice in one folder and from outliving the dvc that started it, and one schedule from two."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines import settings
from pipelines.graph import file_name
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
    name = f"{file_name(address)}-{digest(str(Path.cwd()))[:8]}"
    with _only(name, patience_s, f"{address} runs here already; wait for it, or end it"):
        yield


@contextmanager
def serving(deployment: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold a deployment's lock while the block runs: a second server of it would end its schedule with its own.

    Args:
        deployment: its name.
        patience_s: how long to wait for another process that serves it and may be ending.

    Raises:
        InfrastructureError: another process serves it.
    """
    told = f"rawline/{deployment} is served already; serve under another --name, or end the other"
    with _only(f"serve-{file_name(deployment)}", patience_s, told):
        yield


@contextmanager
def _only(name: str, patience_s: float, told: str) -> Iterator[None]:
    """Hold the project's lock of this name, with the holder's process number in it; ``told`` is what a second one hears."""
    lock = settings.state() / "locks" / f"{name}.lock"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.locked(lock, patience_s))
        except InfrastructureError as error:
            number = lock.read_text(encoding="utf-8").strip()
            raise InfrastructureError(f"{told}: kill {number}") from error
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
