"""Finds the Prefect server to talk to: the one that is configured, or one that all projects of a user share.

A real server, never one per process over one sqlite file. The database lies in PREFECT_HOME, so the shared server belongs
to that folder: who uses it holds a lock there, and a keeper process (``prefect_keeper``) ends it after the last one. Where a
second one would be needed over that file, since the first cannot be reached from here, it is refused.
"""

import contextlib
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from sqlalchemy.engine import make_url

from pipelines import services, settings, shared_lock
from pipelines.record import identity, locks, processes
from pipelines.record.lockfile import digest
from pipelines.record.processes import Owner, owner
from pipelines.redaction import link, redact
from pipelines.services import HOST, Service
from stages.core import files
from stages.core.errors import DataError, InfrastructureError

PORT = 4200
HEALTH = "/api/health"
USERS, KEEPER, START, NOTE = "users.lock", "keeper.lock", "start.lock", "server.json"
LOGIN = "login"
FLUSH_S = 5.0
ANSWER_S = 30.0  # a busy server takes its time; one that is not there refuses at once
CLEARING_S = 30.0  # for the keeper to end its server
LOOK_S = 0.1
CODE = Path(__file__).resolve().parents[1]


def place() -> Path:
    """Return the folder of the shared server: one per user, machine, container, network and version of Prefect.

    Containers may share a home and a host's name, but not their processes: one would take the other's server for dead. With
    ``--pid=host`` they share those, but not the network: one would see the other's server live and never reach it.

    Raises:
        InfrastructureError: PREFECT_HOME cannot be written.
    """
    import prefect  # noqa: PLC0415 - prefect takes a second
    from prefect.settings import PREFECT_HOME  # noqa: PLC0415

    where = digest(f"{processes.boot()} {identity.namespace()} {identity.network()}")[:8]
    home = Path(PREFECT_HOME.value()) / "rawline" / f"{socket.gethostname()}-{prefect.__version__}-{where}"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InfrastructureError(
            f"{home} cannot be made ({error.strerror}); set PREFECT_HOME to a folder of yours"
        ) from error
    return home


def database() -> Path | None:
    """Return the file that a server started here would keep everything in; None where a database server is configured."""
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL  # noqa: PLC0415 - prefect takes a second

    url = make_url(str(PREFECT_API_DATABASE_CONNECTION_URL.value()))
    is_file = url.get_backend_name() == "sqlite" and url.database and ":memory:" not in url.database
    return Path(str(url.database)) if is_file else None


def login(folder: Path) -> str:
    """Return what the shared server asks of everyone, ``rawline:...``; made once per PREFECT_HOME.

    Loopback is open to every user of the machine, and to every web page that a browser here shows. A file without a login,
    an empty one for instance, is written anew: the server would answer everyone.

    Args:
        folder: from ``place``; the file lies beside it, for its owner's eyes alone, and outlives a start of the machine.
    """
    file = folder.parent / LOGIN
    with locks.locked(file.with_suffix(".lock")):
        if not _is_login(file):
            made = file.with_suffix(".new")
            made.unlink(missing_ok=True)
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
                output.write(f"rawline:{secrets.token_urlsafe(18)}")
                output.flush()
                os.fsync(output.fileno())
            made.rename(file)
        return file.read_text(encoding="utf-8").strip()


def _is_login(file: Path) -> bool:
    """Tell whether a file holds a login as Prefect compares it: a name, a colon and a word of some length."""
    with contextlib.suppress(FileNotFoundError):
        return bool(re.fullmatch(r"[^\s:]+:[!-~]{16,}", file.read_text(encoding="utf-8", errors="replace").strip()))
    return False


def configured() -> str | None:
    """Return the API address that the user set (PREFECT_API_URL or a Prefect profile), or None."""
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 - prefect takes a second

    url = PREFECT_API_URL.value()
    return str(url) if url else None


def answers(api: str, timeout_s: float = ANSWER_S) -> bool:
    """Tell whether the server with this API address answers."""
    return services.answers(f"{api.rstrip('/')}/health", timeout_s)


def start(port: int = PORT, logs: Path | None = None, auth: str | None = None) -> Service:
    """Start a server on loopback; see ``services.wait``. Pages of other origins may not read its answers.

    Args:
        port: this one or the next free one.
        logs: folder of its log; the project's when None.
        auth: what it asks of everyone; see ``login``. None: it answers everyone.
    """
    port = services.free_port(port)
    address = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    env = {
        **settings.QUIET,
        "PREFECT_API_URL": f"{address}/api",
        "PREFECT_SERVER_UI_API_URL": f"{address}/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{address},http://localhost:{port}",
        **({"PREFECT_SERVER_API_AUTH_STRING": auth, "PREFECT_API_AUTH_STRING": auth} if auth else {}),
    }
    log = (logs or settings.state() / "logs") / f"prefect-{port}.log"
    return services.start("Prefect's server", command, address, log, env)


def announce(folder: Path, service: Service) -> None:
    """Note where our server is and which process it is."""
    files.write_json(folder / NOTE, {"api": f"{service.address}/api", **owner(service.process.pid).noted()})


def announced(folder: Path) -> str | None:
    """Return the address of our server; None while the noted process is gone, does not listen there, or does not answer."""
    server, api = _noted(folder) or (None, "")
    if server and server.is_alive() and services.listens(server.pid, services.port_of(api)) and answers(api):
        return api
    return None


def _noted(folder: Path) -> tuple[Owner, str] | None:
    """Return the process of our server and its address as they were announced."""
    with contextlib.suppress(DataError, KeyError, TypeError, ValueError):
        note = files.read_json(folder / NOTE)
        return Owner.read(note), str(note["api"])
    return None


