"""Finds the Prefect server to talk to, or starts one: one real server, never one per process over one sqlite file."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pipelines import services, settings
from pipelines.services import HOST, Service
from stages.core import files
from stages.core.errors import InfrastructureError

PORT = 4200
HEALTH = "/api/health"
FLUSH_S = 5.0


def note() -> Path:
    """Return the file that says where this project's own server listens while it runs."""
    return settings.state() / "prefect.json"


def configured() -> str | None:
    """Return the API address that the user set (PREFECT_API_URL or a Prefect profile), or None."""
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 - prefect takes a second

    url = PREFECT_API_URL.value()
    return str(url) if url else None


def found() -> str | None:
    """Return the API address of a server that answers: the user's, or this project's own.

    Raises:
        InfrastructureError: the user's server does not answer.
    """
    if url := configured():
        if not services.answers(f"{url.rstrip('/')}/health"):
            raise InfrastructureError(
                f"the Prefect server at {url} does not answer (PREFECT_API_URL); start it, or run without Prefect: dvc repro"
            )
        return url
    if note().exists() and services.answers(f"{(own := str(files.read_json(note())['api']))}/health"):
        return own
    return None


def start(port: int = PORT) -> Service:
    """Start a server on loopback, on this port or the next free one; see ``services.wait``."""
    port = services.free_port(port)
    address = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    env = {**settings.QUIET, "PREFECT_API_URL": f"{address}/api", "PREFECT_SERVER_UI_API_URL": f"{address}/api"}
    return services.start("Prefect's server", command, address, settings.state() / "logs" / f"prefect-{port}.log", env)


@contextlib.contextmanager
def announced(service: Service) -> Iterator[Service]:
    """Wait for our server, tell other commands of this project where it is, and end it when the block is left."""
    with services.running(service, HEALTH):
        files.write_json(note(), {"api": f"{service.address}/api"})
        try:
            yield service
        finally:
            note().unlink(missing_ok=True)


@contextlib.contextmanager
def connected(port: int = PORT) -> Iterator[str]:
    """Talk to the server that is there, or to one that lives as long as the block.

    Args:
        port: the first one tried for a server of our own.

    Yields:
        The API's address; Prefect in this process and in those it starts uses it.

    Raises:
        InfrastructureError: the user's server does not answer, or ours does not start.
    """
    if api := found():
        with _using(api):
            yield api
        return
    with announced(start(port)) as service, _using(f"{service.address}/api"):
        yield f"{service.address}/api"


def page(api: str) -> str:
    """Return the address of the page for people.

    Example:
        >>> page("http://127.0.0.1:4200/api")
        'http://127.0.0.1:4200'
    """
    return api.rstrip("/").removesuffix("/api")


@contextlib.contextmanager
def _using(api: str) -> Iterator[None]:
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415 - prefect takes a second

    before = os.environ.get("PREFECT_API_URL")
    os.environ["PREFECT_API_URL"] = api
    try:
        with temporary_settings({PREFECT_API_URL: api}):
            try:
                yield
            finally:
                _flush()
    finally:
        os.environ.pop("PREFECT_API_URL")
        if before is not None:
            os.environ["PREFECT_API_URL"] = before


def _flush() -> None:
    """Send what Prefect still holds back; at exit it would wait a minute for a server that is gone."""
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 - prefect takes a second
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=FLUSH_S)
