"""Which process an execution belongs to, and whether it still lives."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Owner:
    """A process, told from a later one with the same number by its start.

    Attributes:
        pid: process number.
        created: start time, seconds since the epoch.
    """

    pid: int
    created: float

    def is_alive(self) -> bool:
        """Tell whether this very process still runs (a zombie does not)."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return bool(abs(process.create_time() - self.created) < 1.0)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def owner(pid: int | None = None) -> Owner:
    """Return the identity of a living process, this one when ``pid`` is None."""
    process = psutil.Process(pid or os.getpid())
    return Owner(process.pid, process.create_time())


def dvc_ancestor() -> tuple[Owner, list[str]] | None:
    """Find the ``dvc`` command above this process: it is what all stages of one ``dvc repro`` share.

    Returns:
        The process and its command line; None when no dvc is above.
    """
    for process in psutil.Process().parents():
        try:
            words = process.cmdline()
            if _is_dvc(words):
                return Owner(process.pid, process.create_time()), words
        except psutil.Error:
            continue
    return None


def _is_dvc(words: list[str]) -> bool:
    """Tell a dvc command from a shell whose command merely mentions it.

    Example:
        >>> _is_dvc(["/p/.venv/bin/python3", "/p/.venv/bin/dvc", "repro"]), _is_dvc(["python", "-m", "dvc", "repro"])
        (True, True)
        >>> _is_dvc(["bash", "-c", "dvc repro"]), _is_dvc(["vim", "dvc.yaml"])
        (False, False)
    """
    names = [Path(word).name for word in words[:3]]
    if names[:1] == ["dvc"] or (names[1:2] == ["dvc"] and names[0].startswith("python")):
        return True
    return names[0:1] != [] and names[0].startswith("python") and words[1:3] == ["-m", "dvc"]
