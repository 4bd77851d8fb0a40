"""Ends a process group when the process that started it is gone, also by kill -9, which nobody can catch."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

GRACE_S = 10.0
# It reads from a pipe that only we hold open: without the word for a good end, its end means that we are gone.
WATCH = """
trap '' HUP INT TERM
group=
while read -r word; do
    test "$word" = over && exit 0
    group=$word
done
test -n "$group" || exit 0
kill -s TERM -- "-$group" 2>/dev/null || exit 0
for turn in $(seq "$1"); do
    sleep 1
    kill -s 0 -- "-$group" 2>/dev/null || exit 0
done
kill -s KILL -- "-$group"
"""


class Leash:
    """Holds process groups that must not outlive this process."""

    def __init__(self, watcher: "subprocess.Popen[str]") -> None:
        self._watcher = watcher

    def hold(self, group: int) -> None:
        """Name the process group to end, in place of one named before."""
        self._say(f"{group}\n")

    def _say(self, text: str) -> None:
        with suppress(BrokenPipeError):  # it was killed; then nobody watches, and nothing else is lost
            if self._watcher.stdin:
                self._watcher.stdin.write(text)
                self._watcher.stdin.flush()


@contextmanager
def leash(grace_s: float = GRACE_S) -> Iterator[Leash]:
    """Watch over one process group while the block runs; what the block leaves alive is its own business.

    Args:
        grace_s: from SIGTERM to SIGKILL.

    Yields:
        What is told the group; it is there before the group begins, so that no moment is left open.
    """
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", WATCH, "rawline-leash", str(max(1, round(grace_s)))], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, start_new_session=True, cwd="/",
    )  # fmt: skip
    held = Leash(watcher)
    try:
        yield held
    finally:
        held._say("over\n")  # noqa: SLF001 - of this module
        if watcher.stdin:
            with suppress(BrokenPipeError):
                watcher.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            watcher.wait(timeout=GRACE_S)
        if watcher.poll() is None:
            watcher.send_signal(signal.SIGKILL)
            watcher.wait()
