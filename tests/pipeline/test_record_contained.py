"""Where dvc is a container's first process, or its last, the record is complete the moment dvc ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import yaml

from pipelines.record import identity
from tests.pipeline import toy

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc"]
REPRO = [sys.executable, "-m", "dvc", "repro"]


@pytest.fixture
def project(tmp_path) -> toy.Project:
    """Return a toy project where processes can have a namespace of their own."""
    done = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no second namespace of processes here: {done.stderr.strip()}")
    return toy.make(tmp_path / "project")


@pytest.mark.slow
def test_dvc_as_the_first_process_leaves_nothing_open(project: toy.Project) -> None:
    """All stages and the parent are finished; a later run shows what was cached; a sync signs the last and adds nothing."""
    assert project.run(*UNSHARE, *REPRO).returncode == 0
    (parent,) = project.parents()
    assert parent.info.status == "FINISHED"
    assert toy.states(project.children(parent)) == dict.fromkeys(toy.STAGES, ("FINISHED", "Completed"))
    project.set("finetune.detect", num_epochs=4)
    assert project.run(*UNSHARE, "sh", "-c", f"{' '.join(REPRO)}; exit $?").returncode == 0
    second = project.parents()[1]
    assert second.info.status == "FINISHED"
    cached = {name: ("FINISHED", "Completed" if name == "finetune@detect" else "Cached") for name in toy.STAGES}
    assert toy.states(project.children(second)) == cached
    then = time.time() - 2 * identity.SILENCE_S
    for path in (project.root / ".rawline/spool").rglob("*"):
        os.utime(path, (then, then))
    done = project.rawline("sync")
    assert done.returncode == 0, done.stderr
    assert not list((project.root / ".rawline/spool").iterdir())
    assert toy.states(project.children(second)) == cached
    assert [run.info.status for run in project.parents()] == ["FINISHED", "FINISHED"]
    assert "rawline.signature" in project.children(second)["finetune@detect"].data.tags


def run_once_with_equal_bytes(project: toy.Project) -> None:
    """Run all stages outside of a container; what the first one makes no longer depends on its parameters."""
    script = project.root / "toy.py"
    script.write_text(script.read_text().replace('f"{name} {p.num_epochs}"', "name"))
    project.env = {"RAWLINE_CONTAINED": "0"}
    assert project.dvc("repro").returncode == 0
    project.settle()
    project.env = {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["--force"], pytest.param(["--force-downstream", "--keep-going"], marks=pytest.mark.long)]
)
def test_what_is_forced_is_one_run(project: toy.Project, words: list[str]) -> None:
    """Entries that fit end nothing there: each stage is shown once, as it ran (``children`` refuses two)."""
    run_once_with_equal_bytes(project)
    (project.root / "code.txt").write_text("what acquire makes stays the same")
    assert project.run(*UNSHARE, *REPRO, *words).returncode == 0
    last = project.parents()[-1]
    assert last.info.status == "FINISHED"
    assert toy.states(project.children(last)) == dict.fromkeys(toy.STAGES, ("FINISHED", "Completed"))


@pytest.mark.slow
def test_a_failure_there_is_failed_with_all_rows(project: toy.Project) -> None:
    """The first stage fails: nothing more will run, so the rows that were not reached are there too."""
    project.set("acquire", fail="data")
    assert project.run(*UNSHARE, *REPRO).returncode != 0
    (parent,) = project.parents()
    assert parent.info.status == "FAILED"
    children = toy.states(project.children(parent))
    assert children["acquire"] == ("FAILED", "Failed")
    assert children["finetune@detect"] == children["finetune@classify"] == ("KILLED", "NotReached")


@pytest.mark.long
@pytest.mark.slow
def test_a_failure_of_a_stage_of_the_user_s_own_is_failed(project: toy.Project) -> None:
    """Nothing of ours sees its command fail: what was asked for and is left says so. Asked for alone, the first is all."""
    graph = yaml.safe_load((project.root / "dvc.yaml").read_text())
    graph["stages"]["finetune"]["do"]["cmd"] = "exit 3"
    (project.root / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))
    assert project.run(*UNSHARE, *REPRO, "acquire").returncode == 0
    project.set("acquire", num_epochs=3)
    assert project.run(*UNSHARE, *REPRO).returncode != 0
    target, whole = project.parents()
    assert target.info.status == "FINISHED"
    assert whole.info.status == "FAILED"
    assert whole.data.tags["rawline.message"] == "not reached: finetune@classify, finetune@detect"


@pytest.mark.long
@pytest.mark.slow
def test_what_dvc_skips_there_is_not_left(project: toy.Project) -> None:
    """The first stage makes the same bytes once more, so that dvc has no reason to run the others."""
    run_once_with_equal_bytes(project)
    project.set("acquire", num_epochs=3)
    assert project.run(*UNSHARE, *REPRO).returncode == 0
    last = project.parents()[-1]
    assert last.info.status == "FINISHED"
    assert "rawline.message" not in last.data.tags or "not reached" not in last.data.tags["rawline.message"]


@pytest.mark.long
def test_a_container_that_is_killed_between_stages_leaves_no_open_parent(project: toy.Project) -> None:
    """After the first of three stages the parent shows that two are left; while the next one runs it is open again."""
    project.set("finetune.classify", num_epochs=600, sleep_s=0.2)
    project.set("finetune.detect", num_epochs=600, sleep_s=0.2)
    command = project.start(*UNSHARE, *REPRO)
    seen: list[str] = []
    end = time.monotonic() + 600
    while seen[-1:] != ["RUNNING"] or "FAILED" not in seen:
        assert time.monotonic() < end, seen
        assert command.poll() is None
        found = [run.info.status for run in project.parents()]
        seen += [status for status in found if status != (seen[-1] if seen else "")]
        time.sleep(0.05)
    for child in _below(command.pid):  # its first process takes the namespace with it
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    command.communicate(timeout=600)
    assert seen[-2:] == ["FAILED", "RUNNING"]
    assert "FINISHED" not in seen
    assert "rawline.message" not in project.parents()[0].data.tags


def _below(pid: int) -> list[int]:
    try:
        return [process.pid for process in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
