"""What DVC does behind a scheduler's back, and what the flow does about it."""

import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import yaml
import zc.lockfile

from pipelines import dvc_hashes, dvc_lock, graph
from pipelines.dvc_stage import Groups, How, Outcome, reproduce
from pipelines.flow_task import Run, attempt
from pipelines.record import lockfile
from stages.core.errors import ParamsError
from tests.projects import dvc, make_project

HOLD = "import sys, time, zc.lockfile; lock = zc.lockfile.LockFile(sys.argv[1]); time.sleep(float(sys.argv[2]))"


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
    """Return shell words that hold one of DVC's locks from behind for a while."""
    return f"({sys.executable} hold.py {lock} {seconds} >/dev/null 2>&1 &) ; sleep 1"


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
    make_project(tmp_path, "stages:\n  a: {cmd: 'trap \"\" TERM; echo $$ > pid; sleep 61 & wait; sleep 62', outs: [a]}\n")
    begin = time.monotonic()
    outcome = run(tmp_path, "a", timeout_s=3)
    assert outcome.how is How.TIMED_OUT
    assert time.monotonic() - begin < 15
    assert not alive(tmp_path / "pid")


def test_stopping_ends_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    """After stop() no process of the stage is alive, and the next stage is not started."""
    make_project(tmp_path, "stages:\n  a: {cmd: 'echo $$ > pid; sleep 63', outs: [a]}\n")
    groups, node, found = Groups(grace_s=1), graph.read(tmp_path).nodes["a"], []
    thread = threading.Thread(target=lambda: found.append(reproduce(node, tmp_path, groups, say=silent)))
    thread.start()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        time.sleep(0.05)
    groups.stop()
    thread.join(timeout=10)
    assert found[0].how is How.STOPPED
    assert not alive(tmp_path / "pid")
    assert reproduce(node, tmp_path, groups, say=silent) == Outcome(How.STOPPED, 0.0, -15)


def test_a_lock_busy_at_the_end_does_not_cost_the_training(tmp_path: Path) -> None:
    """DVC raises after the command has ended well; its outputs are booked, not deleted and made again."""
    cmd = f"echo run >> runs; {busy('.dvc/tmp/rwlock.lock', 5)}; echo model > model"
    make_project(tmp_path, f"stages:\n  a:\n    cmd: '{cmd}'\n    deps: [data]\n    outs: [model]\n")
    (tmp_path / "hold.py").write_text(HOLD)
    (tmp_path / "data").write_text("1")
    warned: list[str] = []
    outcome, edited = attempt(graph.read(tmp_path).nodes["a"], Run(tmp_path), say=silent, warn=warned.append)
    assert (outcome.how, edited, len(warned)) == (How.RAN, [], 1)
    assert any("Unable to acquire lock" in line for line in outcome.tail)
    assert run(tmp_path, "a").how is How.UNCHANGED
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_lock_busy_at_the_end_hides_no_failure(tmp_path: Path) -> None:
    """When the command failed and the lock is busy too, DVC names the lock alone; nothing is booked."""
    cmd = f"echo half > model; {busy('.dvc/tmp/rwlock.lock', 5)}; exit 3"
    make_project(tmp_path, f"stages:\n  a:\n    cmd: '{cmd}'\n    deps: [data]\n    outs: [model]\n")
    (tmp_path / "hold.py").write_text(HOLD)
    (tmp_path / "data").write_text("1")
    outcome, _ = attempt(graph.read(tmp_path).nodes["a"], Run(tmp_path), say=silent, warn=pytest.fail)
    assert (outcome.how, outcome.commands_ended_well) == (How.FAILED, False)
    assert not (tmp_path / "dvc.lock").exists()


def test_without_waiting_dvc_alone_loses_it(tmp_path: Path) -> None:
    """The trap itself: a bare repro raises after the training, and only dvc commit keeps the model from a second one."""
    cmd = f"echo run >> runs; {busy('.dvc/tmp/lock', 6)}; echo model > model"
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


