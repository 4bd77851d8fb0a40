"""Says in one line that the last execution ended before its end, as its record has it; nothing is written for that."""

from collections.abc import Mapping
from typing import Any

from pipelines.record import execution as executions
from pipelines.record import identity
from pipelines.record.execution import StageState
from pipelines.record.journal import PARENT, Journal
from stages.core import files
from stages.core.errors import DataError
from stages.core.text import escaped

BROKEN = {"Failed": "failed", "Killed": "was killed", "Running": "was killed"}  # who no longer lives runs no stage


def broken_off() -> str:
    """Return what became of the last execution of several stages; empty where it ended well, goes on or is unknown."""
    try:
        last = _last()
        ended = last and _ended(last)
    except (OSError, DataError, KeyError, TypeError, ValueError):  # the record's own mending tells of what is broken there
        return ""
    if not ended or ended[0] == "FINISHED":
        return ""
    found = [f"{name} {BROKEN[state.state]}" for name, state in sorted(ended[1].items()) if state.state in BROKEN]
    what = f": {', '.join(found)}" if found else ""
    return f"the last run ({escaped(executions.title(last))}) ended early{escaped(what)}; rawline repro goes on"


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
