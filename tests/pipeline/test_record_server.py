"""With MLflow out of reach a stage finishes; its record is kept and sent later, complete and once."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline import toy


class Server:
    """A real MLflow server on loopback that can be stopped and started."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{self.root}/server.db", "--artifacts-destination", str(self.root / "kept"),
        ]  # fmt: skip
        with (self.root / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 90
        while not self.answers():
            assert time.monotonic() < end, (self.root / "server.log").read_text()[-2000:]
            time.sleep(0.2)

    def answers(self) -> bool:
        """Tell whether it is up."""
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:  # noqa: S310 - loopback
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def stop(self) -> None:
        """Stop it with all its workers."""
        import os  # noqa: PLC0415
        import signal  # noqa: PLC0415

        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a server that is not running yet."""
    server = Server(tmp_path)
    yield server
    server.stop()


def test_a_record_that_mlflow_missed_is_sent_later_whole_and_once(server: Server, tmp_path: Path) -> None:
    """Down: the stage ends well with one warning, soon. Up: sync sends all of it; a second sync adds nothing."""
    project = toy.make(tmp_path / "project", dvc=False)
    project.env = {"MLFLOW_TRACKING_URI": server.uri}
    begin = time.monotonic()
    done = project.rawline("stage", "acquire")
    assert done.returncode == 0
    assert (project.root / "data/acquire/numbers.txt").exists()
    warnings = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(warnings) == 1, done.stderr
    assert "is out of reach: nothing answers there (connection refused)" in warnings[0]
    assert "rawline sync" in warnings[0]
    assert time.monotonic() - begin < 45
    down = project.rawline("sync")
    assert down.returncode == 1
    assert "out of reach" in down.stderr
    server.start()
    for _ in range(2):
        sent = project.rawline("sync")
        assert sent.returncode == 0, sent.stderr
        assert len((sent.stdout + sent.stderr).splitlines()) == 1, sent.stdout
        (parent,) = project.parents()
        (run,) = project.children(parent).values()
        assert (parent.info.status, run.info.status) == ("FINISHED", "FINISHED")
        curve = project.client.get_metric_history(run.info.run_id, "train/loss")
        assert [(m.step, m.value) for m in curve] == [(0, 1.0), (1, 0.5)]
        assert [a.path for a in project.client.list_artifacts(run.info.run_id, "outs")] == ["outs/numbers.txt"]
    assert "MLflow has everything" in sent.stdout


def test_curves_grow_in_mlflow_and_outlive_the_server(server: Server, tmp_path: Path) -> None:
    """Epochs are seen while the stage runs; the server goes away and comes back in the middle, and nothing is missing."""
    project = toy.make(tmp_path / "project", dvc=False)
    project.env = {"MLFLOW_TRACKING_URI": server.uri}
    project.set("acquire", num_epochs=40, sleep_s=0.5)
    server.start()
    stage = project.start(sys.executable, "toy.py", "stage", "acquire")
    end = time.monotonic() + 60
    seen = 0
    while seen < 2 and time.monotonic() < end:
        time.sleep(0.3)
        run = next((r for r in project.runs() if r.info.run_name == "acquire"), None)
        seen = len(project.client.get_metric_history(run.info.run_id, "train/loss")) if run else 0
    assert stage.poll() is None
    assert seen >= 2
    server.stop()
    time.sleep(4)
    server.start()
    output, _ = stage.communicate(timeout=90)
    assert stage.returncode == 0, output
    project.settle()
    project.rawline("sync")
    (parent,) = project.parents()
    run = project.children(parent)["acquire"]
    assert len(project.client.get_metric_history(run.info.run_id, "train/loss")) == 40
    assert run.info.status == "FINISHED"
