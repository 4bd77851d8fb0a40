"""However ``rawline repro`` is ended, its dvc and its stage end with it, and the record says so."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.pipeline import toy
from tests.pipeline.flow_project import WAIT_S, until, works

pytestmark = pytest.mark.long
HEARING = "import runpy, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); sys.argv.pop(0); "
HEARING += "runpy.run_path(sys.argv[0], run_name='__main__')"


def begun(root: Path, *words: str) -> tuple[toy.Project, "subprocess.Popen[str]", list[psutil.Process]]:
    """Start a command over a stage that would take long; return it and all the processes below it."""
    project = toy.make(root)
    project.set("acquire", num_epochs=5000, sleep_s=0.2)
    command = project.start(*words)
    until(lambda: bool(list((root / ".rawline").glob("spool/*/acquire.*.jsonl"))))
    return project, command, psutil.Process(command.pid).children(recursive=True)


def check_killed(project: toy.Project) -> None:
    """See that the record has ended and says what became of the stage."""
    project.settle()
    (parent,) = project.parents()
    assert toy.states(project.children(parent))["acquire"] == ("KILLED", "Killed")


ENDS: dict[str, Callable[["subprocess.Popen[str]"], object]] = {
    "SIGTERM twice": lambda c: (c.send_signal(signal.SIGTERM), c.send_signal(signal.SIGTERM)),
    "SIGHUP": lambda c: c.send_signal(signal.SIGHUP),
    "kill -9": lambda c: c.kill(),
}


@pytest.mark.parametrize(("end", "status"), [("SIGTERM twice", 143), ("SIGHUP", 129), ("kill -9", -9)])
def test_nothing_of_a_repro_lives_on(tmp_path: Path, end: str, status: int) -> None:
    """Its processes are gone and the record says Killed: for the terminal's end as for SIGTERM, and for kill -9 too."""
    project, command, family = begun(tmp_path / "p", sys.executable, "-c", HEARING, "toy.py", "repro")
    assert any("stage" in process.cmdline() for process in family)
    ENDS[end](command)
    output, _ = command.communicate(timeout=WAIT_S)
    assert command.returncode == status, output
    until(lambda: not any(works(process) for process in family))
    check_killed(project)


def test_the_stage_of_a_bare_dvc_says_how_it_ended(tmp_path: Path) -> None:
    """A closed terminal ends dvc and its stage, which notes it."""
    hearing = "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); from dvc.cli import main; "
    project, command, family = begun(tmp_path / "p", sys.executable, "-c", f"{hearing}sys.exit(main(sys.argv[1:]))", "repro")
    for process in psutil.Process(command.pid).children(recursive=True):
        if "pipelines.record.recorder" not in process.cmdline():
            process.send_signal(signal.SIGHUP)
    command.send_signal(signal.SIGHUP)
    command.communicate(timeout=WAIT_S)
    until(lambda: not any(works(process) for process in family))
    check_killed(project)


def test_nohup_keeps_a_repro_going(tmp_path: Path) -> None:
    """Who started it with nohup wants that."""
    _, command, family = begun(tmp_path / "p", "nohup", sys.executable, "toy.py", "repro")
    command.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        command.wait(timeout=3)
    command.terminate()
    command.communicate(timeout=WAIT_S)
    until(lambda: not any(works(process) for process in family))


def test_a_repro_beside_another_one_says_who_is_at_work(tmp_path: Path) -> None:
    """In its last line: DVC's own words advise to delete its lock file. Another try may help (75), and the first goes on."""
    project, first, _ = begun(tmp_path / "p", sys.executable, "-m", "dvc", "repro")
    second = project.rawline("repro")
    said = second.stderr.splitlines()[-1]
    assert second.returncode == os.EX_TEMPFAIL, second.stderr
    assert said.startswith(f"rawline: process {first.pid} (")
    assert "is at work on data/acquire in this project; wait until it ends, then: rawline repro" in said
    assert first.poll() is None
    first.terminate()
    first.communicate(timeout=WAIT_S)
