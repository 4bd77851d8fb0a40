"""An execution's owner is told from any other process."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.record import locks, processes
from stages.core.errors import InfrastructureError


def test_an_owner_lives_until_its_process_ends() -> None:
    """This process lives; a later one with the same number is another; a zombie is dead."""
    me = processes.owner()
    assert me.is_alive()
    assert not replace(me, created=me.created - 100).is_alive()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        other = processes.owner(child.pid)
        assert other.is_alive()
        child.kill()
        while child.stdin and other.is_alive():
            pass  # a zombie until it is waited for
        assert not other.is_alive()


def test_dvc_is_found_above_a_shell() -> None:
    """The nearest dvc among the ancestors is the owner; a shell whose command mentions dvc is not."""
    code = "from pipelines.record.processes import dvc_ancestor; print(dvc_ancestor() is None)"
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -c '{code}' dvc repro; true"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    """A second holder waits and then says who could not; a dead holder holds nothing."""
    lock = tmp_path / "a.lock"
    assert not locks.is_held(lock)
    with locks.locked(lock):
        assert locks.is_held(lock)
        with pytest.raises(InfrastructureError, match="held by another process"), locks.locked(lock, timeout_s=0.05):
            pass
    assert not locks.is_held(lock)
    imports = "import os\nfrom pathlib import Path\nfrom pipelines.record.locks import locked\n"
    holder = f"{imports}with locked(Path({str(lock)!r})):\n    os._exit(9)"
    subprocess.run([sys.executable, "-c", holder], check=False)
    assert not locks.is_held(lock)