def found() -> str | None:
    """Return the API address of the server that a flow would use: the configured one, or the shared one if it runs.

    Raises:
        InfrastructureError: the configured server does not answer.
    """
    if not (url := configured()):
        return announced(place())
    if not answers(url):
        words = f"the Prefect server at {redact(url)} does not answer (PREFECT_API_URL)"
        raise InfrastructureError(f"{words}; start it, or run without Prefect: dvc repro")
    return url


@contextlib.contextmanager
def connected(port: int = PORT) -> Iterator[str]:
    """Talk to the server that is configured, or to the shared one, which lives as long as anyone is in such a block.

    Args:
        port: the first one tried for a server of our own.

    Yields:
        The API's address; Prefect in this process and in those it starts uses it.

    Raises:
        InfrastructureError: the user's server does not answer, or ours does not start.
    """
    if configured() and (url := found()):
        with using(url):
            yield url
        return
    folder = place()
    with _shared(folder, port) as api, using(api, login(folder)):
        yield api


@contextlib.contextmanager
def _shared(folder: Path, port: int) -> Iterator[str]:
    try:
        with shared_lock.shared(folder / USERS, CLEARING_S + services.STARTUP_S):
            yield _ensure(folder, port)
    finally:
        end = time.monotonic() + CLEARING_S
        while time.monotonic() < end and locks.is_held(folder / KEEPER) and not shared_lock.has_users(folder / USERS):
            time.sleep(LOOK_S)  # the last one leaves nothing behind, not even for a moment


def restored(api: str) -> str:
    """Return the address of the shared server, which its user found gone; start its keeper anew where that is gone too.

    Args:
        api: the address it had; it comes back there unless another program has taken the port.

    Raises:
        InfrastructureError: it does not start.
    """
    return _ensure(place(), services.port_of(api))


def _ensure(folder: Path, port: int) -> str:
    """Return the address of the shared server; start its keeper where there is none."""
    keeper: psutil.Process | None = None
    begun = time.monotonic()
    end = begun + 2 * services.startup_s()
    with locks.locked(folder / START, 2 * services.startup_s()):  # two that come at once start one
        while time.monotonic() < end:
            if api := announced(folder):
                return api
            if not locks.is_held(folder / KEEPER):
                if keeper:
                    _require_alive(keeper, folder)
                keeper = keeper or _start_keeper(folder, port)
            time.sleep(LOOK_S)
    raise InfrastructureError(_silence(folder, time.monotonic() - begun))


def _silence(folder: Path, waited_s: float) -> str:
    """Say in one line why there is no server, and what to do."""
    noted = _noted(folder)
    if noted and noted[0].is_alive():
        server, api = noted
        told = f"the shared Prefect server at {api} (process {server.pid}) has not answered for {waited_s:.0f} s"
        return f"{told}; let it go on (kill -CONT {server.pid}) or end it (kill -9 {server.pid}), then try again"
    if word := _last_word(folder):
        return word
    told = f"no shared Prefect server has come up within {waited_s:.0f} s; see {folder / 'logs'}"
    return f"{told} and who holds it (fuser {folder / KEEPER}), or set PREFECT_API_URL to a server of yours"


def _require_alive(keeper: psutil.Process, folder: Path) -> None:
    """Refuse to wait for a keeper that has ended; as our child it would stay a zombie, which psutil takes for running.

    Raises:
        InfrastructureError: it has ended, with the last line of its log.
    """
    try:
        status = keeper.wait(0)
    except psutil.TimeoutExpired:
        return
    told = f"the keeper of the shared Prefect server has ended with status {status} without a word; see {folder / 'logs'}"
    raise InfrastructureError(_last_word(folder) or told)


def _last_word(folder: Path) -> str | None:
    """Return the last line that a keeper wrote; None where it wrote nothing."""
    log = folder / "keeper.log"
    return services.last_line(log) if log.is_file() and log.stat().st_size else None


def _start_keeper(folder: Path, port: int) -> psutil.Process:
    """Start the keeper in a session of its own: it outlives this process when others use the server."""
    command = [sys.executable, "-m", "pipelines.prefect_keeper", str(folder), str(port), str(database() or "")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAWLINE_")}
    with (folder / "keeper.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=CODE, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    process.returncode = 0  # it outlives this process on purpose; else Popen complains of that when it is collected
    return psutil.Process(process.pid)


def shown(api: str, *, ours: bool) -> str:
    """Return what a command says of its server.

    Args:
        api: the API's address.
        ours: it is the shared server, whose page asks for a login.
    """
    return f"Prefect   {page(api)}{' (rawline ui prints the login)' if ours else ''}"


def page(api: str) -> str:
    """Return the address of the page for people.

    Example:
        >>> page("http://127.0.0.1:4200/api")
        'http://127.0.0.1:4200'
    """
    return link(api).rstrip("/").removesuffix("/api")


@contextlib.contextmanager
def using(api: str, auth: str | None = None) -> Iterator[None]:
    """Have Prefect in this process and in those it starts talk to this API in the block.

    Args:
        api: its address.
        auth: what the server asks for; what is configured when None.
    """
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings  # noqa: PLC0415 - a second

    told = {"PREFECT_API_URL": api, **({"PREFECT_API_AUTH_STRING": auth} if auth else {})}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        with temporary_settings({PREFECT_API_URL: api, **({PREFECT_API_AUTH_STRING: auth} if auth else {})}):
            try:
                yield
            finally:
                _flush()
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _flush() -> None:
    """Send what Prefect still holds back; at exit it would wait a minute for a server that is gone."""
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 - prefect takes a second
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=FLUSH_S)
