"""A server that does not start says why, and one whose port another took for a moment is started on the next."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import services
from stages.core.errors import InfrastructureError

UVICORN = """
import sys, uvicorn
async def app(scope, receive, send): ...
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
"""


def test_a_port_that_was_taken_and_is_free_again_is_no_fault_of_the_server(tmp_path: Path) -> None:
    """Another one listened while ours wanted to, and had gone before anyone looked: the next port is tried."""
    with socket.create_server((services.HOST, 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "-c", UVICORN, str(port)]
        service = services.start("a server", command, f"http://{services.HOST}:{port}", tmp_path / "log", {})
        assert service.process.wait(60) != 0
    with pytest.raises(services.PortTaken, match="already in use"):
        services.wait(service, "/")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("raise OSError('no space')", "OSError: no space"),
        ("import asyncio; raise asyncio.InvalidStateError('early')", "asyncio.exceptions.InvalidStateError: early"),
        (
            "print('10:00 | ERROR   | uvicorn - it failed'); print('Server stopped!'); raise SystemExit(3)",
            "uvicorn - it failed",
        ),
        ("print('no such module'); raise SystemExit(3)", "no such module"),
        ("raise SystemExit(3)", services.SILENT),
    ],
    ids=["an error", "an error of a package", "a line of a log", "words alone", "nothing"],
)
def test_the_reason_is_quoted_and_not_the_farewell(said: str, told: str, tmp_path: Path) -> None:
    """What a log says last is not always why."""
    log = tmp_path / "log"
    with log.open("w") as output:
        subprocess.run([sys.executable, "-c", said], stdout=output, stderr=output, check=False)
    if "rror" in told:
        log.write_text(log.read_text() + "\nServer stopped!\n")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"], text=True)
    process.wait()
    port = services.free_port(4960)
    with pytest.raises(InfrastructureError, match="ended with status 3: ") as caught:
        services.wait(services.Service("a server", f"http://{services.HOST}:{port}", process, log), "/")
    assert told in str(caught.value)
    assert not isinstance(caught.value, services.PortTaken)


def test_a_database_that_is_in_use_is_no_port_that_is_taken(tmp_path: Path) -> None:
    """It would be tried on twenty ports, each as long as a server takes to start."""
    words = "OperationalError: database lock file is already in use by pid 7"
    command = [sys.executable, "-c", f"raise SystemExit({words!r})"]
    service = services.start("a server", command, f"http://{services.HOST}:{services.free_port(4970)}", tmp_path / "log", {})
    with pytest.raises(InfrastructureError, match="already in use by pid 7") as caught:
        services.wait(service, "/")
    assert not isinstance(caught.value, services.PortTaken)
    for told in (
        "[Errno 98] error while attempting to bind on ('127.0.0.1', 1): address already in use",
        "Port 1 is already in use.",
    ):
        assert services.TAKEN.search(told)
