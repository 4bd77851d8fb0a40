"""One stage runs once in a folder, and not longer than the dvc that started it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipelines import guard
from stages.core.errors import InfrastructureError

HOLD = "from pipelines import guard\nwith guard.alone('finetune@classify'):\n    print('held', flush=True)\n    input()"
STAGE = (
    "import os, time\nfrom pipelines import guard\n"
    "with guard.bound():\n    print(os.getpid(), flush=True)\n    time.sleep(3600)"
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_a_stage_that_runs_already_is_named_with_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second process says who holds the stage; another stage and another folder are free; death lets go."""
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(InfrastructureError, match=f"runs here already.*kill {other.pid}"),
            guard.alone("finetune@classify", 0),
        ):
            pass
        with guard.alone("finetune@detect", 0):
            pass
        (tmp_path / "copy").mkdir()
        monkeypatch.chdir(tmp_path / "copy")
        with guard.alone("finetune@classify", 0):
            pass
        monkeypatch.chdir(tmp_path)
        other.kill()
    with guard.alone("finetune@classify", 0):
        pass


def test_a_deployment_is_served_once() -> None:
    """The second is told whom to end, or to take another name; death lets go."""
    code = "from pipelines import guard\nwith guard.serving('nightly-p-1'):\n    print('held', flush=True)\n    input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(InfrastructureError, match=f"nightly-p-1 is served already.*--name.*kill {other.pid}"),
            guard.serving("nightly-p-1", 0),
        ):
            pass
        with guard.serving("weekly-p-1", 0):
            pass
        other.kill()
    with guard.serving("nightly-p-1", 0):
        pass


def test_a_stage_ends_when_its_dvc_was_killed(tmp_path: Path) -> None:
    """Kill -9 reaches dvc alone; its stage would train on beside the next one, for nobody."""
    (tmp_path / "dvc").write_text(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {STAGE!r}])\n")
    with subprocess.Popen([sys.executable, "dvc", "repro"], stdout=subprocess.PIPE, text=True) as dvc:
        assert dvc.stdout
        stage = psutil.Process(int(dvc.stdout.readline()))
        os.kill(dvc.pid, signal.SIGKILL)
        end = time.monotonic() + 300
        try:
            with contextlib.suppress(psutil.NoSuchProcess):
                while stage.status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
                    time.sleep(0.1)
            assert time.monotonic() < end
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                stage.kill()
