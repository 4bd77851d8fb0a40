"""Delivers executions to MLflow and puts away those that are complete there."""

import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipelines.record import archive, closing, copies, identity, locks, mending, quarantine, recorder, snapshots
from pipelines.record import execution as executions
from pipelines.record.journal import PARENT, Journal, journals
from pipelines.record.sender import Sender
from pipelines.record.uploads import SlowError
from pipelines.redaction import redact
from stages.core import files
from stages.core.errors import InfrastructureError, RawlineError

MB = 1e6


@dataclass(frozen=True)
class Delivery:
    """What came of a delivery.

    Attributes:
        problem: why MLflow has not got all, one line; empty when it has.
        away: whether MLflow is out of reach or slow, so that other executions would wait for the same server.
        slow: whether it answers, but late: worth more patience.
    """

    problem: str = ""
    away: bool = False
    slow: bool = False


def deliver(sender: Sender, execution: str, *, over: bool) -> Delivery:
    """Send what MLflow does not have of an execution; put it away when that was all.

    Numbers and words of all runs go first: a slow server or a large file keeps no run from being seen.

    Args:
        sender: to MLflow.
        execution: its id.
        over: whether nothing more will run, as ``look`` told.
    """
    place = executions.folder(execution)
    result = _send_all(sender, place)
    if result.problem:
        say(execution, result.problem)
        return result
    (place / "problem.txt").unlink(missing_ok=True)
    parent = Journal(place / f"{PARENT}.jsonl")
    settled = all(journal.is_settled() for journal in journals(place))
    if over and parent.ending() and settled:
        archive.put_away(execution)
    return result


def say(execution: str, problem: str) -> None:
    """Note why an execution cannot be sent, for the stage that waits, for ``rawline repro`` and for a person."""
    problem = redact(problem)
    with suppress(OSError, InfrastructureError):  # the disk may be full
        if executions.problem(execution) != problem:
            files.write_text(executions.folder(execution) / "problem.txt", f"{problem}\n")


def unexpected(error: BaseException) -> str:
    """Print the traceback, which goes to ``recorder.log``, and return one line."""
    traceback.print_exception(error, file=sys.stderr)
    sys.stderr.flush()
    text = " ".join(str(error).split())[:300]
    return f"the record could not be sent: {type(error).__name__}: {text} (rawline sync tries again; see recorder.log)"


def _send_all(sender: Sender, place: Path) -> Delivery:
    problems: list[str] = []
    for work in (sender.tell, sender.keep):
        for journal in _ordered(place):
            try:
                if not journal.is_settled():
                    work(journal)
            except SlowError as error:
                return Delivery(f"{error}; {waits(place)}", away=True, slow=True)
            except InfrastructureError as error:
                return Delivery(str(error), away=True)
            except Exception as error:  # noqa: BLE001 - one run's fault must not cost the others their record
                problems.append(f"{journal.path.name}: {unexpected(error)}")
    return Delivery(problems[0] if problems else "")


def _ordered(place: Path) -> list[Journal]:
    """List the journals as they are sent: the parent's first; once that has its end last, so that no run below stays open.

    Whoever sends may be killed between two of them, as where the processes of a container end with dvc.
    """
    found = journals(place)
    return sorted(found, key=lambda journal: journal.is_parent and journal.ending() is not None)


def waits(place: Path) -> str:
    """Return how much of an execution MLflow has not got."""
    found = [path for journal in journals(place) for path in journal.waiting_files()]
    size = sum(path.stat().st_size for path in found if path.exists()) / MB
    return f"{len(found)} files, {size:.1f} MB wait"


def deliver_rest(sender: Sender, but: str = "", *, start: bool = True) -> dict[str, str]:
    """Close and deliver what other executions left: killed ones, and those that MLflow missed.

    Args:
        sender: to MLflow.
        but: an execution that is left out.
        start: give those that are at work here a recorder; not for a recorder that gave up itself, since what kept it from
            its work may keep theirs, and two that give up would start each other without end.

    Returns:
        Each execution looked at, with why it could not be sent.
    """
    found: dict[str, str] = {}
    mending.sweep()
    for execution in waiting():
        if execution == but or locks.is_held(executions.folder(execution) / "recorder.lock"):
            continue
        result = _deliver_left(sender, execution)
        if start:
            _leave(execution)
        found[execution] = result.problem
        if result.away:
            break  # the others would wait for the same server
    return found


def _deliver_left(sender: Sender, execution: str) -> Delivery:
    """Deliver an execution that no recorder looks after; whatever is wrong with it stays its own."""
    try:
        with locks.locked(executions.folder(execution) / "recorder.lock", timeout_s=0.5):
            archive.bring_back(execution)
            if fault := copies.fault(execution, sender):
                quarantine.put(execution, executions.folder(execution), fault)
                return Delivery()
            with suppress(OSError, RawlineError, LookupError, TypeError, ValueError):  # mended next
                closing.is_over(execution)  # whether it lives is asked before anything is written there
            mending.mend(execution)
            return deliver(sender, execution, over=look(execution))
    except InfrastructureError as error:
        return Delivery("" if _is_another_s(execution) else str(error))
    except Exception as error:  # noqa: BLE001 - named, and the next execution has its turn
        if not executions.is_one(executions.folder(execution)):  # another process has just put it away
            return Delivery()
        problem = unexpected(error)
        say(execution, problem)
        return Delivery(problem)


def _leave(execution: str) -> None:
    """Start the recorder of an execution that is at work here: who began it may have taken our lock for its recorder's."""
    with suppress(OSError, RawlineError, LookupError, TypeError, ValueError):
        place = executions.folder(execution)
        about = executions.describe(execution) if executions.is_one(place) else {}
        if about and not (place / recorder.GAVE_UP).exists() and identity.is_here(about) and not closing.is_over(execution):
            recorder.ensure(execution)


def _is_another_s(execution: str) -> bool:
    return locks.is_held(executions.folder(execution) / "recorder.lock")


def look(execution: str) -> bool:
    """Bring the journals up to date; tell whether the execution is over."""
    closing.settle(execution)
    snapshots.graph(execution)
    closing.snapshot(execution)
    over = closing.is_over(execution)
    if over:
        closing.snapshot(execution)  # dvc may have booked its last stage and ended since
        mending.account(execution)
        closing.close(execution)
    return over


def waiting() -> list[str]:
    """List the executions whose record is not complete in MLflow, oldest first."""
    return [place.name for place in sorted(executions.spool().glob("*")) if executions.is_one(place)]
