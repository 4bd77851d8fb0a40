"""Folders in which a file or folder is made before it takes its place, and what a killed process left of them.

A holder lies beside its target: ``.<name>.<8 letters>/`` with ``<name>`` and ``<name>.lock``. Its maker holds the lock as
long as it lives; the kernel lets go of it, after SIGKILL too. A holder whose lock nobody holds is half-made and nobody's:
the next process that makes anything in the folder sweeps it.
"""

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FORMER_S = 86_400  # without a lock, as made before there was one: swept when nothing in it has changed for a day
_NAME = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}")  # as tempfile has it
_swept: set[Path] = set()


@contextmanager
def holder(path: Path) -> Iterator[Path]:
    """Give a folder of one's own beside ``path`` and remove it afterwards; sweep before, once a process and folder.

    Args:
        path: what is to be made; the folder above it is there.
    """
    if (place := path.parent.resolve()) not in _swept:
        _swept.add(place)
        sweep(place)
    folder, lock = _locked(path)
    try:
        yield folder
    finally:
        shutil.rmtree(folder / path.name, ignore_errors=True)  # the lock goes last
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(path: Path) -> tuple[Path, int]:
    """Return a new holder and its held lock; another one where a sweep came between the two."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        with suppress(FileNotFoundError):
            lock = os.open(folder / f"{path.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            if _hold(lock) is not False and (folder / f"{path.name}.lock").exists():
                return folder, lock
            os.close(lock)


def _hold(lock: int) -> bool | None:
    """Take a lock; False where a living process holds it, None where the file system knows none."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def sweep(place: Path) -> list[Path]:
    """Remove the holders in a folder that nobody will finish.

    Left alone is whatever has another name or holds anything else, is in use by a living process, or cannot be judged.

    Args:
        place: the folder.

    Returns:
        What was removed.
    """
    with suppress(OSError), os.scandir(place) as entries:
        found = [
            (Path(e.path), m["name"]) for e in entries if (m := _NAME.fullmatch(e.name)) and e.is_dir(follow_symlinks=False)
        ]
        return [folder for folder, name in sorted(found) if _removed(folder, name)]
    return []


def _removed(folder: Path, name: str) -> bool:
    try:
        inside = {entry.name for entry in folder.iterdir()}
        if not inside <= {name, f"{name}.lock"}:
            return False
        if f"{name}.lock" not in inside:
            return _is_former(folder) and _remove(folder)
        lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_NOFOLLOW)
    except OSError:  # another sweeps it, or it is another user's
        return False
    try:
        return _hold(lock) is True and _remove(folder)
    finally:
        os.close(lock)


def _remove(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _is_former(folder: Path) -> bool:
    """Tell whether nothing in a folder was made or changed for a day."""
    since = time.time() - FORMER_S
    places = (Path(parent) / name for parent, folders, names in os.walk(folder) for name in (*folders, *names))
    return folder.lstat().st_mtime < since and all(one.lstat().st_mtime < since for one in places)