READERS = {
    "graph": lambda root: set(graph.read(root).nodes),
    "outputs": lambda root: dvc_hashes.outputs(root, "a"),
    "dependencies": lambda root: dvc_hashes.dependencies(root, "a"),
    "entries": lambda root: lockfile.read(root / "dvc.lock"),
}


def booked(root: Path) -> Path:
    """Run a project of one stage and return its ``dvc.lock``."""
    make_project(root, "stages:\n  a: {cmd: cp data out, deps: [data], outs: [out]}\n")
    (root / "data").write_text("1")
    assert run(root, "a").how is How.RAN
    return root / "dvc.lock"


@pytest.mark.parametrize("reader", READERS)
def test_readers_wait_until_dvc_has_written_its_lock_file(tmp_path: Path, reader: str) -> None:
    """DVC rewrites dvc.lock in place, under its lock: nobody takes half of it for the whole."""
    book = booked(tmp_path)
    whole, expected = book.read_text(), READERS[reader](tmp_path)

    def finish(holder: zc.lockfile.LockFile) -> None:
        book.write_text(whole)
        holder.close()

    for torn in (whole[: len(whole) // 2], "schema: '2.0'\n", "stages:\n"):
        holder = zc.lockfile.LockFile(str(tmp_path / ".dvc/tmp/lock"))
        book.write_text(torn)
        timer = threading.Timer(0.7, finish, (holder,))
        timer.start()
        assert READERS[reader](tmp_path) == expected
        timer.join()


def test_a_lock_held_for_long_stops_no_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC also holds its lock while it hashes or checks out; then a reader goes on, and a broken file is named."""
    book = booked(tmp_path)
    monkeypatch.setattr(dvc_lock, "PATIENCE_S", 0.2)
    holder = zc.lockfile.LockFile(str(tmp_path / ".dvc/tmp/lock"))
    assert set(graph.read(tmp_path).nodes) == {"a"}
    book.write_text("stages:\n")
    with pytest.raises(ParamsError, match=r"^dvc\.lock cannot be read"):
        graph.read(tmp_path)
    holder.close()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("ERROR: Unable to acquire lock. Most likely another DVC process", "DVC's lock is busy"),
        ("ERROR: '/x/data' is busy, it is being blocked by:", "DVC's lock is busy"),
        (
            "ERROR: failed to reproduce 'a': failed to run: train, exited with 137",
            "the system ended it, most likely for memory",
        ),
        (
            "ERROR: failed to reproduce 'a': failed to run: train, exited with -9",
            "the system ended it, most likely for memory",
        ),
        ("OSError: [Errno 12] Cannot allocate memory", "the system ended it, most likely for memory"),
        ("ConnectionError: Connection refused", "the network failed"),
        ("rawline: no space left on the disk while writing data/x", None),
        ("rawline: preprocess.demosaicer is 'x', no part", None),
        ("ERROR: failed to reproduce 'a': failed to run: train, exited with 1379", None),
    ],
)
def test_only_infrastructure_is_worth_a_retry(line: str, fault: str | None) -> None:
    """Lock, memory and network may pass; a full disk, a wrong value or the stage's own fault do not."""
    assert Outcome(How.FAILED, 1.0, 1, tail=(line,)).fault == fault


def test_a_nested_look_up_does_not_parse_but_a_mapping_does(tmp_path: Path) -> None:
    """Why tasks are a mapping: ${finetune[${item.task}].x} is refused, foreach over a mapping gives ${key} and ${item.x}."""
    params = "tasks: {x: {head: h}}\nfinetune: {x: {n: 1}}\n"
    good = "stages:\n  a:\n    foreach: ${tasks}\n    do: {cmd: 'echo ${item.head} > ${key}', outs: ['${key}']}\n"
    nested = "stages:\n  a:\n    matrix: {task: [x]}\n    cmd: 'echo ${finetune[${item.task}].n}'\n"
    assert set(graph.read(make_project(tmp_path / "good", good, params)).nodes) == {"a@x"}
    make_project(tmp_path / "nested", nested, params)
    assert dvc(tmp_path / "nested", "stage", "list", check=False).returncode != 0
