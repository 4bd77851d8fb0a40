"""Keeps the shared Prefect server: starts it, mends it when it ends, and ends it after its last user.

A process of its own, so that no command that uses the server has to be the one that outlives the others.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pipelines import interrupts, leash, prefect_server, services, shared_lock
from pipelines.prefect_server import HEALTH, KEEPER, NOTE, USERS
from pipelines.record import locks
from pipelines.services import Service
from stages.core.errors import InfrastructureError

LOOK_S = 0.25


def keep(folder: Path, port: int, database: Path | None) -> None:
    """Keep a server while it has users.

    Args:
        folder: from ``prefect_server.place``.
        port: the first one tried.
        database: from ``prefect_server.database``.

    Raises:
        InfrastructureError: the server does not start, another keeper is there, or another server has the database.
    """
    with contextlib.ExitStack() as until_the_end, locks.locked(folder / KEEPER, prefect_server.ANSWER_S), _alone(database):
        while True:
            with _server(folder, port) as service:
                port = service.port
                if _last_one_left(folder, service, until_the_end):
                    break


@contextlib.contextmanager
def _alone(database: Path | None) -> Iterator[None]:
    """Hold a database of one file: a server of another container, network or version of Prefect has a keeper of its own."""
    with contextlib.ExitStack() as held:
        if database:
            try:
                held.enter_context(locks.locked(Path(f"{database}.rawline.lock"), prefect_server.ANSWER_S))
            except InfrastructureError as error:
                told = f"{database} is in use by a Prefect server of another container, network or version of Prefect"
                raise InfrastructureError(
                    f"{told}; set PREFECT_HOME to another folder here, or PREFECT_API_URL to a server that both reach"
                ) from error
        yield


@contextlib.contextmanager
def _server(folder: Path, port: int) -> Iterator[Service]:
    """Run a server that answers, and announce it; nothing of it outlives the block or this process."""
    with leash.leash(services.GRACE_S) as held:

        def begin(at: int) -> Service:
            service = prefect_server.start(at, folder / "logs", prefect_server.login(folder))
            held.hold(service.process.pid)
            return service

        service = services.ready(begin(port), HEALTH, begin)
        try:
            prefect_server.announce(folder, service)
            yield service
        finally:
            (folder / NOTE).unlink(missing_ok=True)
            services.stop(service)


def _last_one_left(folder: Path, service: Service, until_the_end: contextlib.ExitStack) -> bool:
    """Wait until nobody uses the server, and let nobody in from then on; False when the server has ended before."""
    while service.process.poll() is None:
        with contextlib.ExitStack() as attempt:
            if attempt.enter_context(shared_lock.unused(folder / USERS)):
                until_the_end.push(attempt.pop_all())
                return True
        time.sleep(LOOK_S)
    return False


if __name__ == "__main__":
    os.umask(0o077)  # a new database is its owner's alone, as the server's answers are
    with interrupts.interruptible():
        try:
            keep(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]) if sys.argv[3] else None)
        except InfrastructureError as fault:
            print(fault)  # noqa: T201 - into keeper.log, which the command that waits quotes
            sys.exit(1)
