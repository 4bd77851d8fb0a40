"""A run is judged by the entry that its own dvc booked, whatever ``dvc.lock`` says when its execution is looked at."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipelines import repro
from pipelines.graph import Graph, Node
from pipelines.record import booking, closing, doubts, lockfile, looks, outputs, runs
from pipelines.record import execution as executions
from pipelines.record.journal import Journal
from stages.core import files
from tests import recording

NODE = Node("make", ("run",), (), {"params.yaml": ("rate",)}, ("out",), (), frozenset())
GRAPH = Graph({"make": NODE})


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project of one stage that dvc runs."""
    monkeypatch.setenv("DVC_STAGE", "make")
    found = recording.project(tmp_path / "project", monkeypatch).root
    monkeypatch.setenv("DVC_STAGE", "make")
    (found / "out").write_text("made")
    return found


def _set(rate: int) -> None:
    Path("params.yaml").write_text(f"name: toy\nrate: {rate}\n")


def _book(rate: int, out: str, at: int) -> dict[str, Any]:
    """Book an entry as dvc does; each write has a time of its own."""
    entry = {"cmd": "run", "params": {"params.yaml": {"rate": rate}}, "outs": [{"path": "out", "md5": out}]}
    Path("dvc.lock").write_text(json.dumps({"stages": {"make": entry}}))
    os.utime("dvc.lock", (at, at))
    return entry


def _begin(name: str, rate: int) -> tuple[str, runs.StageRun]:
    _set(rate)
    execution = executions.open_execution("flow", name=name)
    files.write_json(executions.folder(execution) / "graph.json", lockfile.freeze(GRAPH))
    return execution, runs.StageRun("make", execution, GRAPH)


def _tags(run: runs.StageRun) -> dict[str, str]:
    values = [event["values"] for event, _ in run.journal.events() if event["kind"] == "tags"]
    return {key: value for one in values for key, value in one.items()}


def test_the_entry_of_a_later_run_is_not_an_edit_of_the_one_before() -> None:
    """Nobody looked at the first run until the second was booked: each has its own signature, nothing is doubted."""
    one, first = _begin("one", 1)
    first.end("FINISHED")
    old = _book(1, "a", 10)
    two, second = _begin("two", 2)
    second.end("FINISHED")
    new = _book(2, "b", 20)
    for execution in (one, two):
        assert closing.edited(execution) == {}
    assert not doubts.of("make", new)
    assert _tags(first)["rawline.outs"] == lockfile.output(old)
    assert _tags(second)["rawline.outs"] == lockfile.output(new)


def test_the_entry_of_an_edited_run_is_doubted_and_not_the_one_that_was_made_anew() -> None:
    """The remedy in a second terminal while the first execution goes on, or before anybody looked at it."""
    one, first = _begin("one", 1)
    _set(2)
    first.end("FINISHED")
    wrong = _book(2, "a", 10)
    _two, second = _begin("two", 2)
    second.end("FINISHED")
    right = _book(2, "b", 20)
    assert closing.edited(one) == {"make": "params.yaml:rate"}
    assert doubts.of("make", wrong)
    assert not doubts.of("make", right)


def test_the_first_entry_after_a_run_counts_while_its_execution_goes_on() -> None:
    """What dvc has booked is judged when it is seen, not when the execution is over."""
    one, first = _begin("one", 1)
    _set(2)
    first.end("FINISHED")
    wrong = _book(2, "a", 10)
    closing.snapshot(one)
    assert doubts.of("make", wrong)
    right = _book(2, "b", 20)
    assert closing.edited(one) == {"make": "params.yaml:rate"}
    assert not doubts.of("make", right)


def test_what_was_forgotten_before_anybody_looked_had_been_booked() -> None:
    """An entry that was taken out of ``dvc.lock`` fails no run."""
    one, first = _begin("one", 1)
    first.end("FINISHED")
    entry = _book(1, "a", 10)
    looks.note(Path.cwd(), "make", entry, booking.stamp(Path("dvc.lock")))
    Path("dvc.lock").write_text("{}")
    executions.close_execution(one, exit_code=0, wait_s=0)
    closing.close(one)
    assert executions.stage_states(one)["make"].state == "Completed"
    assert _tags(first)["rawline.outs"] == lockfile.output(entry)


def test_a_run_is_failed_where_the_next_one_found_nothing_booked_since() -> None:
    """Dvc failed after the command; the next run's entry is not this one's."""
    one, first = _begin("one", 1)
    first.end("FINISHED")
    _begin("two", 1)[1].end("FINISHED")
    _book(1, "b", 20)
    executions.close_execution(one, exit_code=0, wait_s=0)
    closing.close(one)
    assert executions.stage_states(one)["make"].message == booking.UNBOOKED


