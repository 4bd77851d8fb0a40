"""An execution belongs to one process of one container of one machine."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.record import closing, delivery, identity, processes
from pipelines.record import execution as executions
from pipelines.record.sender import Sender
from stages.core import files
from tests import recording
from tests.pipeline import toy

OPEN = """
from pipelines.record import execution, processes
owner = None
print(execution.open_execution("dvc", owner=owner))
print(execution.open_execution("dvc", owner=owner))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> toy.Project:
    """Return a project with a ready database."""
    return recording.project(tmp_path / "project", monkeypatch)


def _unshared(*words: str) -> list[str]:
    command = ["unshare", "--pid", "--fork", "--mount-proc"]
    done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no second namespace of processes here: {done.stderr.strip()}")
    return [*command, *words]


def test_two_containers_with_equal_numbers_and_seconds_are_two_executions(project: toy.Project) -> None:
    """Process 1 that started in the same second, twice: two ids; within each, every stage finds the same."""
    code = OPEN.replace("None\n", "processes.Owner(1, 1000.0, processes.owner(1).start)\n")
    found = [
        subprocess.run(_unshared(sys.executable, "-c", code), capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert found[0][0] == found[0][1]
    assert found[1][0] == found[1][1]
    assert found[0][0] != found[1][0]


def test_all_stages_of_one_dvc_find_its_execution(project: toy.Project) -> None:
    """Asked again in another process while the owner lives, the id is the same; a later owner gets another."""
    me = processes.owner()
    first = executions.open_execution("dvc", owner=me)
    code = OPEN.replace("None\n", f"processes.owner({me.pid})\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=project.root)
    assert set(done.stdout.split()) == {first}
    assert executions.found(identity.mark(me)) == first
    other = subprocess.run([sys.executable, "-c", OPEN], capture_output=True, text=True, check=True, cwd=project.root)
    assert set(other.stdout.split()) != {first}
    assert executions.describe(first)["host"]


def test_a_living_execution_of_another_container_is_left_alone_until_it_is_silent(project: toy.Project) -> None:
    """Its process number means nothing here; only when nothing of it has changed for long it counts as killed."""
    execution = recording.execution("elsewhere")
    place = executions.folder(execution)
    (place / "closing.json").unlink()
    about = files.read_json(place / "execution.json")
    files.write_json(place / "execution.json", {**about, "pid": 2**22 - 1, "boot": "another", "host": "other"})
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    assert not closing.is_over(execution)
    assert {run.info.status for run in project.parents()} == {"RUNNING"}
    _age(place, identity.SILENCE_S * 2)
    (place / identity.HEARTBEAT).touch()
    assert not closing.is_over(execution), "its recorder lives"
    _age(place, identity.SILENCE_S * 2)
    delivery.deliver_rest(Sender())
    assert delivery.waiting() == []
    assert {run.info.status for run in project.parents()} == {"KILLED"}


def test_what_is_written_about_a_silent_execution_is_no_sign_of_its_life(project: toy.Project) -> None:
    """One of its stages is open: whoever delivers it writes that end first, and then puts the execution away at once."""
    execution = executions.open_execution("flow", name="elsewhere")
    elsewhere = {"pid": 2**22 - 1, "created_ms": 1, "boot": "another", "host": "other"}
    journal = recording.journal(execution, "acquire", **elsewhere)
    text = b"".join(line for line in journal.path.read_bytes().splitlines(keepends=True) if b'"end"' not in line)
    journal.path.write_bytes(text)
    place = executions.folder(execution)
    files.write_json(place / "execution.json", {**files.read_json(place / "execution.json"), **elsewhere})
    _age(place, identity.SILENCE_S * 2)
    assert delivery.deliver_rest(Sender()) == {execution: ""}
    assert delivery.waiting() == []
    assert {run.info.status for run in project.parents()} == {"KILLED"}


def test_one_that_was_silent_and_works_again_lives(tmp_path: Path) -> None:
    """A container that was paused: its recorder's next beat counts."""
    noted = {**identity.here(), "boot": "another", "host": "other", "pid": os.getpid(), "created_ms": 1}
    identity.beat(tmp_path)
    _age(tmp_path, identity.SILENCE_S * 2)
    assert not identity.is_alive(noted, tmp_path)
    (tmp_path / "acquire.jsonl").touch()
    assert not identity.is_alive(noted, tmp_path), "written by whoever found it silent"
    time.sleep(0.05)
    identity.beat(tmp_path)
    assert identity.is_alive(noted, tmp_path)


@pytest.mark.parametrize("waits", [True, False])
def test_an_execution_waits_for_the_command_that_will_close_it(project: toy.Project, monkeypatch, waits: bool) -> None:
    """Dvc has ended and rawline repro, which knows how, has not: nobody else says how the execution ended."""
    monkeypatch.setenv(executions.CLOSER, str(os.getpid() if waits else os.getppid()))
    dvc = subprocess.Popen(["sleep", "600"])
    execution = executions.open_execution("dvc", owner=processes.owner(dvc.pid))
    assert not closing.is_over(execution)
    dvc.kill()
    dvc.wait()
    assert closing.is_over(execution) is not waits
    executions.close_execution(execution, exit_code=1, wait_s=0)
    assert delivery.look(execution)
    delivery.deliver(Sender(), execution, over=True)
    assert {run.info.status for run in project.parents()} == {"FAILED"}


def test_a_running_stage_of_another_container_is_not_called_killed(project: toy.Project) -> None:
    """A journal without an end, whose process cannot be seen from here."""
    execution = executions.open_execution("flow", name="shared")
    journal = recording.journal(
        execution, "acquire", pid=2**22 - 1, created_ms=1, host="other", boot="another", namespace="1"
    )
    text = b"".join(line for line in journal.path.read_bytes().splitlines(keepends=True) if b'"end"' not in line)
    journal.path.write_bytes(text)
    closing.settle(execution)
    assert journal.ending() is None
    _age(journal.path.parent, identity.SILENCE_S * 2)
    closing.settle(execution)
    assert (journal.ending() or {})["status"] == "KILLED"


def test_records_of_before_are_judged_by_process_and_start(tmp_path: Path) -> None:
    """Older ones name no machine."""
    me = processes.owner()
    assert identity.is_alive({"pid": me.pid, "created_ms": int(me.created * 1000)}, tmp_path)
    assert not identity.is_alive({"pid": me.pid, "created_ms": 1}, tmp_path)


def test_after_a_new_start_of_this_machine_nothing_of_before_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last sign is older than the machine's start: nobody waits a quarter of an hour."""
    (tmp_path / identity.HEARTBEAT).touch()
    noted = {**identity.here(), "boot": "before", "pid": os.getpid(), "created_ms": 1}
    assert identity.is_alive(noted, tmp_path)
    _age(tmp_path, 300)
    monkeypatch.setattr(identity.psutil, "boot_time", lambda: time.time() - 120)
    assert not identity.is_alive(noted, tmp_path)
    (tmp_path / identity.GONE).unlink()
    monkeypatch.setattr(identity.psutil, "boot_time", lambda: time.time() - 1000)
    assert identity.is_alive(noted, tmp_path), "a machine of the same name that was heard of five minutes ago"


def test_a_machine_that_has_just_started_gives_its_executions_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine of the same name that shares the folder may be about to give a sign."""
    (tmp_path / identity.HEARTBEAT).touch()
    _age(tmp_path, 300)
    now = time.time()
    noted = {**identity.here(), "boot": "before", "pid": os.getpid(), "created_ms": 1}
    monkeypatch.setattr(identity.time, "time", lambda: now)
    for since, expected in ((1, True), (59, True), (61, False)):
        monkeypatch.setattr(identity.psutil, "boot_time", lambda since=since: now - since)
        assert identity.is_alive(noted, tmp_path) is expected, since


def _age(place: Path, seconds: float) -> None:
    then = time.time() - seconds
    for path in place.iterdir():
        os.utime(path, (then, then))
