"""Commands that use the shared Prefect server, over a PREFECT_HOME of a test's own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.record import locks

USER = (
    "import sys\nfrom pipelines import interrupts, prefect_server\n"
    "with interrupts.interruptible(), prefect_server.connected(int(sys.argv[1])) as api:\n"
    "    print(api, flush=True)\n    sys.stdin.read()"
)
WAIT_S = 1200.0


def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a PREFECT_HOME of a test's own, and see that no server of it is left."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", str(WAIT_S))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    yield tmp_path / "home"
    until(lambda: not any(locks.is_held(keeper) for keeper in (tmp_path / "home").glob("rawline/*/keeper.lock")))


def until(holds: Callable[[], bool], seconds: float = WAIT_S) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


class User:
    """A command that uses the server until it is let go."""

    def __init__(self, port: int, folder: Path, home: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **({"PREFECT_HOME": str(home)} if home else {})}
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(port)], cwd=folder, env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def api(self) -> str:
        """Return the address that it was given."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        """Let it end, and wait for that."""
        self.process.communicate("")
        assert self.process.returncode == 0
