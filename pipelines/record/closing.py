"""Brings an execution to its end: no run stays open, and every stage of the graph is shown, whether it ran or not."""

import posixpath
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.graph import Graph, Node, file_name
from pipelines.record import (
    absence,
    booking,
    doubts,
    freshness,
    headline,
    identity,
    lockfile,
    looks,
    outputs,
    quarantine,
    snapshots,
    standins,
    wanted,
)
from pipelines.record import execution as executions
from pipelines.record.absence import STATUS
from pipelines.record.events import Event
from pipelines.record.execution import StageState
from pipelines.record.journal import ABSENT, ASIDE, PARENT, Journal, journals
from stages.core import files
from stages.core.errors import RawlineError

WORSE = ("FINISHED", "KILLED", "FAILED")


def snapshot(execution: str) -> None:
    """Copy what dvc has booked since it was looked at last, and sign it.

    Of an execution that had ended before what was booked then stands: ``dvc.lock`` may be that of a later one.
    """
    if executions.ended_before(execution) is None and snapshots.take(execution):
        _sign_all(execution, over=is_over(execution))


def settle(execution: str) -> None:
    """Mark runs as killed whose process is gone without a word."""
    for journal in journals(executions.folder(execution)):
        if journal.ending() is None and journal.is_stage_s() and not journal.is_alive():
            journal.write("tags", values={"rawline.state": "Killed"})
            journal.write("end", status="KILLED", message="its process was killed")
        if journal.ending() is not None:
            journal.close_torn()


def is_over(execution: str) -> bool:
    """Tell whether nothing more will run: closing was asked for or who would ask is gone, and no stage goes on."""
    ended = is_asked(execution) or executions.ended_before(execution) is not None
    return (ended or not _is_attended(execution)) and is_idle(execution)


def _is_attended(execution: str) -> bool:
    """Tell whether the owner lives, or the command that started it and knows best how it ended."""
    about, place = executions.describe(execution), executions.folder(execution)
    return identity.is_alive(about, place) or (
        bool(about.get("closer")) and identity.is_alive({**about, **about["closer"]}, place)
    )


def is_asked(execution: str) -> bool:
    """Tell whether closing was asked for."""
    return (executions.folder(execution) / "closing.json").exists()


def is_idle(execution: str) -> bool:
    """Tell whether every stage that began has ended."""
    return all(j.ending() is not None for j in journals(executions.folder(execution)) if j.is_stage_s())


def close(execution: str) -> None:
    """Write the end of an execution into its journals; doing it twice changes nothing, what was learnt since is added."""
    place = executions.folder(execution)
    parent = Journal(place / f"{PARENT}.jsonl")
    request = files.read_json(place / "closing.json") if is_asked(execution) else {}
    standins.finish_all(place)
    unbooked = _sign_all(execution, over=is_over(execution))
    _overrule(execution, request.get("states", {}))
    _fail(unbooked)
    faults = quarantine.listed().get(execution)
    parent.miss(ASIDE, f"set aside: {quarantine.words(faults)}" if faults else "")
    states = dict(executions.stage_states(execution))
    if (ending := parent.ending()) and (ending.get("told"), ending.get("request", {})) == (_told(states), request):
        headline.write(parent, place, _telling(execution, states), states, snapshots.entries(execution))
        _keep_locks(execution, parent, ending["t"])
        return
    for name, state in absent(execution, states, request).items():
        states[name] = state
        _write_absent(execution, snapshots.graph(execution).nodes[name], state, snapshots.entries(execution))
    headline.write(parent, place, _telling(execution, states), states, snapshots.entries(execution))
    _keep_locks(execution, parent, ending["t"] if ending and executions.ended_before(execution) else 0)
    _end_parent(execution, parent, states, request)


def _telling(execution: str, states: Mapping[str, StageState]) -> Graph:
    """Return the stages whose figures are asked for: all; of an execution that had ended those whose journals tell them."""
    graph = snapshots.graph(execution)
    if executions.ended_before(execution) is None:
        return graph
    return Graph({name: node for name, node in graph.nodes.items() if name in states and states[name].state == "Completed"})


def _keep_locks(execution: str, parent: Journal, since_ms: int) -> None:
    """Keep each ``dvc.lock`` with the execution, once more when dvc has booked a stage after the end was written."""
    for name in lockfile.names(snapshots.graph(execution)):
        lock, folder = executions.folder(execution) / name, posixpath.dirname(name)
        if not lock.exists() or lock.stat().st_mtime * 1000 <= since_ms:
            continue
        events = [event for event, _ in parent.events() if event["kind"] == "artifact" and event["folder"] == folder]
        kept = [event["t"] for event in events if event["file"].endswith(f"/{lockfile.NAME}")]
        if since_ms == 0 or lock.stat().st_mtime * 1000 > max(kept, default=0):
            parent.keep(lock, folder)


def booked(execution: str) -> set[str]:
    """Return the stages of an execution that dvc has booked since they ended."""
    found = journals(executions.folder(execution))
    return {j.opening().get("stage", "") for j in found if j.path.with_suffix(".signed").exists()}


