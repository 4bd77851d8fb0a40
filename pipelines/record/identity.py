"""Which process an execution belongs to among all machines and containers, and whether it still works.

A process number says nothing in another container or on another machine that shares the project's folder. So an owner is
known by the machine's boot, the namespace of process numbers, the number and the start; one that cannot be seen from here
counts as alive while its files change: the recorder touches ``heartbeat`` every few seconds.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from pipelines.record import processes
from pipelines.record.processes import Owner

HEARTBEAT = "heartbeat"
GONE = "gone"  # noted by who cannot see the process and has heard nothing of it for long
SILENCE_S = 900.0  # after which an execution of another machine or container counts as ended
REBOOT_SILENCE_S = 60.0  # the same when this machine was started anew since its last sign
INITS = ("systemd", "init", "launchd", "runit", "s6-svscan", "openrc-init")


def namespace() -> str:
    """Return the namespace of process numbers; containers have their own."""
    return _namespace("pid")


def network() -> str:
    """Return the namespace of addresses and ports: what listens on loopback in another one cannot be reached from here."""
    return _namespace("net")


def _namespace(kind: str) -> str:
    """Return the number of a namespace; see namespaces(7). Empty on systems that have none."""
    try:
        return str(Path(f"/proc/self/ns/{kind}").stat().st_ino)
    except OSError:
        return ""


def here() -> dict[str, str]:
    """Return what tells this machine and container from others; goes beside a process number wherever one is noted."""
    return {"host": socket.gethostname(), "boot": processes.boot(), "namespace": namespace()}


def mark(owner: Owner) -> str:
    """Return a name of a living process that no other one has: namespace, number, boot and start."""
    return f"{namespace()}-{owner.key}".replace(":", "-")


def is_here(noted: Mapping[str, Any]) -> bool:
    """Tell whether a noted process is one of this machine and container, by what ``here`` returned where it was noted."""
    return (noted.get("boot"), noted.get("namespace")) == (processes.boot(), namespace())


def is_alive(noted: Mapping[str, Any], place: Path) -> bool:
    """Tell whether a noted process still works; that it does not is noted where only silence tells it.

    Args:
        noted: ``pid``, ``created_ms`` and what ``here`` returned where it was noted (nothing in older records).
        place: the execution's folder, whose files change while it is at work.
    """
    if "boot" not in noted or is_here(noted):
        return Owner.read(noted).is_alive()
    if is_gone(place):
        return False
    last = last_sign(place)
    if noted.get("host") == socket.gethostname() and last < psutil.boot_time():
        alive = time.time() - float(psutil.boot_time()) < REBOOT_SILENCE_S
    else:
        alive = time.time() - last < SILENCE_S
    if not alive:
        with suppress(OSError):
            (place / GONE).touch()
    return alive


def is_gone(place: Path) -> bool:
    """Tell whether an execution was found silent, and its recorder has given no sign since.

    Who finds it so writes its end into its files; that must not count as a sign of its life.
    """
    try:
        found = (place / GONE).stat().st_mtime
    except OSError:
        return False
    beat = place / HEARTBEAT
    return not beat.exists() or beat.stat().st_mtime <= found


def last_sign(place: Path) -> float:
    """Return when any file of an execution changed last; 0 for none."""
    found = [place / HEARTBEAT, *place.glob("*.jsonl"), *place.glob("execution.json")]
    return max((path.stat().st_mtime for path in found if path.exists()), default=0.0)


def beat(place: Path) -> None:
    """Say that the execution is at work."""
    (place / HEARTBEAT).touch()


def is_contained() -> bool:
    """Tell whether all processes end with one above this: the first process of a container, which is no real init.

    The recorder outlives dvc by some seconds; there it cannot. ``RAWLINE_CONTAINED`` (0 or 1) says it where this guesses
    wrong: in a container that goes on after dvc.
    """
    if (told := os.environ.get("RAWLINE_CONTAINED")) in {"0", "1"}:
        return told == "1"
    try:
        first = psutil.Process().parents()[-1]
        return first.pid == 1 and first.name() not in INITS
    except (IndexError, psutil.Error):
        return os.getpid() == 1
