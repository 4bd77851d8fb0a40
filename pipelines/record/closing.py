"""Brings an execution to its end: no run stays open, and every stage of the graph is shown, whether it ran or not."""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines import dvc_lock, settings
from pipelines.graph import Graph, Node
from pipelines.record import execution as executions
from pipelines.record import lockfile, provenance
from pipelines.record.execution import StageState
from pipelines.record.journal import PARENT, Journal, journals
from pipelines.record.processes import Owner
from stages.core import files
from stages.core.errors import RawlineError

STATUS = {"Completed": "FINISHED", "Cached": "FINISHED", "Failed": "FAILED", "Killed": "KILLED", "NotReached": "KILLED"}
BAD = ("Failed", "Killed", "NotReached")
LOCK = "dvc.lock"


def note_graph(execution: str) -> Graph:
    """Return the execution's graph, noted at its start: later the working copy may be gone or edited."""
    place = executions.folder(execution) / "graph.json"
    if place.exists():
        return lockfile.thaw(files.read_json(place))
    try:
        graph = lockfile.load_graph(Path(executions.describe(execution)["workdir"]))
    except RawlineError:  # a broken dvc.yaml is dvc's to report; what ran is recorded all the same
        graph = Graph({})
    files.write_json(place, lockfile.freeze(graph))
    return graph


def snapshot(execution: str) -> None:
    """Copy ``dvc.lock`` when it has changed (the working copy of ``dvc exp run`` is deleted) and sign what it books."""
    workdir = Path(executions.describe(execution)["workdir"])
    place = executions.folder(execution) / LOCK
    if not workdir.exists():
        _snapshot_experiment(execution, place)
        return
    try:
        if place.exists() and (workdir / LOCK).stat().st_mtime_ns == place.stat().st_mtime_ns:
            return
        with files.atomic(place) as temporary, dvc_lock.held(workdir):
            shutil.copy2(workdir / LOCK, temporary)
    except FileNotFoundError:
        return
    _sign_all(execution)


