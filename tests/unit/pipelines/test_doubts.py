"""What DVC booked of a stage whose inputs were edited meanwhile is doubted until a run has made it."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import graph, repro
from pipelines.record import absence, doubts, lockfile
from pipelines.record.execution import StageState
from tests.projects import make_project

ENTRY = {"cmd": "run", "deps": [{"path": "a", "md5": "1"}], "outs": [{"path": "b", "md5": "2"}]}


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is noted in the test's folder."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    return tmp_path


def test_an_entry_is_doubted_until_a_run_has_made_it() -> None:
    """Another stage's, other inputs and other bytes are another entry; where the bytes come from does not count."""
    doubts.note("train", ENTRY, "a, code.py")
    assert doubts.of("train", dict(ENTRY)) == "a, code.py"
    assert not doubts.of("other", ENTRY)
    for key, item in (("deps", {"path": "a", "md5": "3"}), ("outs", {"path": "b", "md5": "3"})):
        assert not doubts.of("train", {**ENTRY, key: [item]})
    doubts.clear("train", ENTRY)
    assert not doubts.of("train", ENTRY)


def test_what_is_doubted_is_stale_and_what_was_made_of_it_is_not_cached() -> None:
    """It is named as what it is, with the command that helps; an entry that fits no longer needs no doubt."""
    train = graph.Node("train", ("run",), (), {}, (), (), frozenset())
    judge = graph.Node("judge", ("run",), (), {}, (), (), frozenset({"train"}))
    stages = graph.Graph({"train": train, "judge": judge})
    known = absence.Known(frozenset({"train", "judge"}), {"train": "Cached"}, 0)
    found = absence.states(stages, {}, known, lambda _: True, lambda node: "code.py" * (node.name == "train"))
    assert [state.state for state in found.values()] == ["Stale", "NotAsked"]
    assert found["train"].message.startswith("code.py changed while it ran before")
    assert found["train"].message.endswith("rawline repro train")
    ran = absence.states(
        stages, {"train": StageState("Completed")}, known, lambda _: True, lambda node: "a" * (node.name == "train")
    )
    assert ran == {"judge": StageState("Cached")}


def test_what_reads_from_a_stage_of_which_nobody_knows_is_not_known_either() -> None:
    """It is not said to be out of date, and a warning with a remedy that does nothing is not given."""
    train = graph.Node("train", ("run",), (), {}, (), (), frozenset())
    judge = graph.Node("judge", ("run",), (), {}, (), (), frozenset({"train"}))
    stages, known = graph.Graph({"train": train, "judge": judge}), absence.Known(frozenset(), {}, 0)
    found = absence.states(stages, {}, known, lambda node: None if node.name == "train" else True, lambda _: "")
    assert set(found.values()) == {absence.UNSURE}
    found = absence.states(stages, {}, known, lambda node: node.name != "train", lambda _: "")
    assert absence.UNSURE not in found.values()


def test_dvc_makes_anew_what_was_forgotten(root: Path) -> None:
    """Neither ``dvc.lock`` nor the run cache gives the bytes back, now and when the same inputs come again."""
    make_project(root, "stages:\n  make: {cmd: cat a > b && date +%N >> b, deps: [a], outs: [b]}\n")
    dvc = [sys.executable, "-m", "dvc", "repro", "-q"]
    (root / "a").write_text("1")
    subprocess.run(dvc, cwd=root, check=True)
    stages, text = graph.read(root), (root / "b").read_text()
    doubts.note("make", lockfile.bookings(root, stages)["make"], "a")
    assert doubts.forget(root, graph.Graph({})) == {}
    assert doubts.forget(root, stages) == {"make": "a"}
    assert lockfile.bookings(root, stages) == {}
    subprocess.run(dvc, cwd=root, check=True)
    assert (root / "b").read_text() != text
    assert doubts.forget(root, stages) == {}


def test_what_is_frozen_is_named_and_left(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    """DVC would not make it anew: it says what helps, and nothing of a run."""
    make_project(root, "stages:\n  make: {cmd: cat a > b, deps: [a], outs: [b]}\n")
    (root / "a").write_text("1")
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "freeze", "-q", "make"], cwd=root, check=True)
    stages = graph.read(root)
    entries = lockfile.bookings(root, stages)
    doubts.note("make", entries["make"], "a")
    monkeypatch.chdir(root)
    assert doubts.named(root, stages) == {}
    repro._forget(stages)
    repro._tell_frozen(stages)
    told = capsys.readouterr().err
    assert "dvc unfreeze make" in told
    assert "ran" not in told
    assert lockfile.bookings(root, stages) == entries


def test_a_frozen_stage_that_is_doubted_is_stale_until_it_is_unfrozen() -> None:
    """Its message says how."""
    stages = graph.Graph({"make": graph.Node("make", ("run",), (), {}, (), (), frozenset(), frozen=True)})
    found = absence.states(stages, {}, absence.Known(None, {}, 0), lambda _: True, lambda _: "a")
    assert found["make"].state == "Stale"
    assert "dvc unfreeze make" in found["make"].message
