"""What DVC does behind a scheduler's back, and what the flow does about it."""

import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml
import zc.lockfile

from pipelines import dvc_hashes, flow_task, graph, stage_commands
from pipelines.dvc_stage import Groups, How, Outcome, reproduce
from pipelines.flow_task import Run, attempt
from stages.core.errors import InfrastructureError
from tests.projects import dvc, make_project

HOLD = """
import pathlib, sys, time, zc.lockfile
lock = zc.lockfile.LockFile(sys.argv[1])
pathlib.Path("held").touch()
time.sleep(float(sys.argv[2]))
"""


def silent(_line: str) -> None:
    """Say nothing."""


def run(root: Path, name: str, **options: object) -> Outcome:
    return reproduce(graph.read(root).nodes[name], root, Groups(grace_s=1), say=silent, **options)


def alive(pid: Path) -> bool:
    """Tell whether the process whose number a stage wrote lives; a zombie that nobody collects does not."""
    try:
        return psutil.Process(int(pid.read_text())).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def busy(lock: str, seconds: float) -> str:
    """Return shell words that hold one of DVC's locks from behind for a while, from when they end."""
    return f"({sys.executable} hold.py {lock} {seconds} >/dev/null 2>&1 &) ; until test -e held; do sleep 0.05; done"


def test_the_words_tell_what_the_exit_status_does_not(tmp_path: Path) -> None:
    """Ran, unchanged and restored all end with status 0."""
    make_project(tmp_path, "stages:\n  a: {cmd: 'echo x > a', params: [seed], outs: [a]}\n")
    first, second = run(tmp_path, "a"), run(tmp_path, "a")
    (tmp_path / "a").unlink()
    third = run(tmp_path, "a")
    forced = run(tmp_path, "a", force=True)
    assert [o.how for o in (first, second, third, forced)] == [How.RAN, How.UNCHANGED, How.RESTORED, How.RAN]
    assert {o.status for o in (first, second, third, forced)} == {0}


def test_a_stages_own_words_do_not_deceive(tmp_path: Path) -> None:
    """A command that prints DVC's words about another stage changes nothing; its failure is a failure without a retry."""
    text = "Stage b is cached - skipping run; Unable to say why"
    make_project(tmp_path, f"stages:\n  a: {{cmd: 'echo \"{text}\"; exit 7', outs: [a]}}\n")
    outcome = run(tmp_path, "a")
    assert (outcome.how, outcome.fault, outcome.commands_ended_well) == (How.FAILED, None, False)
    assert "exited with 7" in outcome.reason


def test_independent_stages_run_in_parallel_without_losing_the_lock(tmp_path: Path) -> None:
    """Eight at once all end well, because each waits for the lock (the flag stands before the verb)."""
    stages = "".join(f"  s{i}: {{cmd: 'head -c 3000000 /dev/urandom > o{i}', outs: [o{i}]}}\n" for i in range(8))
    make_project(tmp_path, f"stages:\n{stages}")
    nodes, found = graph.read(tmp_path).nodes, {}

    def one(name: str) -> None:
        found[name] = reproduce(nodes[name], tmp_path, Groups(), say=silent).how

    threads = [threading.Thread(target=one, args=(name,)) for name in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found.values()) == {How.RAN}
    assert set(yaml.safe_load((tmp_path / "dvc.lock").read_text())["stages"]) == set(nodes)


def test_a_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    """The command dies with DVC, although it is deaf to SIGTERM; without the group it would live on as an orphan."""
    make_project(
        tmp_path, "stages:\n  a: {cmd: 'trap \"\" TERM; echo $$ > pid; sleep 3601 & wait; sleep 3602', outs: [a]}\n"
    )
    outcome = run(tmp_path, "a", timeout_s=1)
    assert outcome.how is How.TIMED_OUT
    assert outcome.seconds < 3601
    assert not alive(tmp_path / "pid")


def test_the_time_limit_counts_the_command_alone(tmp_path: Path) -> None:
    """DVC's start, its wait for the lock, a restored stage: none of it uses up a limit that is shorter than DVC's start."""
    graph_ = "stages:\n  a: {cmd: 'echo x > a', params: [seed], outs: [a]}\n"
    make_project(tmp_path, graph_)
    node = graph.read(tmp_path).nodes["a"]  # reading it would let go of this process's own lock
    holder = zc.lockfile.LockFile(str(tmp_path / ".dvc/tmp/lock"))
    timer = threading.Timer(5, holder.close)
    timer.start()
    first = reproduce(node, tmp_path, Groups(), timeout_s=4, say=silent)
    timer.join()
    second = run(tmp_path, "a", timeout_s=0.01)
    (tmp_path / "a").unlink()
    third = run(tmp_path, "a", timeout_s=0.01)
    assert [o.how for o in (first, second, third)] == [How.RAN, How.UNCHANGED, How.RESTORED]
    assert first.seconds > 4, "it had to wait for the lock, or this test shows nothing"


