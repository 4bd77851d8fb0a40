"""Servers on loopback: each in its own process group, on a free port, waited for, and stopped whole."""

import contextlib
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from pipelines.dvc_stage import end_group
from stages.core.errors import InfrastructureError

HOST = "127.0.0.1"
STARTUP_S = 90.0
ANSWER_S = 10.0
PORTS = 20  # tried one after the other where others start servers at the same time
GRACE_S = 10.0
SILENT = "it said nothing"
TAKEN = re.compile(r"\b(?:address|port \d+(?: is)?) already in use\b", re.IGNORECASE)  # as the system says it, and Prefect
REASONS = (TAKEN, re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception)\b"), re.compile(r"\b(?:ERROR|CRITICAL)\b"))


class PortTaken(InfrastructureError):  # noqa: N818 - a state of affairs
    """Another server was faster: it listens where ours should."""


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

    @property
    def port(self) -> int:
        """Return the port of its address."""
        return port_of(self.address)


def port_of(address: str) -> int:
    """Return the port of an address.

    Example:
        >>> port_of("http://127.0.0.1:4200/api")
        4200
    """
    return urlsplit(address).port or 80


def listens(pid: int, port: int) -> bool:
    """Tell whether a process, or one that it started, is the one that listens on a port."""
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        return any(_has(process, port) for process in (leader, *leader.children(recursive=True)))
    return False


def _has(process: psutil.Process, port: int) -> bool:
    with contextlib.suppress(psutil.Error):
        found = process.net_connections("tcp")
        return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in found)
    return False


def free_port(preferred: int) -> int:
    """Return the first port from ``preferred`` on that nobody listens on."""
    for port in range(preferred, preferred + 100):
        if _is_free(port):
            return port
    raise InfrastructureError(f"no port from {preferred} to {preferred + 99} is free on {HOST}")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


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
    """Wait until a server answers, and not another one in its place.

    Args:
        service: from ``start``.
        health: path below its address that answers when it is ready.
        timeout_s: how long; PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS or 90 s when None.

    Raises:
        PortTaken: another server listens on its port.
        InfrastructureError: it ended or did not answer in time; what its log gives as the reason is quoted.
    """
    limit = timeout_s or startup_s()
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if service.process.poll() is not None:
            raise _ended(service)
        if listens(service.process.pid, service.port) and answers(f"{service.address}{health}", ANSWER_S):
            return
        time.sleep(0.1)
    raise InfrastructureError(f"{service.name} did not answer within {limit:g} s; see {service.log}")


def startup_s() -> float:
    """Return how long a server may take to start: as Prefect's own setting for that says, else 90 s."""
    return float(os.environ.get("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", STARTUP_S))


def _ended(service: Service) -> InfrastructureError:
    """Say why a server has ended; who took its port may have gone again meanwhile, so its own words count too."""
    told = f"{service.name} ended with status {service.process.returncode}: {reason(service.log)}"
    taken = TAKEN.search(told) or not _is_free(service.port)
    return PortTaken(told) if taken else InfrastructureError(told)


def ready(service: Service, health: str, again: Callable[[int], Service]) -> Service:
    """Wait for a server; where another one took its port meanwhile, start it on the next.

    Args:
        service: from ``start``.
        health: path below its address that answers when it is ready.
        again: starts it on a port or the next free one.

    Raises:
        InfrastructureError: it ended or did not answer in time; nothing of it is left.
    """
    for turn in range(PORTS):
        try:
            wait(service, health)
        except PortTaken:
            stop(service)
            if turn == PORTS - 1:
                raise
            service = again(service.port + 1)
        except BaseException:
            stop(service)
            raise
        else:
            break
    return service


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


def last_line(log: Path) -> str:
    """Return the last line that says something."""
    return (_lines(log) or [SILENT])[-1]


def reason(log: Path) -> str:
    """Return the last line that says why a server did not start, else its last line: that may only be a farewell."""
    lines = _lines(log)
    told = (line for pattern in REASONS for line in reversed(lines) if pattern.search(line))
    return next(told, None) or (lines or [SILENT])[-1]


def _lines(log: Path) -> list[str]:
    return [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
