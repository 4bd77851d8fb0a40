"""DVC's lock for readers of ``dvc.lock``: DVC rewrites that file in place when a stage ends, and half of it may be read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zc.lockfile

PATIENCE_S = 60.0
AGAIN_S = 0.05


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Hold the lock of the DVC project at ``root`` while the block reads; a folder that is no such project has none.

    After ``PATIENCE_S`` seconds the block goes on without it: DVC also holds it while it hashes outputs or checks data out,
    and a reader shall not hang behind that.
    """
    place, end = root / ".dvc" / "tmp" / "lock", time.monotonic() + PATIENCE_S
    lock = None
    while place.parent.is_dir() and lock is None and time.monotonic() < end:
        try:
            lock = zc.lockfile.LockFile(str(place))
        except zc.lockfile.LockError:
            time.sleep(AGAIN_S)
        except OSError:  # a project that may only be read
            break
    try:
        yield
    finally:
        if lock is not None:
            lock.close()
