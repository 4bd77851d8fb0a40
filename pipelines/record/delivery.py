"""Delivers executions to MLflow and puts away those that are complete there."""

import shutil
from dataclasses import asdict
from pathlib import Path

from pipelines import settings
from pipelines.record import closing, locks
from pipelines.record import execution as executions
from pipelines.record.journal import PARENT, Journal, journals
from pipelines.record.sender import Sender
from stages.core import files
from stages.core.errors import DataError, InfrastructureError

KEPT = 500


def deliver(sender: Sender, execution: str) -> str:
    """Send what MLflow does not have of an execution; put it away when that was all.

    Returns:
        Why it could not be sent, one line; empty when it was.
    """
    place = executions.folder(execution)
    try:
        for journal in journals(place):
            if not journal.is_settled():
                sender.send(journal)
    except InfrastructureError as error:
        files.write_text(place / "problem.txt", f"{error}\n")
        return str(error)
    (place / "problem.txt").unlink(missing_ok=True)
    parent = Journal(place / f"{PARENT}.jsonl")
    if parent.ending() and all(journal.is_settled() for journal in journals(place)):
        _put_away(execution, parent)
    return ""


def deliver_rest(sender: Sender, but: str = "") -> dict[str, str]:
    """Close and deliver what other executions left: killed ones, and those that MLflow missed.

    Returns:
        Each execution looked at, with why it could not be sent.
    """
    found: dict[str, str] = {}
    for execution in waiting():
        place = executions.folder(execution)
        if execution == but or locks.is_held(place / "recorder.lock"):
            continue
        found[execution] = _deliver_left(sender, execution)
        if found[execution]:
            break  # the others would wait for the same server
    return found


def _deliver_left(sender: Sender, execution: str) -> str:
    try:
        with locks.locked(executions.folder(execution) / "recorder.lock", timeout_s=0.5):
            closing.settle(execution)
            if closing.is_over(execution):
                closing.note_graph(execution)
                closing.snapshot(execution)
                closing.close(execution)
            return deliver(sender, execution)
    except (DataError, FileNotFoundError):  # another process has just put it away
        if executions.folder(execution).exists():
            raise
        return ""


def waiting() -> list[str]:
    """List the executions whose record is not complete in MLflow, oldest first."""
    found = sorted(path.parent for path in executions.spool().glob("*/execution.json"))
    return [place.name for place in found if (place / f"{PARENT}.jsonl").exists()]


def _put_away(execution: str, parent: Journal) -> None:
    place = executions.folder(execution)
    refused = [journal for journal in journals(place) if journal.sent().refused]
    states = {name: asdict(state) for name, state in executions.stage_states(execution).items()}
    about = executions.describe(execution)
    ending = parent.ending() or {}
    content = {**about, "run_id": parent.sent().run_id, "status": ending.get("status"), "states": states}
    content["refused"] = {journal.path.stem: journal.sent().refused for journal in refused}
    files.write_json(executions.archive(execution), content)
    target = settings.state() / ("refused" if refused else "gone") / execution
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    place.rename(target)  # at once, so that nobody meets half of it
    if not refused:  # else a person may look at what MLflow would not take
        shutil.rmtree(target, ignore_errors=True)
    _prune(executions.archive(execution).parent)


def _prune(folder: Path) -> None:
    for old in sorted(folder.glob("*.json"))[:-KEPT]:
        old.unlink(missing_ok=True)
