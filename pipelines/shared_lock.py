"""A lock that many users of one thing hold together, so that its keeper knows when the last one is gone, also by kill -9."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.core.errors import InfrastructureError

LOOK_S = 0.05


@contextmanager
def shared(path: Path, timeout_s: float) -> Iterator[None]:
    """Be one of the users while the block runs.

    Args:
        path: the lock's file; made when missing, never removed.
        timeout_s: how long to wait while the keeper clears away.

    Raises:
        InfrastructureError: the keeper held it all the time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        end = time.monotonic() + timeout_s
        while not _take(handle.fileno(), fcntl.LOCK_SH):
            if time.monotonic() > end:
                raise InfrastructureError(
                    f"{path} has been held by another process for {timeout_s:.0f} s; see who: fuser {path}"
                )
            time.sleep(LOOK_S)
        yield


@contextmanager
def unused(path: Path) -> Iterator[bool]:
    """Keep new users out while the block runs; yield False where there are users."""
    with path.open("a") as handle:
        yield _take(handle.fileno(), fcntl.LOCK_EX)


def has_users(path: Path) -> bool:
    """Tell whether anyone is a user now; a keeper that clears away is none."""
    with path.open("a") as handle:
        return not _take(handle.fileno(), fcntl.LOCK_EX) and _take(handle.fileno(), fcntl.LOCK_SH)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