def test_a_timeout_adds_up_a_stages_commands(tmp_path: Path) -> None:
    """The limit is the stage's, not each command's: three of a second do not fit into two."""
    make_project(tmp_path, "stages:\n  a: {cmd: [sleep 1, sleep 1, sleep 60], outs: [a]}\n")
    assert run(tmp_path, "a", timeout_s=2).how is How.TIMED_OUT


@pytest.mark.parametrize(
    ("end", "fault"),
    [
        ("exit 75", "it asks for another try (exit status 75)"),
        ("kill -9 $$", "the system ended it, most likely for memory"),
        ("exit 137", "the system ended it, most likely for memory"),
        ("exit 1", None),
        ("exit 3", None),
        ("kill -15 $$", None),
        ("true", None),
    ],
)
def test_the_exit_status_alone_asks_for_a_retry(tmp_path: Path, end: str, fault: str | None) -> None:
    """What a stage says moves nobody, not even in DVC's own words; 75 (EX_TEMPFAIL) and a kill by the system do."""
    words = "Connection refused; light barrier timed out; Cannot allocate memory; exited with 137; Killed"
    (tmp_path / "words").write_text(f"{words}\nKilled\nERROR: Unable to acquire lock\n", encoding="utf-8")
    make_project(tmp_path, f"stages:\n  a: {{cmd: 'cat words; echo x > a; {end}', outs: [a]}}\n")
    outcome = run(tmp_path, "a")
    assert any("Unable to acquire lock" in line for line in outcome.tail)
    assert (outcome.how, outcome.fault) == (How.RAN if end == "true" else How.FAILED, fault)


def test_a_failed_commit_repeats_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ended well: whatever became of DVC, running it again would delete what it made; the reader is told."""
    outcome = Outcome(How.FAILED, 1.0, 1, commands_ended_well=True, tail=("ERROR: Unable to acquire lock.",))
    monkeypatch.setattr(flow_task, "attempt", lambda *_, **__: (outcome, []))
    monkeypatch.setattr(flow_task, "get_run_logger", lambda: logging.getLogger("test"))
    make_project(tmp_path, "stages:\n  a: {cmd: 'echo x > a', outs: [a]}\n")
    state = flow_task.run_stage.fn(graph.read(tmp_path).nodes["a"], Run(tmp_path))
    assert state.is_failed()
    assert "dvc commit --force a" in state.message


@pytest.fixture
def noexec(tmp_path: Path) -> Iterator[Path]:
    """Mount a folder in which nothing may be executed."""
    folder = tmp_path / "noexec"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "noexec,size=4m", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_stages_run_where_no_temporary_file_may_be_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noexec: Path
) -> None:
    """TMPDIR mounted noexec, as on hardened machines, breaks nothing."""
    monkeypatch.setenv("TMPDIR", str(noexec))
    monkeypatch.setattr(tempfile, "tempdir", None)
    make_project(tmp_path / "p", "stages:\n  a: {cmd: 'echo x > a', outs: [a]}\n")
    outcome = run(tmp_path / "p", "a")
    assert (outcome.how, outcome.commands_ended_well) == (How.RAN, True), outcome.tail


def test_a_project_without_the_right_to_execute_takes_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first folder that may hold a program is taken; where none may, one line says so."""
    may = {"p": False, "tmp": True}
    monkeypatch.setattr(stage_commands.os, "access", lambda path, _: may["p" if "/p/.rawline" in str(path) else "tmp"])
    commands = stage_commands.Commands(tmp_path / "notes")
    found = stage_commands.noting(tmp_path / "p", commands, None)
    assert Path(found["SHELL"]).parent.name == f"rawline-{os.getuid()}"
    may["tmp"] = False
    with pytest.raises(InfrastructureError, match="may hold a program"):
        stage_commands.noting(tmp_path / "p", commands, None)


def test_stopping_ends_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    """After stop() no process of the stage is alive, and the next stage is not started."""
    make_project(tmp_path, "stages:\n  a: {cmd: 'echo $$ > pid; sleep 63', outs: [a]}\n")
    groups, node, found = Groups(grace_s=1), graph.read(tmp_path).nodes["a"], []
    thread = threading.Thread(target=lambda: found.append(reproduce(node, tmp_path, groups, say=silent)))
    thread.start()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        time.sleep(0.05)
    groups.stop()
    thread.join()
    assert found[0].how is How.STOPPED
    assert not alive(tmp_path / "pid")
    assert reproduce(node, tmp_path, groups, say=silent) == Outcome(How.STOPPED, 0.0, -15)


