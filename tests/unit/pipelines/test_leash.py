"""Nothing that was started outlives the one who started it, not even kill -9 of that."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pipelines.leash import leash

HOLDER = """
import subprocess, sys, time
from pipelines.leash import leash
with leash(1) as held:
    group = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, start_new_session=True, text=True)
    held.hold(group.pid)
    print(group.stdout.readline(), flush=True)
    time.sleep(300)
"""


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 250
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.parametrize("command", ["sleep 300 & echo $!; wait", "trap '' TERM HUP INT; sleep 300 & echo $!; wait; wait"])
def test_a_killed_holder_takes_its_group_along(command: str) -> None:
    """Kill -9 of the holder ends the group with all its processes, also those that are deaf to SIGTERM."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, "sh", "-c", command], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        pid = int(holder.stdout.readline())
        assert lives(pid)
        holder.kill()
    until(lambda: not lives(pid))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell which signals are ignored")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_the_watcher_outlives_what_ends_its_holder(number: signal.Signals) -> None:
    """A closed terminal, Ctrl-C or a stop of all that runs reaches it too; it has still to end the group."""
    words = [sys.executable, "-c", HOLDER, "sh", "-c", "echo $$; exec sleep 300"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        pid = int(holder.stdout.readline())
        # A process has no command line for a moment while it is loaded, and its age may seem to change as clocks are set.
        until(lambda: len(watchers(holder.pid)) == 1)
        (watcher,) = watchers(holder.pid)
        until(lambda: ignores(watcher.pid, signal.SIGINT) and watcher.status() == psutil.STATUS_SLEEPING)
        watcher.send_signal(number)
        holder.kill()
    try:
        until(lambda: not lives(pid))
    finally:
        if lives(pid):
            psutil.Process(pid).kill()


def watchers(pid: int) -> list[psutil.Process]:
    """Find the watchers that a process has started."""
    return [child for child in psutil.Process(pid).children() if "rawline-leash" in child.cmdline()]


def ignores(pid: int, number: signal.Signals) -> bool:
    """Tell whether a process ignores a signal."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))
    return bool(mask >> (number - 1) & 1)


def test_a_good_end_touches_nobody() -> None:
    """The block's own clearing decides what becomes of the group; the watcher itself is gone."""
    before = set(psutil.Process().children())
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as group:
        with leash() as held:
            held.hold(group.pid)
        with leash():
            pass
        assert {child.pid for child in set(psutil.Process().children()) - before} == {group.pid}
        assert group.poll() is None
        group.kill()


def test_the_group_named_last_is_held() -> None:
    """A server that was started again is the one that must not be left."""
    code = HOLDER.replace("held.hold(group.pid)", "held.hold(999999999); held.hold(group.pid)")
    words = [sys.executable, "-c", code, "sh", "-c", "echo $$; exec sleep 300"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        pid = int(holder.stdout.readline())
        holder.kill()
    until(lambda: not lives(pid))