def are_fresh(execution: str, names: Iterable[str]) -> bool:
    """Tell whether what dvc booked for some stages still fits, as far as is known."""
    graph, is_fresh = snapshots.graph(execution), _freshness(execution)
    return all(is_fresh(graph.nodes[name]) is not False for name in names)


def _freshness(execution: str, lying: lockfile.Entries | None = None) -> Callable[[Node], bool | None]:
    """Return what tells whether dvc's entry of a stage still fits; none does that reads what is neither booked nor lying."""
    entries, workdir = snapshots.entries(execution) | (lying or {}), Path(executions.describe(execution)["workdir"])
    unbooked = set(executions.stage_states(execution)) - booked(execution) - set(lying or {})
    return lambda node: not node.upstream & unbooked and freshness.is_fresh(node, entries, workdir)


def _sign_all(execution: str, *, over: bool) -> list[Journal]:
    """Tag each completed run with the signature and hashes that DVC booked for it.

    Args:
        execution: its id.
        over: whether DVC books nothing more of it.

    Returns:
        The runs that DVC should have booked and will not.
    """
    entries = snapshots.entries(execution)
    about = executions.describe(execution)
    alone = about["kind"] != "flow"  # else another stage may have been booked meanwhile
    given = command(execution)
    unbooked = []
    for journal in journals(executions.folder(execution)):
        first, last, mark = journal.opening(), journal.ending(), journal.path.with_suffix(".signed")
        if not last or last["status"] != "FINISHED" or "stage" not in first or "state" in first or mark.exists():
            continue
        stage, look = first["stage"], looks.after(Path(about["workdir"]), first["stage"], journal.key)
        if look and look.t < last["t"]:  # the stage was begun again meanwhile: whose entry there is, nobody knows
            continue
        entry = look.entry if look else entries.get(stage)
        written = look.written if look else booking.stamp(executions.folder(execution) / lockfile.of(stage))
        found = booking.of(first, last, entry, written, outputs.noted(journal, given))
        is_equal = first.get("booked") == lockfile.digest(entry or {})
        is_first = last.get("lock", written) != written and (alone or not is_equal)  # written since the run ended
        if found.is_new and (over or look or is_first or not (found.edited or is_equal)):
            _sign(journal, stage, entry or {}, found.edited)
        elif (over or found.is_missing) and not found.is_new and _is_certain(execution, first, found, look):
            unbooked.append(journal)
    return unbooked


def _sign(journal: Journal, stage: str, entry: lockfile.Entry, edited: tuple[str, ...]) -> None:
    """Say what DVC booked for a run: its signature, or that its inputs were edited and the entry is not to be believed.

    Of an entry that another run has made and that does not fit this one nothing is said: it is that one's.
    """
    if edited and doubts.is_made(stage, entry):
        return
    if edited:
        doubts.note(stage, entry, ", ".join(edited))
    else:
        doubts.clear(stage, entry)
        freshness.note((journal.ending() or {}).get("listed", {}), entry)
    journal.write("tags", values=booking.stale(edited, entry) if edited else booking.signed(entry))
    journal.path.with_suffix(".signed").touch()


def _is_certain(execution: str, first: Event, found: booking.Booking, look: looks.Look | None) -> bool:
    """Tell whether dvc has not booked a run, as far as that can be known when its execution is over.

    A stage run by hand is booked by nobody. Where the recorder ends with dvc it may be a day later, and the file put back.
    Where the stage was looked at since it is certain only if ``dvc.lock`` was not written until then. A run whose output
    was missing is none that dvc books, whenever one looks.
    """
    if not first.get("by_dvc") or found.is_missing:
        return bool(first.get("by_dvc"))
    if found.is_unsure:
        return False
    if look or not snapshots.is_last(execution, lockfile.of(first["stage"])):
        return look is not None and found.is_untouched
    return found.is_untouched or not executions.describe(execution).get("contained")


def _fail(unbooked: Iterable[Journal]) -> None:
    """Say that stages failed whose outputs dvc has not booked; where the scheduler knows more, that stands."""
    for journal in unbooked:
        if (last := journal.ending()) and last["status"] == "FINISHED":
            journal.write("tags", values={"rawline.state": "Failed"})
            journal.write("end", status="FAILED", message=booking.UNBOOKED)


def edited(execution: str) -> dict[str, str]:
    """Return the stages whose inputs were edited while they ran, each with what was; dvc must have ended."""
    found: dict[str, str] = {}
    with suppress(FileNotFoundError):  # sent and put away meanwhile: its note tells
        snapshot(execution)
        _sign_all(execution, over=True)
        found = stale(execution)
    return {**found, **executions.archived(execution).get("edited", {})}


def learn() -> None:
    """Judge what waits in the spool of executions that are over, so that doubts are known; it takes no server."""
    for place in sorted(executions.spool().glob("*")):
        name = place.name
        with suppress(OSError, RawlineError, LookupError, TypeError, ValueError):  # whoever sends it mends and names it
            if executions.is_one(place) and not executions.archive(name).exists() and is_over(name):
                settle(name)
                edited(name)


