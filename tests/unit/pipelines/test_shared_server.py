"""The login of the shared Prefect server is told to no other program that listens on its port."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipelines import prefect_server
from pipelines.record import processes
from stages.core import files


@pytest.fixture
def stranger() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Answer everything on a free port; yield the API's address there and the heads of all requests."""
    heads: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heads.append(dict(self.headers))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api", heads
        server.shutdown()
        thread.join()


def test_who_took_the_port_is_asked_nothing_and_ours_without_a_login(
    stranger: tuple[str, list[dict[str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The noted process lives, but another one listens; of ours, no more is asked than whether it is well."""
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "rawline:w0rd-of-mine")
    api, heads = stranger
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        files.write_json(tmp_path / prefect_server.NOTE, {"api": api, **processes.owner(other.pid).noted()})
        assert prefect_server.announced(tmp_path) is None
        other.communicate(b"\n")
    assert heads == []
    files.write_json(tmp_path / prefect_server.NOTE, {"api": api, **processes.owner().noted()})
    assert prefect_server.announced(tmp_path) == api
    assert [head for head in heads if "authorization" in {name.lower() for name in head}] == []
    assert len(heads) == 1
