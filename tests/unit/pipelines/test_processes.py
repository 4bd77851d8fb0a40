"""An execution's owner is told from any other process."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.record import dvc_command, locks, processes
from pipelines.record.processes import Owner
from stages.core.errors import InfrastructureError

LAUNCHES = [
    ["dvc"],
    ["/p/.venv/bin/dvc"],
    ["/opt/dvc/dvc"],
    [r"C:\p\Scripts\dvc.exe"],
    ["python", "-m", "dvc"],
    ["python", "-mdvc"],
    ["python3.11", "/p/.venv/bin/dvc"],
    ["/p/.venv/bin/python3", "-u", "/p/.venv/bin/dvc"],
    [r"C:\p\python.exe", r"C:\p\Scripts\dvc-script.py"],
    ["python", "-u", "-m", "dvc"],
    ["python", "-um", "dvc"],
    ["python", "-X", "dev", "-m", "dvc"],
    ["python", "-Xdev", "-W", "ignore", "-m", "dvc"],
    ["python", "-I", "-E", "-s", "/p/bin/dvc"],
    ["python3.14t", "-m", "dvc"],
    ["pypy3", "-m", "dvc"],
    ["python", "/p/lib/python3.11/site-packages/dvc/__main__.py"],
    ["python", "-c", "from dvc.cli import main; main()"],
    ["python", "-uc", "import dvc.cli, sys; dvc.cli.main(sys.argv[1:])"],
]
OTHERS = [
    [],
    ["bash", "-c", "dvc repro"],
    ["/bin/sh", "-c", "python -m dvc repro"],
    ["vim", "dvc.yaml"],
    ["python", "train.py", "dvc", "repro"],
    ["python", "-m", "dvclive", "repro"],
    ["python", "-m", "train", "-m", "dvc"],
    ["python", "train.py", "-m", "dvc"],
    ["python", "-c", "from dvclive import Live", "dvc"],
    ["python", "-c", "print('dvc')", "dvc", "repro"],
    ["python", "/p/dvc/train.py"],
    ["python", "-X", "dvc", "train.py"],
    ["python", "-W", "dvc"],
    ["python", "-"],
    ["python"],
    ["python", "-V"],
    ["less", "/p/.venv/bin/dvc"],
    ["uv", "run", "dvc", "repro"],
    ["uv", "run", "python", "train.py", "dvc"],
    ["nohup", "dvc", "repro"],
    ["mydvc", "repro"],
    ["dvc.yaml"],
    ["pythonic", "-m", "dvc"],
]


@pytest.mark.parametrize("launch", LAUNCHES, ids=" ".join)
@given(rest=st.lists(st.sampled_from(["repro", "exp", "run", "-q", "a@b", "-m", "dvc", "-c", "train.py"]), max_size=4))
def test_dvc_is_known_however_it_was_started(launch: list[str], rest: list[str]) -> None:
    """What stands behind it is what it was asked to do, whatever that says."""
    assert dvc_command.arguments([*launch, *rest]) == rest


@pytest.mark.parametrize("words", OTHERS, ids=" ".join)
def test_what_merely_mentions_dvc_is_not_dvc(words: list[str]) -> None:
    """Shells, editors, other scripts and the launchers above (whose child is the dvc) own no execution."""
    assert dvc_command.arguments(words) is None


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["repro"], "repro"),
        (["-q", "repro", "a", "b"], "repro"),
        (["--wait-for-lock", "--cd", "sub", "repro", "-s", "a"], "repro"),
        (["exp", "run", "--queue", "-S", "a=1"], "exp run"),
        (["exp", "exec-run", "--infofile", "x"], "exp exec-run"),
        (["exp", "-v", "queue-worker", "dvc-exp-1"], "exp queue-worker"),
        (["queue", "start", "-j", "2"], "queue start"),
        (["commit", "--force", "a"], "commit"),
        (["--version"], ""),
    ],
)
def test_the_verb_is_read_past_options(words: list[str], verb: str) -> None:
    """``dvc -q repro a`` is a repro; a task of the queue and its worker are told apart."""
    assert dvc_command.verb(words) == verb


def test_an_owner_lives_until_its_process_ends() -> None:
    """This process lives; a later one with the same number is another; a zombie is dead."""
    me = processes.owner()
    assert me.is_alive()
    assert not Owner(me.pid, me.created - 100).is_alive()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        other = processes.owner(child.pid)
        assert other.is_alive()
        child.kill()
        while child.stdin and other.is_alive():
            pass  # a zombie until it is waited for
        assert not other.is_alive()


@pytest.mark.skipif(not processes.PROC.joinpath("self/stat").exists(), reason="the system tells no start but by its clock")
@given(step_s=st.floats(-1e6, 1e6))
def test_a_step_of_the_clock_kills_nobody(step_s: float) -> None:
    """The start is counted from the boot: whatever the clock is set to, the process stays itself and its key the same."""
    me = processes.owner()
    with pytest.MonkeyPatch.context() as patch:
        before = psutil.Process.create_time
        patch.setattr(psutil.Process, "create_time", lambda self: before(self) + step_s)
        assert me.is_alive()
        assert processes.owner().key == me.key
        assert not replace(me, start=f"{me.start}1").is_alive(), "another process with the number, whatever the clock says"


def test_records_of_before_name_their_owner() -> None:
    """A note without the start is judged by the clock; one with it comes back whole."""
    me = processes.owner()
    assert Owner.read(me.noted()).start == me.start
    old = {"pid": me.pid, "created_ms": int(me.created * 1000)}
    assert Owner.read(old).is_alive()
    assert not Owner.read({**old, "created_ms": old["created_ms"] - 5000}).is_alive()


def test_dvc_is_found_above_a_shell() -> None:
    """The nearest dvc among the ancestors is the owner; a shell whose command mentions dvc is not."""
    code = "from pipelines.record.processes import dvc_ancestor; print(dvc_ancestor() is None)"
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -c '{code}' dvc repro; true"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


def test_dvc_started_with_options_is_the_owner_of_what_it_runs(tmp_path: Path) -> None:
    """``python -u -X dev -m dvc`` is found, with what it was asked to do."""
    (tmp_path / "dvc").mkdir()
    code = "from pipelines.record.processes import dvc_ancestor; print(dvc_ancestor()[1])"
    (tmp_path / "dvc" / "__init__.py").touch()
    (tmp_path / "dvc" / "__main__.py").write_text(
        f"import subprocess, sys\nsubprocess.run(['sh', '-c', {sys.executable!r} + ' -c \"{code}\"; true'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-u", "-X", "utf8", "-m", "dvc", "-q", "repro", "a"], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "['dvc', '-q', 'repro', 'a']"


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