def test_a_lock_busy_at_the_end_does_not_cost_the_training(tmp_path: Path) -> None:
    """DVC raises after the command has ended well; its outputs are booked, not deleted and made again."""
    cmd = f"echo run >> runs; {busy('.dvc/tmp/rwlock.lock', 8)}; echo model > model"
    make_project(tmp_path, f"stages:\n  a:\n    cmd: '{cmd}'\n    deps: [data]\n    outs: [model]\n")
    (tmp_path / "hold.py").write_text(HOLD)
    (tmp_path / "data").write_text("1")
    warned: list[str] = []
    outcome, edited = attempt(graph.read(tmp_path).nodes["a"], Run(tmp_path), say=silent, warn=warned.append)
    assert (outcome.how, edited, len(warned)) == (How.RAN, [], 1)
    assert any("Unable to acquire lock" in line for line in outcome.tail)
    assert run(tmp_path, "a").how is How.UNCHANGED
    assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.long
def test_a_lock_busy_at_the_end_hides_no_failure(tmp_path: Path) -> None:
    """When the command failed and the lock is busy too, DVC names the lock alone; nothing is booked."""
    cmd = f"echo half > model; {busy('.dvc/tmp/rwlock.lock', 8)}; exit 3"
    make_project(tmp_path, f"stages:\n  a:\n    cmd: '{cmd}'\n    deps: [data]\n    outs: [model]\n")
    (tmp_path / "hold.py").write_text(HOLD)
    (tmp_path / "data").write_text("1")
    outcome, _ = attempt(graph.read(tmp_path).nodes["a"], Run(tmp_path), say=silent, warn=pytest.fail)
    assert (outcome.how, outcome.commands_ended_well) == (How.FAILED, False)
    assert not (tmp_path / "dvc.lock").exists()


@pytest.mark.long
def test_without_waiting_dvc_alone_loses_it(tmp_path: Path) -> None:
    """The trap itself: a bare repro raises after the training, and only dvc commit keeps the model from a second one."""
    cmd = f"echo run >> runs; {busy('.dvc/tmp/lock', 8)}; echo model > model"
    make_project(tmp_path, f"stages:\n  a:\n    cmd: '{cmd}'\n    outs: [model]\n")
    (tmp_path / "hold.py").write_text(HOLD)
    done = dvc(tmp_path, "repro", check=False)
    assert done.returncode != 0
    assert "Unable to acquire lock" in done.stdout
    assert (tmp_path / "model").exists()
    assert not (tmp_path / "dvc.lock").exists()
    assert dvc_hashes.commit(tmp_path, "a")
    assert run(tmp_path, "a").how is How.UNCHANGED


@pytest.mark.parametrize("changed", ["data", "params.yaml"])
def test_what_is_edited_during_a_run_makes_it_stale(tmp_path: Path, changed: str) -> None:
    """DVC books the inputs as they are at the end; the flow says so and makes DVC run the stage again."""
    cmd = f"cp data out; sed -i s/1/2/ {changed}"
    make_project(tmp_path, f"stages:\n  a: {{cmd: '{cmd}', deps: [data], params: [seed], outs: [out]}}\n")
    (tmp_path / "data").write_text("1")
    outcome, edited = attempt(graph.read(tmp_path).nodes["a"], Run(tmp_path), say=silent)
    assert outcome.how is How.RAN
    assert edited == ["data" if changed == "data" else "params.yaml:seed"]
    assert run(tmp_path, "a").how is How.UNCHANGED, "the trap: dvc.lock says that out was made from the edited file"
    dvc_hashes.forget(tmp_path, "a")
    assert run(tmp_path, "a").how is How.RAN, "neither dvc.lock nor the run cache may say that it is fresh"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("ERROR: Unable to acquire lock. Most likely another DVC process", "DVC's lock is busy"),
        ("ERROR: '/x/data' is busy, it is being blocked by:", "DVC's lock is busy"),
        ("Unable to acquire lock", None),
        ("ERROR: failed to reproduce 'a': failed to run: train, exited with 137", None),
        ("OSError: [Errno 12] Cannot allocate memory", None),
        ("ConnectionError: Connection refused", None),
    ],
)
def test_words_tell_of_dvcs_own_lock_alone(line: str, fault: str | None) -> None:
    """It has no exit status of its own; every other fault has one. A command that failed is never taken for a busy lock."""
    assert Outcome(How.FAILED, 1.0, 255, tail=(line,)).fault == fault
    assert Outcome(How.FAILED, 1.0, 255, command_status=1, tail=(line,)).fault is None


def test_a_nested_look_up_does_not_parse_but_a_mapping_does(tmp_path: Path) -> None:
    """Why tasks are a mapping: ${finetune[${item.task}].x} is refused, foreach over a mapping gives ${key} and ${item.x}."""
    params = "tasks: {x: {head: h}}\nfinetune: {x: {n: 1}}\n"
    good = "stages:\n  a:\n    foreach: ${tasks}\n    do: {cmd: 'echo ${item.head} > ${key}', outs: ['${key}']}\n"
    nested = "stages:\n  a:\n    matrix: {task: [x]}\n    cmd: 'echo ${finetune[${item.task}].n}'\n"
    assert set(graph.read(make_project(tmp_path / "good", good, params)).nodes) == {"a@x"}
    make_project(tmp_path / "nested", nested, params)
    assert dvc(tmp_path / "nested", "stage", "list", check=False).returncode != 0
