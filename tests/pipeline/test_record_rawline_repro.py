"""``rawline repro``: closes its own record, says when there is nothing to do, and leaves no orphan behind."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil

from tests.pipeline import toy


def test_repro_records_sums_up_and_does_nothing_the_second_time(tmp_path: Path) -> None:
    """The record is whole when the command returns; a second run starts nothing heavy and makes no execution."""
    project = toy.make(tmp_path / "project")
    done = project.rawline("repro")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "3 completed" in done.stdout
    assert "Next:" in done.stdout
    (parent,) = project.parents()
    assert parent.info.status == "FINISHED"
    begin = time.monotonic()
    again = project.run(sys.executable, "-X", "importtime", "toy.py", "repro")
    seconds = time.monotonic() - begin
    assert again.returncode == 0
    assert "All is up to date" in again.stdout
    heavy = {"mlflow", "torch", "prefect", "pandas", "numpy"}
    loaded = {line.rpartition("|")[2].strip() for line in again.stderr.splitlines() if line.startswith("import time:")}
    assert not heavy & loaded
    assert seconds < 5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert len(project.parents()) == 1


def test_a_wrong_parameter_is_one_line_before_anything_runs(tmp_path: Path) -> None:
    """The nearest name is offered; dvc is not even started."""
    project = toy.make(tmp_path / "project")
    project.set("finetune.detect", num_epoch=3)
    done = project.rawline("repro")
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0
    assert "finetune.detect.num_epoch is unknown; did you mean 'num_epochs'?" in done.stderr
    assert "Running stage" not in done.stdout
    assert not (project.root / ".rawline/spool").exists()


def test_an_interrupt_ends_dvc_and_its_stage(tmp_path: Path) -> None:
    """After Ctrl-C (or SIGTERM) no process of the run is left, and the record says Killed, not Running."""
    project = toy.make(tmp_path / "project")
    project.set("acquire", num_epochs=500, sleep_s=0.2)
    command = project.start(sys.executable, "toy.py", "repro")
    end = time.monotonic() + 60
    while not list((project.root / ".rawline").glob("spool/*/acquire.*.jsonl")) and time.monotonic() < end:
        time.sleep(0.2)
    family = psutil.Process(command.pid).children(recursive=True)
    assert any("stage" in process.cmdline() for process in family)
    # a job in the background of a script ignores SIGINT, and so do its children: then SIGTERM does the same
    number = signal.SIGTERM if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIGINT
    os.kill(command.pid, number)
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 128 + number, output
    assert not [process.cmdline() for process in family if _works(process)]
    project.settle()
    (parent,) = project.parents()
    assert toy.states(project.children(parent))["acquire"] == ("KILLED", "Killed")
    assert parent.info.status == "KILLED"


def _works(process: psutil.Process) -> bool:
    """Tell whether a process lives and is not the recorder, which ends when it has written down the end."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "pipelines.record.recorder" not in process.cmdline()
    except psutil.NoSuchProcess:
        return False
