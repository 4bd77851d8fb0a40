"""An execution: everything one ``dvc repro``, one ``rawline repro`` or one flow run did, as one parent run in MLflow.

For a scheduler (the Prefect flow)::

    execution = open_execution("flow", name="nightly")            # returns its id; the record starts at once
    environment = {**os.environ, VARIABLE: execution}             # pass it to every subprocess: dvc, rawline stage
    ...                                                           # run the stages
    stage_states(execution)                                       # {"finetune@classify": StageState(...)} so far
    outcome = close_execution(execution, exit_code=0, states={"acquire": "Cached"})

``states`` is only needed for what the record cannot know; by default a stage that did not run and whose entry in
``dvc.lock`` still fits is ``Cached``, any other that did not run is ``NotReached``. A bare ``dvc repro`` needs none of
this: the first stage opens the execution for the dvc process above it, and the recorder closes it when that process has
ended. Inside a stage, ``runs.current_run_id()`` names its own MLflow run.

Nothing here imports MLflow; a recorder process (``recorder.py``) sends the journals.
"""

import os
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pipelines import settings
from pipelines.record import locks, processes, provenance
from pipelines.record.journal import PARENT, Journal, journals
from stages.core import files

VARIABLE = "RAWLINE_EXECUTION"
STATES: Mapping[str, "State"] = {"FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Killed"}
KINDS = ("Completed", "Cached", "Failed", "Killed", "NotReached")
State = Literal["Running", "Completed", "Failed", "Killed", "Cached", "NotReached"]


@dataclass(frozen=True)
class StageState:
    """How a stage fared in an execution.

    Attributes:
        state: see ``State``.
        message: one line: the fault, or where a cached result comes from.
        run_id: its MLflow run; None while unsent.
        origin: for ``Cached``, the run that made the bytes; None when this record does not know it.
    """

    state: State
    message: str = ""
    run_id: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What an execution left.

    Attributes:
        states: every stage of the graph by its DVC address, for instance ``finetune@classify``.
        run_id: the parent run in MLflow; None while unsent.
        sent: whether MLflow has everything; otherwise ``rawline sync`` or the next run sends it.
        problem: why it was not sent, one line.
    """

    states: Mapping[str, StageState] = field(default_factory=dict)
    run_id: str | None = None
    sent: bool = True
    problem: str = ""


def spool() -> Path:
    """Return the folder of executions whose record is not yet complete in MLflow."""
    return settings.state() / "spool"


def folder(execution: str) -> Path:
    """Return an execution's folder of journals."""
    return spool() / execution


def open_execution(
    kind: str, *, name: str | None = None, owner: processes.Owner | None = None, tags: Mapping[str, str] | None = None
) -> str:
    """Begin an execution, or join the one that its owner has begun.

    Args:
        kind: what runs it: ``dvc``, ``repro``, ``flow`` or ``stage``.
        name: the parent run's name; kind and time when None.
        owner: the process whose end is the execution's end; this one when None.
        tags: further tags of the parent run.

    Returns:
        The execution's id, the value of ``RAWLINE_EXECUTION`` for its subprocesses.
    """
    from pipelines.record import recorder  # noqa: PLC0415 - it imports this module

    owner = owner or processes.owner()
    execution = name_of(kind, owner)
    with locks.locked(settings.state() / "executions.lock"):
        if not (folder(execution) / "execution.json").exists():
            content = _describe(execution, kind, name, owner)
            files.write_json(folder(execution) / "execution.json", content)
            _open_parent(content, tags or {})
    recorder.ensure(execution)
    return execution


def name_of(kind: str, owner: processes.Owner) -> str:
    """Return the id of an owner's execution: the same in all its stages. A flow's process may run several."""
    when = datetime.fromtimestamp(owner.created if kind in ("dvc", "stage") else time.time(), UTC)
    return f"{when:%Y%m%d-%H%M%S}-{kind}-{owner.pid}"


def exists(execution: str) -> bool:
    """Tell whether anything of the execution is on record."""
    return archive(execution).exists() or (folder(execution) / "execution.json").exists()


