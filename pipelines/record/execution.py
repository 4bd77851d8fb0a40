"""An execution: everything one ``dvc repro``, one ``rawline repro`` or one flow run did, as one parent run in MLflow.

For a scheduler (the Prefect flow)::

    execution = open_execution("flow", name="nightly")            # returns its id; the record starts at once
    environment = {**os.environ, VARIABLE: execution}             # pass it to every subprocess: dvc, rawline stage
    ...                                                           # run the stages
    stage_states(execution)                                       # {"finetune@classify": StageState(...)} so far
    outcome = close_execution(execution, exit_code=0, states={"acquire": "Cached"})

``states`` is only needed for what the record cannot know; by default a stage that did not run and whose entry in
``dvc.lock`` still fits is ``Cached``, one that was wanted is ``NotReached``, any other ``NotAsked``. A bare ``dvc repro``
needs none of this: the first stage opens the execution for the dvc process above it, and the recorder closes it when that
process has ended.

Nothing here imports MLflow; a recorder process (``recorder.py``) sends the journals.
"""

import os
import re
import secrets
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pipelines import settings
from pipelines.record import environment, headline, identity, locks, processes, provenance, quarantine
from pipelines.record.journal import PARENT, Journal, journals
from pipelines.redaction import redact
from stages.core import files
from stages.core import params as parameters
from stages.core.errors import DataError, ParamsError

VARIABLE = "RAWLINE_EXECUTION"
CLOSER = "RAWLINE_CLOSER"  # the process that has started dvc and will close its execution
RECORDER = "RAWLINE_RECORDER"  # off: journals stay unsent
STATES: Mapping[str, "State"] = {"FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Killed"}
KINDS = ("Completed", "Cached", "Failed", "Killed", "NotReached", "NotAsked", "Stale", "Unknown")
State = Literal["Running", "Completed", "Failed", "Killed", "Cached", "NotReached", "NotAsked", "Stale", "Unknown"]
KEPT = 500
SENT = "executions"
ENDED = "ended.json"  # in the folder of an execution that came back: how it had ended
LOOSE = ("recorder.lock", "recorder.log", "problem.txt", identity.HEARTBEAT, identity.GONE, ENDED)
WHEN = "%Y%m%d-%H%M%S"  # in an id, UTC
NAMED = re.compile(r"(?P<when>\d{8}-\d{6})-(?P<kind>[a-z]+)-(?P<pid>\d+)(-[0-9a-f]+)?")  # an id


@dataclass(frozen=True)
class StageState:
    """How a stage fared in an execution.

    Attributes:
        state: see ``State``.
        message: one line: the fault, or where a cached result comes from.
        run_id: its MLflow run; None while unsent.
    """

    state: State
    message: str = ""
    run_id: str | None = None


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


def lock() -> Path:
    """Return the lock under which executions begin."""
    return settings.state() / "executions.lock"


def is_one(place: Path) -> bool:
    """Tell whether a folder of the spool holds anything of an execution."""
    known = (place / "execution.json").exists() or any(place.glob("*.jsonl"))
    return place.is_dir() and (known or (archive(place.name).exists() and any(map(is_content, place.glob("*")))))


def is_content(path: Path) -> bool:
    """Tell whether a file of an execution's folder says anything of it; half-written ones begin with a dot."""
    return path.name not in LOOSE and not path.name.startswith(".")


def open_execution(
    kind: str, *, name: str | None = None, owner: processes.Owner | None = None, tags: Mapping[str, str] | None = None,
    wanted: Iterable[str] | None = None,
) -> str:  # fmt: skip
    """Begin an execution, or join the one that its owner has begun.

    Args:
        kind: what runs it: ``dvc``, ``repro``, ``flow`` or ``stage``.
        name: the parent run's name; kind and time (``title``) when None.
        owner: the process whose end is the execution's end; this one when None.
        tags: further tags of the parent run.
        wanted: DVC addresses of the stages that were asked for; None where dvc's command or nobody says.

    Returns:
        The execution's id, the value of ``RAWLINE_EXECUTION`` for its subprocesses.
    """
    from pipelines.record import recorder  # noqa: PLC0415 - it imports this module

    owner = owner or processes.owner()
    mark = identity.mark(owner)
    with locks.locked(lock()):
        execution = found(mark) if kind in ("dvc", "stage") else None  # a flow's process may run several
        if execution is None:
            execution = _new_id(kind, owner)
            folder(execution).mkdir(parents=True, exist_ok=True)
            content = _describe(execution, kind, name, owner)
            content["wanted"] = None if wanted is None else sorted(wanted)
            content["closer"] = _closer(owner)
            content["called_from"] = os.path.relpath(processes.folder(owner) or Path.cwd())  # dvc's targets
            files.write_json(folder(execution) / "execution.json", content)
            _open_parent(content, tags or {})
            _note_owner(mark, execution)
    recorder.ensure(execution)
    return execution


def _closer(owner: processes.Owner) -> dict[str, Any] | None:
    """Return the process that has started an execution's owner and said that it will close the execution; None without."""
    above = processes.parent(owner)
    return above.noted() if above and os.environ.get(CLOSER) == str(above.pid) else None


def found(mark: str) -> str | None:
    """Return the execution of the process with that mark (``identity.mark``), None when it began none."""
    try:
        execution = _owned(mark).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return execution if execution and exists(execution) else None


def _new_id(kind: str, owner: processes.Owner) -> str:
    """Return an id that no other machine or container gives, though process numbers and seconds may be equal there."""
    when = datetime.fromtimestamp(owner.created if kind in ("dvc", "stage") else time.time(), UTC)
    return f"{when.strftime(WHEN)}-{kind}-{owner.pid}-{secrets.token_hex(4)}"


