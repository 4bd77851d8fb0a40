"""However a flow is ended, nothing of it lives on."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.pipeline.flow_project import RAWLINE, WAIT_S, alive, latest, server, shows, until, works
from tests.projects import make_project

__all__ = ["server"]  # a fixture


def started(root: Path, *before: str) -> "subprocess.Popen[bytes]":
    """Start the flow over a stage that would take long, hearing SIGHUP whatever runs the tests, and wait for the stage."""
    make_project(root, "stages:\n  a: {cmd: 'echo $$ > pid; sleep 7200 & wait', outs: [a]}\n")
    hearing = "" if before else "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    process = subprocess.Popen(
        [*before, sys.executable, "-c", f"{hearing}{RAWLINE[2]}", "flow"],
        cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: (root / "pid").exists() and (root / "pid").read_text().strip())
    return process


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, *(pytest.param(n, marks=pytest.mark.long) for n in (signal.SIGINT, signal.SIGHUP))]
)
def test_a_signal_leaves_no_orphan(server: str, tmp_path: Path, number: signal.Signals) -> None:
    """The stage's processes end with the flow, also when it comes twice, and the exit status names the signal."""
    process = started(tmp_path)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    process.send_signal(number)
    assert process.wait(timeout=WAIT_S) == 128 + number
    assert not alive(tmp_path / "pid")
    assert not [child.cmdline() for child in family if works(child)]
    shows(server, {"a": "Cancelled"})


@pytest.mark.long
def test_a_killed_flow_leaves_no_orphan(server: str, tmp_path: Path) -> None:
    """Kill -9 reaches the flow alone; dvc and the stage's processes end all the same."""
    process = started(tmp_path)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    until(lambda: not any(works(child) for child in family))
    assert not alive(tmp_path / "pid")


@pytest.mark.long
def test_nohup_means_it(server: str, tmp_path: Path) -> None:
    """A flow that was told to ignore the terminal's end goes on."""
    process = started(tmp_path, "nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(2)
    assert process.poll() is None
    assert alive(tmp_path / "pid")
    process.terminate()
    assert process.wait(timeout=WAIT_S) == 128 + signal.SIGTERM


@pytest.mark.long
def test_a_flow_cancelled_on_its_page_leaves_no_orphan(server: str, tmp_path: Path) -> None:
    """Nobody sends a signal to a flow that no runner started: it asks, and ends its stages."""
    process = started(tmp_path)
    body = json.dumps({"state": {"type": "CANCELLING"}, "force": True}).encode()
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        f"{server}/flow_runs/{latest(server)['id']}/set_state", body, headers={"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=WAIT_S).close()  # noqa: S310
    assert process.wait(timeout=WAIT_S) == 1
    assert not alive(tmp_path / "pid")
    assert latest(server)["state"]["type"] == "CANCELLED"
