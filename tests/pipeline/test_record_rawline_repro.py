"""``rawline repro``: closes its own record, says when there is nothing to do, and leaves no orphan behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

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
    again = project.run(sys.executable, "-X", "importtime", "toy.py", "repro")
    assert again.returncode == 0
    assert "All is up to date" in again.stdout
    heavy = {"mlflow", "torch", "prefect", "pandas", "numpy"}
    loaded = {line.rpartition("|")[2].strip() for line in again.stderr.splitlines() if line.startswith("import time:")}
    assert not heavy & loaded
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
    end = time.monotonic() + 600
    while not list((project.root / ".rawline").glob("spool/*/acquire.*.jsonl")) and time.monotonic() < end:
        time.sleep(0.2)
    family = psutil.Process(command.pid).children(recursive=True)
    assert any("stage" in process.cmdline() for process in family)
    # a job in the background of a script ignores SIGINT, and so do its children: then SIGTERM does the same
    number = signal.SIGTERM if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIGINT
    os.kill(command.pid, number)
    output, _ = command.communicate(timeout=600)
    assert command.returncode == 128 + number, output
    assert "ending dvc and its stage" in output
    assert "interrupted; what was done is booked" in output
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


def _working(root: Path) -> tuple[toy.Project, subprocess.Popen[str]]:
    """Return a project and its ``rawline repro acquire``, whose stage goes on until there is a file ``enough``."""
    project = toy.make(root)
    project.set("acquire", num_epochs=100_000, sleep_s=0.05)
    command = project.start(sys.executable, "toy.py", "repro", "acquire")
    while not list((project.root / ".rawline").glob("spool/*/acquire.*.jsonl")):
        assert command.poll() is None
        time.sleep(0.05)
    return project, command


def test_repro_names_the_stage_whose_input_was_edited_while_it_ran(tmp_path: Path) -> None:
    """DVC books the edited file and ends well; the command fails, says so, and DVC forgets: the next run makes it anew."""
    project, command = _working(tmp_path / "project")
    (project.root / "code.txt").write_text("2")
    (project.root / "enough").touch()
    output, _ = command.communicate(timeout=600)
    assert command.returncode == 1, output
    assert "code.txt changed while acquire ran" in output
    assert "rawline repro acquire makes them anew" in output
    again = project.rawline("repro", "acquire")
    assert again.returncode == 0, again.stderr
    project.settle()
    assert [run.info.status for run in project.parents()] == ["FAILED", "FINISHED"]
    first, second = (project.children(parent)["acquire"] for parent in project.parents())
    assert first.data.tags["rawline.edited_while_running"] == "code.txt"
    assert second.data.tags["rawline.state"] == "Completed"
    assert "rawline.signature" in second.data.tags


@pytest.mark.long
def test_repro_ends_well_where_dvc_yaml_is_half_edited_meanwhile(tmp_path: Path) -> None:
    """DVC has read it, and so has the command: what ran is booked, recorded and summed up."""
    project, command = _working(tmp_path / "project")
    (project.root / "dvc.yaml").write_text("stages:\n  acquire: {cmd: [\n")
    (project.root / "enough").touch()
    output, _ = command.communicate(timeout=600)
    assert command.returncode == 0, output
    assert "1 completed" in output
    project.settle()
    (parent,) = project.parents()
    assert parent.info.status == "FINISHED"
    assert toy.states(project.children(parent))["acquire"] == ("FINISHED", "Completed")