def title(execution: str) -> str:
    """Return what an execution is called in MLflow where nobody named it: its kind, then its time in UTC.

    MLflow's table cuts long names at their end. Nothing is found by this name: the id is the tag ``rawline.execution``.

    Example:
        >>> title("20261130-022222-dvc-18913-1d8230a3")
        'dvc 2026-11-30 02:22:22'
    """
    found = NAMED.fullmatch(execution)
    if found is None:
        return execution
    return f"{found['kind']} {datetime.strptime(found['when'], WHEN).replace(tzinfo=UTC):%Y-%m-%d %H:%M:%S}"


def _owned(mark: str) -> Path:
    return settings.state() / "owners" / mark


def _note_owner(mark: str, execution: str) -> None:
    files.write_text(_owned(mark), execution + "\n")
    for old in sorted(_owned(mark).parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)


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
        return open_execution("dvc", owner=owner, tags={"command": redact(shlex.join(words))})
    return open_execution("stage", wanted=(), tags={"command": redact(shlex.join(["rawline", *sys.argv[1:]]))})


def describe(execution: str) -> dict[str, Any]:
    """Return what was noted when the execution began; its folder as it lies now, should the project have moved."""
    content: dict[str, Any] = files.read_json(folder(execution) / "execution.json")
    return {**content, "workdir": str(settings.root() / content["workdir"])}


def stage_states(execution: str) -> dict[str, StageState]:
    """Return how each stage that has started in the execution fares; of several attempts the last one counts."""
    if content := archived(execution):
        return states_noted(content)
    known = states_noted(ended_before(execution) or {})
    return {**known, **{j.opening()["stage"]: _state(j) for j in journals(folder(execution)) if "stage" in j.opening()}}


def states_noted(content: Mapping[str, Any]) -> dict[str, StageState]:
    """Return the stages' states from the note of how an execution ended."""
    return {name: _archived_state(raw) for name, raw in content.get("states", {}).items()}


def archived(execution: str) -> dict[str, Any]:
    """Return how a completely sent execution ended, empty when it has not; a broken note of it is set aside."""
    done = archive(execution)
    if not done.exists():
        return {}
    try:
        content: dict[str, Any] = files.read_json(done)
        states_noted({"states": content["states"]})
    except (OSError, DataError, KeyError, TypeError, AttributeError) as error:
        quarantine.put(execution, done, f"it cannot be used: {error}")
        content = {"run_id": None, "states": {}, "id": execution, "status": None}
        files.write_json(done, content)
    return content


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
    """Wait until the execution's record is in MLflow, its recorder has given up, time is over, or nobody would send it."""
    off = os.environ.get(RECORDER) == "off"
    end = time.monotonic() + wait_s * (not off)
    while time.monotonic() < end and not archive(execution).exists() and not problem(execution):
        time.sleep(0.1)
    if content := archived(execution):
        return Outcome(stage_states(execution), content["run_id"], sent=True)
    late = f"{RECORDER}=off keeps the record here" if off else f"MLflow has not taken the record within {wait_s:.0f} s"
    return Outcome(stage_states(execution), sent=False, problem=problem(execution) or late)


def problem(execution: str) -> str:
    """Return why the recorder cannot send, empty while it can."""
    place = folder(execution) / "problem.txt"
    try:
        return place.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def archive(execution: str) -> Path:
    """Return the file that says how a completely sent execution ended."""
    return settings.state() / SENT / f"{execution}.json"


def ended_before(execution: str) -> dict[str, Any] | None:
    """Return how an execution had ended that was put away and came back; empty if that is lost, None for any other."""
    place = folder(execution) / ENDED
    with suppress(OSError, DataError):
        return dict(files.read_json(place)) if place.exists() else None
    return {}


def _state(journal: Journal) -> StageState:
    run_id, last = journal.sent().run_id, journal.ending()
    if "state" in journal.opening():
        return StageState(journal.opening()["state"], journal.opening().get("message", ""), run_id)
    if last is None:
        return StageState("Running", "", run_id)
    return StageState(STATES[last["status"]], last.get("message", ""), run_id)


def _archived_state(raw: Mapping[str, Any]) -> StageState:
    return StageState(**{key: value for key, value in raw.items() if key != "origin"})  # older notes have that, always null


def _describe(execution: str, kind: str, name: str | None, owner: processes.Owner) -> dict[str, Any]:
    return {
        "id": execution,
        "kind": kind,
        "name": name or title(execution),
        "experiment": settings.experiment(),
        **owner.noted(),
        "workdir": _from_root(Path.cwd()),
        "root": str(settings.root()),
        "inode": folder(execution).stat().st_ino,  # a copy has another
        "contained": identity.is_contained(),
        **identity.here(),
    }


def _from_root(place: Path) -> str:
    """Return a folder as seen from the project's root, so that it is found again where the project is moved."""
    return place.relative_to(settings.root()).as_posix() if place.is_relative_to(settings.root()) else str(place)


def _open_parent(content: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    parent = Journal(folder(content["id"]) / f"{PARENT}.jsonl")
    about = {"rawline.kind": content["kind"], "rawline.execution": content["id"], "rawline.host": content["host"]}
    about |= {**provenance.tags(Path.cwd()), **tags}
    parent.write("open", name=content["name"], experiment=content["experiment"], tags=about, about=dict(content))
    environment.note(parent)
    source = Path("params.yaml")
    with suppress(ParamsError):  # a broken file is the stages' to report
        parent.write("params", values=headline.parameters(parameters.read()))
    for path in (source, Path("dvc.lock")):
        if path.exists():
            parent.keep(path)
