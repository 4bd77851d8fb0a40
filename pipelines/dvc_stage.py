"""Runs one stage by DVC's command line, in its own process group, and reads from its words what happened."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from pipelines.graph import Node
from pipelines.leash import leash
from pipelines.stage_commands import Commands, limit, noting

GRACE_S = 10.0
TAIL = 40
# DVC's own failure to get its lock has no exit status of its own: of all its faults this one is told by its words, and only
# where the status file says that no command failed.
LOCKED = re.compile(r"^ERROR: .*(Unable to acquire lock|is busy, it is being blocked by)")
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
MEMORY = "the system ended it, most likely for memory"


class How(StrEnum):
    """What DVC did about a stage."""

    RAN = "ran"
    RESTORED = "restored"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Outcome:
    """What came of ``dvc repro -s STAGE``.

    Attributes:
        how: what DVC did.
        seconds: wall clock.
        status: DVC's exit status.
        commands_ended_well: every command of the stage exited with 0, whatever DVC says.
        command_status: exit status of the command that failed; None when none did, or was ended before it had one.
        tail: the last lines of output.
    """

    how: How
    seconds: float
    status: int
    commands_ended_well: bool = False
    command_status: int | None = None
    tail: tuple[str, ...] = ()

    @property
    def fault(self) -> str | None:
        """Name the infrastructure's fault that a retry may cure, or None; exit statuses tell, never a stage's words."""
        if self.how is not How.FAILED:
            return None
        if self.command_status == os.EX_TEMPFAIL:
            return f"it asks for another try (exit status {os.EX_TEMPFAIL})"
        if self.command_status in KILLED or (not self.command_status and self.status in KILLED):
            return MEMORY
        locked = not self.command_status and any(LOCKED.search(line) for line in self.tail)
        return "DVC's lock is busy" if locked else None

    @property
    def reason(self) -> str:
        """Say in one line why it failed: DVC's error, or the last line."""
        ours = [line for line in self.tail if line.startswith("rawline:")]
        errors = [line for line in self.tail if line.startswith("ERROR:")]
        return (ours or errors or list(self.tail) or [f"dvc ended with status {self.status}"])[-1]


@dataclass
class Groups:
    """The process groups that are running; ``stop`` ends them all, and no new one begins after it."""

    grace_s: float = GRACE_S
    _live: dict[int, "subprocess.Popen[str]"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    @property
    def closed(self) -> bool:
        """Tell whether ``stop`` was called."""
        return self._closed

    @contextmanager
    def start(self, command: list[str], cwd: Path, env: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
        """Start a command as the leader of a new group; end the whole group when the block is left, or we are killed."""
        with leash(self.grace_s) as held:
            process = self._begin(command, cwd, env)
            held.hold(process.pid)
            try:
                with process:
                    yield process
            finally:
                end_group(process, self.grace_s)
                with self._lock:
                    del self._live[process.pid]

    def _begin(self, command: list[str], cwd: Path, env: Mapping[str, str]) -> "subprocess.Popen[str]":
        with self._lock:
            process = subprocess.Popen(
                command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
            self._live[process.pid] = process
            if self._closed:  # it was closed a moment ago
                signal_group(process.pid, signal.SIGTERM)
        return process

    def stop(self) -> None:
        """End every group: SIGTERM, then SIGKILL after the grace."""
        with self._lock:
            self._closed = True
            live = list(self._live.values())
        for process in live:
            signal_group(process.pid, signal.SIGTERM)
        for process in live:
            end_group(process, self.grace_s)


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; tell whether anyone was there."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_group(process: "subprocess.Popen[Any]", grace_s: float) -> None:
    """End what is left of a group: SIGTERM, up to ``grace_s`` seconds, SIGKILL. DVC's own end leaves its command alive."""
    if not signal_group(process.pid, signal.SIGTERM):
        return
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        process.poll()
        if not _lives(process.pid):
            return
        time.sleep(0.05)
    signal_group(process.pid, signal.SIGKILL)


def _lives(group: int) -> bool:
    """Tell whether a group has a process that is no zombie: in a container nobody may collect those."""
    if not signal_group(group, 0):
        return False
    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(ProcessLookupError):
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == group:
                return True
    return False


def command(*arguments: str) -> list[str]:
    """Return the command line of this environment's DVC; waiting for the lock stands before the verb."""
    return [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]


def reproduce(  # noqa: PLR0913 - options by keyword, as the command line has them
    node: Node, root: Path, groups: Groups, *, force: bool = False, timeout_s: float | None = None,
    env: Mapping[str, str] | None = None, say: Callable[[str], None] = print,
) -> Outcome:  # fmt: skip
    """Run one stage and nothing else of the graph.

    Args:
        node: the stage.
        root: the DVC project.
        groups: where its process group is kept while it runs.
        force: run it although nothing changed.
        timeout_s: end its whole group when its commands have run for so many seconds; DVC's own work does not count.
        env: variables added to the environment.
        say: receives each line of its output as it comes.

    Returns:
        What happened, as DVC's words tell it: the exit status alone does not.
    """
    if groups.closed:
        return Outcome(How.STOPPED, 0.0, -signal.SIGTERM)
    begin = time.monotonic()
    arguments = ["repro", *(["--force"] if force else []), "--single-item", node.name]
    with tempfile.TemporaryDirectory(prefix="rawline-") as folder:
        commands = Commands(Path(folder) / "commands")
        with (
            groups.start(command(*arguments), root, _environment(root, commands, env or {})) as process,
            limit(commands, timeout_s, lambda: end_group(process, groups.grace_s)) as late,
        ):
            lines = _listen(process, say)
            status = process.wait()
        well, failed = commands.all_ended_well(len(node.commands)), commands.failed()
    how = _how(node.name, lines, status, late=late.is_set() and not well, stopped=groups.closed)
    return Outcome(how, time.monotonic() - begin, status, well, failed, tuple(lines[-TAIL:]))


def _environment(root: Path, commands: Commands, extra: Mapping[str, str]) -> dict[str, str]:
    environment = {**os.environ, **extra}
    beside = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join(filter(None, (beside, environment.get("PATH"))))
    return {**environment, **noting(root, commands, environment.get("SHELL")), "PYTHONUNBUFFERED": "1"}


def _listen(process: "subprocess.Popen[str]", say: Callable[[str], None]) -> list[str]:
    lines = []
    for raw in process.stdout or ():
        if line := raw.rstrip():
            lines.append(line)
            say(line)
    return lines


def _how(name: str, lines: list[str], status: int, *, late: bool, stopped: bool) -> How:
    if late:
        return How.TIMED_OUT
    if status:
        return How.STOPPED if stopped else How.FAILED
    if f"Stage '{name}' didn't change, skipping" in lines:
        return How.UNCHANGED
    if any(line.startswith(f"Stage '{name}' is cached - skipping run") for line in lines):
        return How.RESTORED
    return How.RAN if f"Running stage '{name}':" in lines else How.UNCHANGED
