"""Says in one line that the last execution ended before its end, as its record has it; nothing is written for that."""

import time
from collections.abc import Mapping
from typing import Any

from pipelines import settings
from pipelines.record import execution as executions
from pipelines.record import identity
from pipelines.record.execution import StageState
from pipelines.record.journal import PARENT, Journal
from stages.core import files
from stages.core.errors import DataError
from stages.core.text import escaped

FRESH = "up_to_date"  # written when a repro had nothing to do: what ended early before is no matter any more
BROKEN = {"Failed": "failed", "Killed": "was killed", "Running": "was killed"}  # who no longer lives runs no stage


def settle() -> None:
    """Note that nothing had to run: all that was asked for of all stages is there."""
    settings.state().mkdir(parents=True, exist_ok=True)
    (settings.state() / FRESH).touch()


def broken_off() -> str:
    """Return what became of the last execution of several stages; empty where it ended well, goes on or is unknown."""
    try:
        last = _last()
        ended = last and _ended(last)
    except (OSError, DataError, KeyError, TypeError, ValueError):  # the record's own mending tells of what is broken there
        return ""
    if not ended or ended[0] == "FINISHED" or _is_settled(last):
        return ""
    found = [f"{name} {BROKEN[state.state]}" for name, state in sorted(ended[1].items()) if state.state in BROKEN]
    what = f": {', '.join(found)}" if found else ""
    return f"the last run ({escaped(executions.title(last))}) ended early{escaped(what)}; rawline repro goes on"


def _is_settled(execution: str) -> bool:
    """Tell whether a repro had nothing to do since an execution began."""
    try:
        since = (settings.state() / FRESH).stat().st_mtime
    except OSError:
        return False
    found = executions.NAMED.fullmatch(execution)
    return found is not None and found["when"] <= time.strftime(executions.WHEN, time.gmtime(since))


def _last() -> str:
    """Return the newest execution but those of a stage alone; ids begin with the time."""
    ids = {place.name for place in executions.spool().glob("*") if executions.is_one(place)}
    ids |= {place.stem for place in executions.archive("*").parent.glob("*.json")}
    named = {name: found for name in ids if (found := executions.NAMED.fullmatch(name)) and found["kind"] != "stage"}
    return max(named, default="")


def _ended(execution: str) -> tuple[str, Mapping[str, StageState]] | None:
    """Return an execution's status and its stages' states; None while it goes on."""
    if executions.archive(execution).exists():
        content: dict[str, Any] = files.read_json(executions.archive(execution))
        return str(content["status"]), executions.states_noted(content)
    place = executions.folder(execution)
    last = Journal(place / f"{PARENT}.jsonl").ending()
    if last is None and identity.is_alive(executions.describe(execution), place):
        return None
    return last["status"] if last else "KILLED", executions.stage_states(execution)
