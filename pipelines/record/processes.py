"""Which process an execution belongs to, and whether it still lives."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from pipelines.record import dvc_command

PROC = Path("/proc")
TICKS = 19  # of the fields behind the command's name in /proc/PID/stat; proc_pid_stat(5), field 22: starttime
CLOCK_S = 1.0  # how far the start may differ where only the clock tells it


@dataclass(frozen=True)
class Owner:
    """A process, told from a later one with the same number by its start.

    Attributes:
        pid: process number.
        created: start time, seconds since the epoch. It moves when the clock is set, since it is counted from the boot.
        start: the boot and the start counted from it, which nobody can set; empty on systems that do not tell it and in
            records of before.
    """

    pid: int
    created: float
    start: str = ""

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "Owner":
        """Return the process that a record names; see ``noted``."""
        return cls(int(content["pid"]), content["created_ms"] / 1000, str(content.get("start") or ""))

    def noted(self) -> dict[str, Any]:
        """Return what a record keeps of it."""
        return {"pid": self.pid, "created_ms": int(self.created * 1000), "start": self.start}

    @property
    def key(self) -> str:
        """Return a text that is the same for this process at any time, whatever becomes of the clock."""
        return f"{self.pid}-{self.start or int(self.created)}"

    def is_alive(self) -> bool:
        """Tell whether this very process still runs (a zombie does not)."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if self.start and (now := _start(self.pid)):
                return now == self.start
            return bool(abs(process.create_time() - self.created) < CLOCK_S)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def owner(pid: int | None = None) -> Owner:
    """Return the identity of a living process, this one when ``pid`` is None."""
    process = psutil.Process(pid or os.getpid())
    return Owner(process.pid, process.create_time(), _start(process.pid))


def parent(of: Owner) -> Owner | None:
    """Return the process that has started another; None where it is gone, or out of sight as above the first one."""
    try:
        above = psutil.Process(of.pid).ppid()
        return owner(above) if above else None
    except psutil.Error:
        return None


def dvc_ancestor() -> tuple[Owner, list[str]] | None:
    """Find the ``dvc`` command above this process: it is what all stages of one ``dvc repro`` share.

    Returns:
        The process and what it was asked to do, ``dvc`` first, however it was started; None when no dvc is above.
    """
    for process in psutil.Process().parents():
        with suppress(psutil.Error):
            if (asked := dvc_command.arguments(process.cmdline())) is not None:
                return owner(process.pid), ["dvc", *asked]
    return None


def folder(of: Owner) -> Path | None:
    """Return the folder in which a process works, dvc's after its ``--cd``; None where the system does not tell."""
    try:
        return Path(psutil.Process(of.pid).cwd())
    except (psutil.Error, OSError):
        return None


def _start(pid: int) -> str:
    """Return the boot's id and the process's start in clock ticks since then; empty where the system does not tell."""
    try:
        fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return f"{boot()}:{fields[TICKS]}"
    except (OSError, IndexError):
        return ""


@cache
def boot() -> str:
    """Return the name of this start of the machine, the same in all its containers; empty where there is none."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