def stale(execution: str) -> dict[str, str]:
    """Return what the journals say of stages whose inputs were edited while they ran."""
    found: dict[str, str] = {}
    for journal in journals(executions.folder(execution)):
        for event, _ in journal.events():
            if event["kind"] == "tags" and booking.STALE in event["values"]:
                found[journal.opening().get("stage", "")] = str(event["values"][booking.STALE])
    return found


def _overrule(execution: str, told: Mapping[str, str]) -> None:
    """Let the scheduler's word stand where a command ended well and the stage is worth nothing all the same."""
    for journal in journals(executions.folder(execution)):
        last, state = journal.ending(), told.get(journal.opening().get("stage", ""))
        if last and last["status"] == "FINISHED" and state in ("Failed", "Killed"):
            journal.write("tags", values={"rawline.state": state})
            journal.write(
                "end", status=STATUS[state], message="its command ended well, but the scheduler could not accept it"
            )


def command(execution: str) -> str:
    """Return dvc's command line, empty when another program started the stages."""
    opening = Journal(executions.folder(execution) / f"{PARENT}.jsonl").opening()
    found = opening.get("tags", {}).get("command", "")
    return str(found) if executions.describe(execution)["kind"] == "dvc" else ""


def absent(
    execution: str, ran: Mapping[str, StageState], request: Mapping[str, Any], lying: lockfile.Entries | None = None
) -> dict[str, StageState]:
    """Say of each stage that did not run why.

    Args:
        execution: its id.
        ran: the stages that ran.
        request: what the scheduler said as it closed the execution.
        lying: outputs that are known before dvc has booked them, as it will.
    """
    graph, about = snapshots.graph(execution), executions.describe(execution)
    given, done = command(execution), [name for name, state in ran.items() if state.state == "Completed"]
    forced = wanted.regardless(graph, about, given, done)
    known = absence.Known(wanted.stages(graph, about, given), request.get("states", {}), request.get("exit_code"), forced)
    entries = snapshots.entries(execution)
    return absence.states(
        graph, ran, known, _freshness(execution, lying), lambda node: doubts.of(node.name, entries.get(node.name, {}))
    )


def _write_absent(execution: str, node: Node, state: StageState, entries: lockfile.Entries) -> None:
    journal = Journal(executions.folder(execution) / f"{file_name(node.name)}{ABSENT}.jsonl")
    entry = entries.get(node.name, {})
    tags = {"rawline.stage": node.name, "rawline.verb": node.verb, "rawline.state": state.state}
    tags |= {"rawline.task": node.task} if node.task else {}
    tags |= booking.signed(entry) if state.state == "Cached" and entry else {}
    experiment = executions.describe(execution)["experiment"]
    standins.tell(journal, node.name, state.state, state.message, experiment=experiment, tags=tags)


def status_of(execution: str, states: Mapping[str, StageState], exit_code: int | None, *, asked: bool) -> str:
    """Return how an execution ended, as MLflow calls it.

    Args:
        execution: its id.
        states: every stage's.
        exit_code: the scheduler's or ``rawline repro``'s; None where it is not known (a bare dvc's cannot be seen).
        asked: whether somebody closed it; a flow whose process went without that has crashed.
    """
    found = {state.state for state in states.values()}
    about = executions.describe(execution)
    crashed = about["kind"] == "flow" and not asked
    failed = wanted.has_failed(command(execution), Path(about["workdir"])) if about["kind"] == "dvc" else False
    if "Failed" in found or exit_code or failed:
        return "FAILED"
    if "Killed" in found or crashed:
        return "KILLED"
    return "FAILED" if "NotReached" in found else "FINISHED"


def _told(states: Mapping[str, StageState]) -> str:
    count = {kind: sum(s.state == kind for s in states.values()) for kind in STATUS}
    return ", ".join(f"{number} {kind}" for kind, number in count.items() if number)


def _status_again(known: Mapping[str, Any], states: Mapping[str, StageState], request: Mapping[str, Any]) -> str:
    """Return how an execution ended that came back: as is known, unless what came back says worse."""
    told = [STATUS[state.state] for state in states.values() if state.state in ("Failed", "Killed")]
    told += ["FAILED"] * bool(request.get("exit_code"))
    return max([str(known["status"]), *told], key=WORSE.index)


def _end_parent(execution: str, parent: Journal, states: Mapping[str, StageState], request: Mapping[str, Any]) -> None:
    told, known = _told(states), executions.ended_before(execution) or {}
    if known.get("status") in WORSE:
        status = _status_again(known, states, request)
    else:
        status = status_of(execution, states, request.get("exit_code"), asked=bool(request))
    lines = [f"{name}: {s.message or s.state}" for name, s in states.items() if s.state in ("Failed", "Killed", "Unknown")]
    lines += ["the flow's process ended without closing it"] * (status == "KILLED" and not request and not lines)
    parent.write("tags", values={"rawline.stages": told})
    parent.write("end", status=status, message="; ".join([told, *lines])[:2000], told=told, request=request,
                 **({"t": known["ended_ms"]} if known.get("ended_ms") else {}))  # fmt: skip