def _snapshot_experiment(execution: str, place: Path) -> None:
    """Take ``dvc.lock`` from the commit that ``dvc exp run --temp`` or ``--queue`` made before it deleted its folder."""
    tags = [j.opening().get("tags", {}) for j in journals(executions.folder(execution))]
    name = next((t["rawline.dvc_experiment"] for t in tags if "rawline.dvc_experiment" in t), None)
    references = provenance.git(settings.root(), "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    found = [reference for reference in references if name and reference.endswith(f"/{name}")]
    if found and (text := provenance.git(settings.root(), "show", f"{found[-1]}:./{LOCK}")):
        files.write_text(place, text + "\n")


def settle(execution: str) -> None:
    """Mark runs as killed whose process is gone without a word."""
    for journal in journals(executions.folder(execution)):
        if journal.ending() is None and (owner := journal.owner()) and not owner.is_alive():
            journal.write("tags", values={"rawline.state": "Killed"})
            journal.write("end", status="KILLED", message="its process was killed")


def is_over(execution: str) -> bool:
    """Tell whether nothing more will run: closing was asked for or the owner is gone, and no stage goes on."""
    about = executions.describe(execution)
    asked = (executions.folder(execution) / "closing.json").exists()
    if not asked and Owner(about["pid"], about["created_ms"] / 1000).is_alive():
        return False
    return all(j.ending() is not None for j in journals(executions.folder(execution)) if not j.is_parent)


def close(execution: str) -> None:
    """Write the end of an execution into its journals; doing it twice changes nothing."""
    place = executions.folder(execution)
    parent = Journal(place / f"{PARENT}.jsonl")
    if parent.ending():
        return
    request = files.read_json(place / "closing.json") if (place / "closing.json").exists() else {}
    _sign_all(execution)
    told = request.get("states", {})
    _overrule(execution, told)
    states = dict(executions.stage_states(execution))
    entries = _entries(execution)
    for node in note_graph(execution).nodes.values():
        if node.name not in states:
            states[node.name] = _absent(execution, node, states, entries, told)
            _write_absent(execution, node, states[node.name], entries)
    if (place / LOCK).exists():
        parent.keep(place / LOCK)
    _end_parent(execution, parent, states, request.get("exit_code"))


def _sign_all(execution: str) -> None:
    """Tag each completed run with the signature and hashes that DVC booked for it."""
    entries = _entries(execution)
    for journal in journals(executions.folder(execution)):
        first, last = journal.opening(), journal.ending()
        if not last or last["status"] != "FINISHED" or first.get("stage") not in entries or "state" in first:
            continue
        if (mark := journal.path.with_suffix(".signed")).exists():
            continue
        entry = entries[first["stage"]]
        edited = lockfile.changed(first.get("seen", {}), first.get("params", {}), entry)
        if edited and (
            first.get("booked") == lockfile.digest(entry) or not is_over(execution)
        ):  # an entry of an earlier run; dvc has not booked this one yet
            continue
        journal.write("tags", values=_stale(edited) if edited else signed(entry))
        mark.touch()


def _overrule(execution: str, told: Mapping[str, str]) -> None:
    """Let the scheduler's word stand where a command ended well and the stage is worth nothing all the same."""
    for journal in journals(executions.folder(execution)):
        last, state = journal.ending(), told.get(journal.opening().get("stage", ""))
        if last and last["status"] == "FINISHED" and state in ("Failed", "Killed"):
            journal.write("tags", values={"rawline.state": state})
            journal.write(
                "end", status=STATUS[state], message="its command ended well, but the scheduler could not accept it"
            )


def signed(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that say what went in and what came out."""
    entry = dict(entry)
    outs = {f"dvc.out.{path}": value for path, value in lockfile.hashes(entry, "outs").items()}
    return {"rawline.signature": lockfile.signature(entry), "rawline.outs": lockfile.output(entry), **outs}


def _stale(edited: list[str]) -> dict[str, str]:
    return {"rawline.edited_while_running": ", ".join(edited)}


def _entries(execution: str) -> lockfile.Entries:
    return lockfile.read(executions.folder(execution) / LOCK)


def _absent(
    execution: str, node: Node, states: Mapping[str, StageState], entries: lockfile.Entries, told: Mapping[str, str]
) -> StageState:
    """Say why a stage did not run here: its bytes are there already, or something before it failed."""
    if state := told.get(node.name):
        return StageState(state if state in STATUS else "Failed", "" if state in STATUS else state)  # type: ignore[arg-type]
    broken = sorted(up for up in node.upstream if up in states and states[up].state in BAD)
    if broken:
        return StageState("NotReached", f"not reached: {', '.join(broken)} did not complete")
    if lockfile.is_fresh(node, entries, Path(executions.describe(execution)["workdir"])):
        return StageState("Cached")
    return StageState("NotReached", "not run in this execution, and not up to date")


def _write_absent(execution: str, node: Node, state: StageState, entries: lockfile.Entries) -> None:
    journal = Journal(executions.folder(execution) / f"{node.name}.absent.jsonl")
    if journal.path.exists() and journal.ending():
        return
    about = executions.describe(execution)
    entry = entries.get(node.name, {})
    cached = state.state == "Cached"
    tags = {"rawline.stage": node.name, "rawline.verb": node.verb, "rawline.state": state.state}
    tags |= {"rawline.task": node.task} if node.task else {}
    tags |= signed(entry) if cached and entry else {}
    journal.write("open", name=node.name, stage=node.name, experiment=about["experiment"], tags=tags, state=state.state,
                  message=state.message)  # fmt: skip
    if cached and entry:
        journal.write("link", stage=node.name, signature=lockfile.signature(entry), outs=lockfile.output(entry))
    journal.write("end", status=STATUS[state.state], message=state.message)


def _end_parent(execution: str, parent: Journal, states: Mapping[str, StageState], exit_code: int | None) -> None:
    count = {kind: sum(s.state == kind for s in states.values()) for kind in STATUS}
    told = ", ".join(f"{number} {kind}" for kind, number in count.items() if number)
    status = "FINISHED"
    if count["Failed"] or exit_code or (count["NotReached"] and not count["Killed"] and _wanted_all(execution)):
        status = "FAILED"
    elif count["Killed"]:
        status = "KILLED"
    lines = [f"{name}: {s.message or s.state}" for name, s in states.items() if s.state in ("Failed", "Killed")]
    parent.write("tags", values={"rawline.stages": told})
    parent.write("end", status=status, message="; ".join([told, *lines])[:2000])


def _wanted_all(execution: str) -> bool:
    """Tell whether a bare ``dvc repro`` named no targets, so that a stage not reached means it was stopped."""
    command = Journal(executions.folder(execution) / f"{PARENT}.jsonl").opening().get("tags", {}).get("command", "")
    words = shlex.split(command)
    return words[:2] == ["dvc", "repro"] and all(word.startswith("-") for word in words[2:])