def current_execution() -> str:
    """Return the execution this process belongs to, beginning one where there is none.

    In this order: ``RAWLINE_EXECUTION``, the dvc process above, this process alone.
    """
    given = os.environ.get(VARIABLE, "")
    if given and (folder(given) / "execution.json").exists():
        return given
    if found := processes.dvc_ancestor():
        owner, words = found
        return open_execution("dvc", owner=owner, tags={"command": shlex.join(["dvc", *_arguments(words)])})
    return open_execution("stage", tags={"command": shlex.join(["rawline", *sys.argv[1:]])})


def describe(execution: str) -> dict[str, Any]:
    """Return what was noted when the execution began."""
    content: dict[str, Any] = files.read_json(folder(execution) / "execution.json")
    return content


def stage_states(execution: str) -> dict[str, StageState]:
    """Return how each stage that has started in the execution fares; of several attempts the last one counts."""
    done = archive(execution)
    if done.exists():
        return {name: StageState(**raw) for name, raw in files.read_json(done)["states"].items()}
    return {j.opening()["stage"]: _state(j) for j in journals(folder(execution)) if "stage" in j.opening()}


def close_execution(
    execution: str, *, exit_code: int | None = None, states: Mapping[str, str] | None = None, wait_s: float = 60.0
) -> Outcome:
    """End an execution and wait until its record has been sent.

    Args:
        execution: its id.
        exit_code: the scheduler's exit status; None where it is not known.
        states: states that the scheduler knows better, by DVC address.
        wait_s: how long to wait for MLflow; what is not sent then is sent later.
    """
    from pipelines.record import recorder  # noqa: PLC0415 - it imports this module

    if not archive(execution).exists():
        files.write_json(folder(execution) / "closing.json", {"exit_code": exit_code, "states": dict(states or {})})
        recorder.ensure(execution)
    return wait(execution, wait_s)


def wait(execution: str, wait_s: float) -> Outcome:
    """Wait until the execution's record is in MLflow, its recorder has given up, or time is over."""
    end = time.monotonic() + wait_s
    while time.monotonic() < end and not archive(execution).exists() and not problem(execution):
        time.sleep(0.1)
    if archive(execution).exists():
        content = files.read_json(archive(execution))
        return Outcome(stage_states(execution), content["run_id"], sent=True)
    late = f"MLflow has not taken the record within {wait_s:.0f} s"
    return Outcome(stage_states(execution), sent=False, problem=problem(execution) or late)


def problem(execution: str) -> str:
    """Return why the recorder cannot send, empty while it can."""
    place = folder(execution) / "problem.txt"
    try:
        return place.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def archive(execution: str) -> Path:
    """Return the file that says how a completely sent execution ended."""
    return settings.state() / "executions" / f"{execution}.json"


def _state(journal: Journal) -> StageState:
    run_id, last = journal.sent().run_id, journal.ending()
    if "state" in journal.opening():
        return StageState(journal.opening()["state"], journal.opening().get("message", ""), run_id)
    if last is None:
        return StageState("Running", "", run_id)
    return StageState(STATES[last["status"]], last.get("message", ""), run_id)


def _arguments(words: list[str]) -> list[str]:
    start = next(i for i, word in enumerate(words) if Path(word).name == "dvc")
    return words[start + 1 :]


def _describe(execution: str, kind: str, name: str | None, owner: processes.Owner) -> dict[str, Any]:
    return {
        "id": execution,
        "kind": kind,
        "name": name or execution,
        "experiment": settings.experiment(),
        "pid": owner.pid,
        "created_ms": int(owner.created * 1000),
        "workdir": str(Path.cwd()),
    }


def _open_parent(content: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    parent = Journal(folder(content["id"]) / f"{PARENT}.jsonl")
    about = {"rawline.kind": content["kind"], "rawline.execution": content["id"], **provenance.tags(Path.cwd()), **tags}
    parent.write("open", name=content["name"], experiment=content["experiment"], tags=about)
    source = Path("params.yaml")
    for path in (source, Path("dvc.lock")):
        if path.exists():
            parent.keep(path)
