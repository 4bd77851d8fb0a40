"""What the commands of a stage did while DVC ran it: when each began, and what each ended with.

DVC hides both: it starts with its own work (the lock, hashing, restoring), and when a lock is busy at the moment a command
ends it names the lock alone. So DVC is given a shell that notes them.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines import settings
from stages.core.errors import InfrastructureError

SHELL = """#!/bin/sh
echo begin >> "$RAWLINE_COMMANDS"
SHELL="$RAWLINE_SHELL" "$RAWLINE_SHELL" "$@"
status=$?
echo "$status" >> "$RAWLINE_COMMANDS"
exit "$status"
"""
BEGIN = "begin"
LOOK_S = 0.1


@dataclass(frozen=True)
class Commands:
    """The file in which the shell notes the commands of one stage."""

    path: Path

    def notes(self) -> list[str]:
        """Return ``begin`` for each command that has begun, followed by its exit status when it has ended."""
        return self.path.read_text(encoding="utf-8").split() if self.path.exists() else []

    def is_running(self) -> bool:
        """Tell whether a command goes on now."""
        return self.notes()[-1:] == [BEGIN]

    def all_ended_well(self, count: int) -> bool:
        """Tell whether so many commands have ended, each with status 0."""
        return self.notes() == [BEGIN, "0"] * count

    def failed(self) -> int | None:
        """Return the exit status of the command that failed, None when none did."""
        return next((int(note) for note in self.notes() if note not in (BEGIN, "0")), None)


def noting(root: Path, commands: Commands, shell: str | None) -> dict[str, str]:
    """Return the variables with which DVC notes a stage's commands.

    Args:
        root: the DVC project.
        commands: where they are noted.
        shell: that of the user, which runs the commands; /bin/sh when None.

    Raises:
        InfrastructureError: no folder of ours may hold a program.
    """
    return {
        "SHELL": str(_executable(root)),
        "RAWLINE_SHELL": shell or "/bin/sh",
        "RAWLINE_COMMANDS": str(commands.path),
    }


def _executable(root: Path) -> Path:
    """Return our shell, written where programs may run: the project's own folder, or the one for temporary files.

    Either may be mounted noexec; the system tells it when asked whether the file may be executed.
    """
    folders = (settings.root(root) / ".rawline" / "bin", Path(tempfile.gettempdir()) / f"rawline-{os.getuid()}")
    for folder in folders:
        if _written(shell := folder / "noting-shell"):
            return shell
    raise InfrastructureError(
        f"neither {folders[0]} nor {folders[1]} may hold a program (mounted noexec?); set TMPDIR to a folder that may"
    )


def _written(shell: Path) -> bool:
    """Write our shell unless it is there; tell whether it can be executed."""
    try:
        if not shell.exists() or shell.read_text(encoding="utf-8") != SHELL:
            shell.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _replace(shell)
        ours = shell.stat().st_uid == shell.parent.stat().st_uid == os.getuid()  # others may write into TMPDIR
        return ours and os.access(shell, os.X_OK)
    except OSError:
        return False


def _replace(shell: Path) -> None:
    """Put the file in place whole: a program that someone still writes cannot be started."""
    descriptor, name = tempfile.mkstemp(dir=shell.parent)
    with open(descriptor, "w", encoding="utf-8") as handle:  # noqa: PTH123 - a descriptor
        handle.write(SHELL)
    Path(name).chmod(0o700)
    Path(name).replace(shell)


@contextmanager
def limit(commands: Commands, seconds: float | None, end: Callable[[], None]) -> Iterator[threading.Event]:
    """End a stage whose commands take too long; what DVC does before, between and after them does not count.

    Args:
        commands: of the stage.
        seconds: they may take together; None for no limit.
        end: ends the stage's processes.

    Yields:
        An event, set when the time was over.
    """
    late, over = threading.Event(), threading.Event()
    if seconds is not None:
        threading.Thread(target=_watch, args=(commands, seconds, end, late, over), daemon=True).start()
    try:
        yield late
    finally:
        over.set()


def _watch(
    commands: Commands, seconds: float, end: Callable[[], None], late: threading.Event, over: threading.Event
) -> None:
    spent, before = 0.0, time.monotonic()
    while not over.wait(LOOK_S):
        now = time.monotonic()
        spent += (now - before) * commands.is_running()
        before = now
        if spent >= seconds:
            late.set()
            end()
            return
