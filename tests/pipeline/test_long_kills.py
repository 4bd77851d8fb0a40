"""A run that is killed again and again ends, when it is started once more, with the bytes of a run that nobody touched."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from tests.pipeline import fresh_clone
from tests.pipeline.fresh_clone import Clone, Running

pytestmark = pytest.mark.long
TASK = "classify"
MOST_RUNS = 60
STATES = """
import sys
from mlflow.tracking import MlflowClient
client = MlflowClient("sqlite:///tracking/mlflow.db")
ids = [e.experiment_id for e in client.search_experiments()]
print("STATES", *sorted({run.info.status for run in client.search_runs(ids)}))
"""
Lock = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Give the repository from which this file clones."""
    return fresh_clone.origin(tmp_path_factory.mktemp("kills") / "origin", (TASK,))


@pytest.fixture(scope="module")
def untouched(origin: Clone) -> Lock:
    """Give the hashes of a run from beginning to end."""
    clone = fresh_clone.clone(origin.root, origin.root.parent / "untouched")
    done = clone.run("rawline", "repro")
    assert done.returncode == 0, done.stdout
    return clone.lock()


def outs(clone: Clone, stage: str) -> list[Path]:
    """Return the paths that a stage writes, as the graph has them."""
    verb, _, task = stage.partition("@")
    entry = yaml.safe_load((clone.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"][verb]
    found = [next(iter(out)) if isinstance(out, dict) else out for out in entry.get("do", entry)["outs"]]
    return [clone.root / path.replace("${key}", task) for path in found]


def running_stage(run: Running) -> str:
    """Return the stage that DVC named last, or nothing."""
    return ["", *re.findall(r"^Running stage '([^']+)'", run.output, re.MULTILINE)][-1]


def worker(run: Running) -> psutil.Process | None:
    """Return the process that does a stage's work, below dvc and its shell."""
    for process in run.family():
        with contextlib.suppress(psutil.NoSuchProcess):
            words = process.cmdline()
            if "stage" in words and "python" in Path(words[0]).name:
                return process
    return None


def has_come(moment: str, clone: Clone, run: Running, stage: str) -> Callable[[], bool]:
    """Tell whether a stage has come so far: ``starts``: it has a process; ``speaks``; ``writes``: a file is there."""
    said = rf"Running stage '{stage}'[^\n]*\n> [^\n]*\n\s*\S"
    return {
        "starts": lambda: worker(run) is not None,
        "speaks": lambda: worker(run) is not None and re.search(said, run.output) is not None,
        "writes": lambda: worker(run) is not None and any(path.exists() for path in outs(clone, stage)),
    }[moment]


def run_with_kills(clone: Clone, command: tuple[str, ...], moments: list[tuple[str, str]], *, everything: bool) -> int:
    """Run until all is done; at each moment of each stage kill the stage, or with ``everything`` dvc and all the rest too.

    Returns:
        How many kills came before the stage was through.
    """
    landed, left = 0, list(moments)
    for _ in range(MOST_RUNS):
        run = clone.start(*command)
        try:
            landed += _kill_once(clone, run, left, everything=everything)
            if run.wait() == 0:
                return landed
        finally:
            run.kill()
    raise AssertionError(f"it never ended well in {MOST_RUNS} runs:\n{run.output}")


def _kill_once(clone: Clone, run: Running, left: list[tuple[str, str]], *, everything: bool) -> int:
    while run.process.poll() is None:
        run.wait_for(lambda: any(stage == running_stage(run) for stage, _ in left))
        due = next((pair for pair in left if pair[0] == running_stage(run)), None)
        if due is None:
            return 0
        left.remove(due)
        if process := _meet(clone, run, *due):
            run.kill() if everything else process.kill()
            return 1
    return 0


def _meet(clone: Clone, run: Running, stage: str, moment: str) -> psutil.Process | None:
    """Wait for a moment of a stage; return the stage's process, or None where it was through before we looked."""
    come = has_come(moment, clone, run, stage)
    run.wait_for(lambda: come() or running_stage(run) != stage)
    return worker(run) if come() and running_stage(run) == stage else None


def test_a_stage_killed_at_any_moment_leaves_no_trace(origin: Clone, untouched: Lock) -> None:
    """Each stage is killed as it starts or as it writes, in turn; ``dvc repro`` then makes what an untouched run makes."""
    clone = fresh_clone.clone(origin.root, origin.root.parent / "stages")
    moments = [(stage, ("writes", "starts")[number % 2]) for number, stage in enumerate(untouched)]
    assert run_with_kills(clone, ("dvc", "repro"), moments, everything=False) >= len(untouched) // 2
    assert clone.lock() == untouched


def test_a_power_cut_at_any_moment_leaves_no_trace(origin: Clone, untouched: Lock) -> None:
    """All processes end at once, in each stage; ``rawline repro`` goes on by itself, and the record is closed."""
    clone = fresh_clone.clone(origin.root, origin.root.parent / "power")
    moments = [*((stage, "speaks") for stage in untouched), (f"register@{TASK}", "writes"), (f"finetune@{TASK}", "writes")]
    assert run_with_kills(clone, ("rawline", "repro"), moments, everything=True) >= len(untouched) // 2
    assert clone.lock() == untouched
    assert clone.run("rawline", "sync").returncode == 0
    states = clone.run("python", "-c", STATES).stdout
    assert "FINISHED" in states
    assert "RUNNING" not in states
