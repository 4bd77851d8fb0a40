"""A server that is lost while a schedule's stage is at work, or before its run begins: both go on."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipelines import prefect_server
from pipelines.record import locks
from tests.pipeline.flow_project import WAIT_S, until
from tests.pipeline.test_serve import RARELY, ask_for_a_run, in_its_stage, served, state
from tests.projects import make_project

pytestmark = pytest.mark.long
WAITING = (
    "stages:\n  a: {cmd: 'echo $$ > pid; while test ! -e go; do sleep 0.2; done; echo run >> runs; echo a > a', outs: [a]}\n"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a PREFECT_HOME of its own, and see that no server of it is left."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", str(WAIT_S))
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path / "home"
    until(lambda: not any(locks.is_held(keeper) for keeper in (tmp_path / "home").glob("rawline/*/keeper.lock")))


def test_a_killed_keeper_costs_neither_the_run_nor_the_schedule(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server comes back through a new keeper, the stage runs once, its run is Completed, and the next run comes."""
    root = make_project(tmp_path / "p", WAITING)
    with served(root, *RARELY) as process:
        until(lambda: [*home.glob("rawline/*/server.json")])
        (note,) = home.glob("rawline/*/server.json")
        api = json.loads(note.read_text())["api"]
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", prefect_server.login(note.parent))
        run = in_its_stage(api, root, process)
        server = psutil.Process(json.loads(note.read_text())["pid"])
        keeper = server.parent()
        assert keeper
        assert "pipelines.prefect_keeper" in keeper.cmdline()
        keeper.send_signal(signal.SIGKILL)
        until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
        until(lambda: note.exists() and json.loads(note.read_text())["pid"] != server.pid and prefect_server.answers(api))
        (root / "go").touch()
        until(lambda: state(api, run) == "COMPLETED")
        assert (root / "runs").read_text() == "run\n"
        again = ask_for_a_run(api, root)
        until(lambda: state(api, again) == "COMPLETED")
        assert process.poll() is None


LOSES = """
import os, pathlib, sys
if "pipelines.served_run" in sys.orig_argv:
    lost = pathlib.Path("lost")
    if not lost.exists():
        lost.touch()
        os.environ["PREFECT_API_URL"] = "http://127.0.0.1:1/api"
"""


def test_a_run_that_loses_the_server_before_it_begins_is_taken_again(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was claimed and nothing of it ran: it goes back, its stage runs once, and it is Completed."""
    root = make_project(tmp_path / "p", WAITING)
    (root / "go").touch()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(LOSES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    with served(root, *RARELY) as process:
        (note,) = home.glob("rawline/*/server.json")
        api = json.loads(note.read_text())["api"]
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", prefect_server.login(note.parent))
        run = ask_for_a_run(api, root)
        until(lambda: state(api, run) in {"COMPLETED", "CRASHED", "FAILED"})
        assert state(api, run) == "COMPLETED"
        assert (root / "lost").exists()
        assert (root / "runs").read_text() == "run\n"
        assert process.poll() is None
