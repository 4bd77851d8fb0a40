"""DVC's lock for readers of ``dvc.lock``: DVC rewrites that file in place when a stage ends, and half of it may be read.

A reader leaves nothing behind: where ``core.hardlink_lock`` is on, as DVC advises for NFS, the lock's file alone is a lock.
"""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE_S = 2.0
STILL_S = 0.5  # DVC rewrites the file within milliseconds
AGAIN_S = 0.05


@contextmanager
def held(root: Path, names: Iterable[str] = ("dvc.lock",)) -> Iterator[None]:
    """Keep DVC from rewriting ``dvc.lock`` of the project at ``root`` while the block reads it.

    DVC holds its lock for long while it hashes outputs, checks data out or pushes. So after ``PATIENCE_S`` seconds, and
    where there is no lock to share, the block goes on once the files have not changed for ``STILL_S`` seconds.

    Args:
        root: the DVC project; in any other folder DVC writes nothing, and the block goes on at once.
        names: what is read, seen from there; folders may have a ``dvc.lock`` of their own, under the project's lock.
    """
    if not (root / ".dvc").is_dir():
        yield
        return
    end = time.monotonic() + PATIENCE_S
    descriptor = _open(root / ".dvc" / "tmp" / "lock")
    try:
        while not (shared := descriptor is not None and _share(descriptor)) and descriptor is not None:
            if time.monotonic() > end:
                break
            time.sleep(AGAIN_S)
        if not shared:
            for name in names:
                _let_settle(root / name)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _open(place: Path) -> int | None:
    """Open the lock's file where there is one; never make it."""
    try:
        return os.open(place, os.O_RDONLY)
    except OSError:
        return None


def _share(descriptor: int) -> bool:
    """Share the kernel's lock on the file, which DVC takes for itself; a second link to it is DVC's other kind of lock."""
    if os.fstat(descriptor).st_nlink != 1:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _let_settle(file: Path) -> None:
    """Wait while the file is being written."""
    end = time.monotonic() + PATIENCE_S
    with suppress(FileNotFoundError):
        while time.time() - file.stat().st_mtime < STILL_S and time.monotonic() < end:
            time.sleep(AGAIN_S)
