"""Locks between processes on one machine; the kernel lets go of them when their holder dies."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.core.errors import InfrastructureError


@contextmanager
def locked(path: Path, timeout_s: float = 60.0) -> Iterator[None]:
    """Hold a lock file while the block runs.

    Args:
        path: the lock's file; made when missing, never removed.
        timeout_s: how long to wait for another holder.

    Raises:
        InfrastructureError: another process held it all the time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        end = time.monotonic() + timeout_s
        while not _take(handle.fileno()):
            if time.monotonic() > end:
                raise InfrastructureError(f"{path} has been held by another process for {timeout_s:.0f} s; rawline doctor")
            time.sleep(0.02)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


def is_held(path: Path) -> bool:
    """Tell whether a process holds the lock right now."""
    if not path.exists():
        return False
    with path.open("a") as handle:
        if not _take(handle.fileno()):
            return True
        fcntl.flock(handle, fcntl.LOCK_UN)
        return False


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