def test_an_entry_that_another_run_has_made_is_never_doubted() -> None:
    """Restored from the run cache or checked out since: it says nothing of the run."""
    entry = _book(1, "a", 10)
    doubts.clear("make", entry)
    one, first = _begin("one", 2)
    first.end("FINISHED")
    _book(3, "c", 15)
    _book(1, "a", 20)
    assert closing.edited(one) == {}
    assert not doubts.of("make", entry)
    assert "rawline.signature" not in _tags(first)


def test_two_runs_of_a_stage_at_once_say_nothing_of_each_other() -> None:
    """Whose entry stands there then, nobody knows."""
    one, first = _begin("one", 1)
    _begin("two", 2)
    look = looks.after(Path.cwd(), "make", first.journal.key)
    assert look is not None
    first.journal.write("end", status="FINISHED", message="", lock=0, t=look.t + 1)
    entry = _book(2, "b", 20)
    assert closing.edited(one) == {}
    assert not doubts.of("make", entry)


def test_what_waits_in_the_spool_is_learnt_without_a_server() -> None:
    """Of what is over; of what still runs more may be booked. What cannot be read keeps nobody from the rest."""
    broken = executions.open_execution("flow", name="broken")
    (executions.folder(broken) / "execution.json").write_text("{")
    one, first = _begin("one", 1)
    _set(2)
    first.end("FINISHED")
    entry = _book(2, "a", 10)
    closing.learn()
    assert not doubts.of("make", entry)
    executions.close_execution(one, exit_code=0, wait_s=0)
    closing.learn()
    assert doubts.of("make", entry) == "params.yaml:rate"


def test_rawline_repro_learns_before_it_trusts_what_is_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is doubted is forgotten before DVC looks whether anything has to run."""
    done: list[str] = []
    for name in ("check_once", "check_inputs", "prepare_database"):
        monkeypatch.setattr(repro, name, lambda *_args, **_words: None)
    monkeypatch.setattr(closing, "learn", lambda: done.append("learn"))
    monkeypatch.setattr(repro, "_forget", lambda *_: done.append("forget"))
    monkeypatch.setattr(repro, "_run", lambda *_: done.append("run") or (1, None))
    assert repro.repro([]) == 1
    assert done[:3] == ["learn", "forget", "run"]


def test_looks_do_not_pile_up(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """The last ones are kept of each stage, and of the stages the last ones, those of experiments' folders among them."""
    monkeypatch.setattr(looks, "KEPT", 3)
    monkeypatch.setattr(looks, "STAGES", 2)
    for number in range(5):
        looks.note(root, "make", None, 0, f"run {number}")
    assert looks.after(root, "make", "run 1") is None
    assert (looks.after(root, "make", "run 2") or looks.Look("", 0, None, 0)).run == "run 3"
    for number in range(3):
        looks.note(root / f"experiment {number}", "make", None, 0, "run")
    assert len(list((root / ".rawline/looks").iterdir())) == 2


@pytest.mark.parametrize(("made", "told"), [("", "FAILED"), ("a", "signed"), ("b", "FAILED")])
def test_an_equal_entry_is_a_runs_only_if_it_books_what_the_run_left(
    monkeypatch: pytest.MonkeyPatch, made: str, told: str
) -> None:
    """The file is written for another stage too: what was made otherwise, or not at all, was not booked then."""
    at = hashlib.md5(b"a", usedforsecurity=False).hexdigest()
    stages = {
        "make": {"cmd": "run", "params": {"params.yaml": {"rate": 1}}, "outs": [{"path": "out", "md5": at, "hash": "md5"}]}
    }
    Path("dvc.lock").write_text(json.dumps({"stages": stages}))
    os.utime("dvc.lock", (10, 10))
    monkeypatch.setenv("RAWLINE_CONTAINED", "0")
    execution, run = _begin("one", 1)
    Path("out").unlink()
    if made:
        Path("out").write_text(made)
    run.end("FINISHED")
    Path("dvc.lock").write_text(json.dumps({"stages": {**stages, "other": {"cmd": "run"}}}))
    executions.close_execution(execution, exit_code=0, wait_s=0)
    closing.snapshot(execution)
    closing.close(execution)
    ending = run.journal.ending() or {}
    assert ("signed" if "rawline.signature" in _tags(run) else ending["status"]) == told


@pytest.mark.parametrize("words", ["dvc repro", "dvc repro --keep-going", "dvc repro --allow-missing"])
def test_what_cannot_be_told_is_not_told(words: str) -> None:
    """Of outputs too large to hash: with others beside it an equal entry may be of before; missing ones may be allowed."""
    journal = Journal(Path("make.1-1.jsonl"))
    journal.write("outs", values={"out": None if "missing" in words else {"size": 1}})
    entry = {"outs": [{"path": "out", "md5": "a", "hash": "md5", "size": 1}]}
    first, last = {"booked": lockfile.digest(entry)}, {"lock": 1}
    found = booking.of(first, last, entry, 2, outputs.noted(journal, words))
    assert (found.is_new, found.is_unsure) == ((False, True) if "keep" in words else (True, False))
    assert not found.is_missing
