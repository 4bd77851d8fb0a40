"""Servers on loopback: each in its own process group, on a free port, waited for, and stopped whole."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pipelines.dvc_stage import end_group
from stages.core.errors import InfrastructureError

HOST = "127.0.0.1"
STARTUP_S = 90.0
GRACE_S = 10.0


@dataclass(frozen=True)
class Service:
    """A server that was started here.

    Attributes:
        name: as people know it.
        address: where its page is.
        process: the leader of its process group.
        log: file with its output.
    """

    name: str
    address: str
    process: "subprocess.Popen[str]"
    log: Path


def free_port(preferred: int) -> int:
    """Return the first port from ``preferred`` on that nobody listens on."""
    for port in range(preferred, preferred + 100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise InfrastructureError(f"no port from {preferred} to {preferred + 99} is free on {HOST}")


def answers(url: str, timeout_s: float = 3.0) -> bool:
    """Tell whether a server answers at a URL with success."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - http on loopback or the user's own URL
            return bool(answer.status < 300)  # noqa: PLR2004 - HTTP's success
    except (OSError, ValueError, urllib.error.URLError):
        return False


def start(name: str, command: Sequence[str], address: str, log: Path, env: Mapping[str, str]) -> Service:
    """Start a server without waiting for it; see ``wait``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            list(command), env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
    return Service(name, address, process, log)


def wait(service: Service, health: str, timeout_s: float | None = None) -> None:
    """Wait until a server answers.

    Args:
        service: from ``start``.
        health: path below its address that answers when it is ready.
        timeout_s: how long; PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS or 90 s when None.

    Raises:
        InfrastructureError: it ended or did not answer in time; the last line of its log is quoted.
    """
    limit = timeout_s or float(os.environ.get("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", STARTUP_S))
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if answers(f"{service.address}{health}"):
            return
        if service.process.poll() is not None:
            raise InfrastructureError(f"{service.name} ended with status {service.process.returncode}: {_last(service.log)}")
        time.sleep(0.1)
    raise InfrastructureError(f"{service.name} did not answer within {limit:g} s; see {service.log}")


def stop(service: Service) -> None:
    """End a server and everything it started."""
    end_group(service.process, GRACE_S)
    service.process.wait()


@contextlib.contextmanager
def running(service: Service, health: str) -> Iterator[Service]:
    """Wait for a server, and end it when the block is left."""
    try:
        wait(service, health)
        yield service
    finally:
        stop(service)


@dataclass
class Interrupt:
    """Whether Ctrl-C or SIGTERM came.

    Attributes:
        number: the signal, 0 while none came.
    """

    number: int = 0

    @property
    def status(self) -> int:
        """Return the exit status that says so: 128 and the signal's number."""
        return 128 + self.number if self.number else 0

    def wait(self) -> None:
        """Sleep until one comes; it ends the block of ``interruptible``."""
        while True:
            signal.pause()


@contextlib.contextmanager
def interruptible(*numbers: int) -> Iterator[Interrupt]:
    """End the block on Ctrl-C or SIGTERM, in good order; a second signal does not cut the clearing short.

    Args:
        numbers: the signals taken over; SIGINT and SIGTERM when none is given.
    """
    interrupt = Interrupt()

    def handle(number: int, _frame: FrameType | None) -> None:
        if not interrupt.number:
            interrupt.number = number
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in numbers or (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    except BaseException as error:
        if isinstance(error, Exception | SystemExit):
            raise
        interrupt.number = interrupt.number or signal.SIGTERM  # Prefect's own TerminationSignal
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _last(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
