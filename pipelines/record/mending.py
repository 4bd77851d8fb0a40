"""Looks at each file of an execution, sets aside what cannot be read, and writes anew what can be known otherwise."""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines import settings
from pipelines.graph import Graph
from pipelines.record import events, lockfile, locks, quarantine, standins
from pipelines.record import execution as executions
from pipelines.record.events import Event
from pipelines.record.journal import ABSENT, DISK, LINES, OPENING, PARENT, Journal, journals
from stages.core import files
from stages.core.errors import DataError, RawlineError

OLD_S = 3600.0  # what a kill left half-made is swept after that; younger things may still be in the making
FRESH_S = 10.0  # a journal without a line may be in the making
KNOWN = {"id": str, "kind": str, "name": str, "experiment": str, "pid": int, "created_ms": int, "workdir": str}


def mend(execution: str) -> list[str]:
    """Make an execution's folder one that can be sent.

    Returns:
        What was wrong, a line each; nothing for a sound one.
    """
    place = executions.folder(execution)
    before = len(quarantine.told(execution))
    _try(execution, place / "execution.json", _check_about)
    _try(execution, place / "closing.json", _check_closing)
    _try(execution, place / "graph.json", lambda path: lockfile.thaw(files.read_json(path)))
    graph = place / "graph.json"
    for name in lockfile.names(lockfile.thaw(files.read_json(graph)) if graph.exists() else Graph({})):
        _try(execution, place / name, lockfile.check)
    for path in sorted(place.glob("*.sent")):
        _try(execution, path, lambda path: Journal(path.with_suffix(".jsonl")).sent())
    for path in sorted(place.glob("*.jsonl")):
        _mend_journal(execution, path)
    with locks.locked(executions.lock()):  # nobody is just about to write them
        _rebuild(execution)
    return quarantine.told(execution)[before:]


def describe_bad(path: Path) -> str:
    """Return what is wrong with a journal, empty when its run can be sent."""
    try:
        if not path.is_file():
            return "it is no file"
        if path.stat().st_size == 0:
            return "it is empty: the disk was full or the power was cut while it was begun"
        found = Journal(path).opening()
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return "" if found else "no line of it says which run it belongs to"


def account(execution: str) -> None:
    """Say in MLflow where lines of a journal were no events, and keep a copy of it."""
    for journal in journals(executions.folder(execution)):
        if LINES not in (missing := journal.missing()) and (bad := _num_bad(journal, full=DISK in missing)):
            fault = f"{bad} lines are no events; the other lines were sent"
            quarantine.put(execution, journal.path, fault, keep=True)
            journal.miss(LINES, f"{bad} lines of the journal could not be read")


def _num_bad(journal: Journal, *, full: bool) -> int:
    """Count the lines that are no events; who writes on a full disk has counted those that broke off, among all it lost."""
    bad = [line for event, line, _ in journal.lines() if event is None and line.strip()]
    return sum(not (full and events.is_torn(line)) for line in bad)


def sweep() -> None:
    """Clear the spool of what no execution needs: half-made folders, loose files; only what is an hour old."""
    for path in sorted(executions.spool().glob("*")):
        if executions.is_one(path) or time.time() - _newest(path) < OLD_S:
            continue
        if path.is_dir() and not any(executions.is_content(child) for child in path.iterdir()):
            shutil.rmtree(path, ignore_errors=True)
        else:
            quarantine.put(quarantine.LOOSE, path, "it belongs to no execution")
    for path in (settings.state() / "gone").glob("*"):
        shutil.rmtree(path, ignore_errors=True)


def _try(execution: str, path: Path, check: Callable[[Path], Any]) -> None:
    """Set a file aside when its check fails; of closing it is remembered that it was asked for."""
    if not path.exists() and not path.is_symlink():
        return
    try:
        check(path)
    except (OSError, RawlineError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        quarantine.put(execution, path, f"it cannot be used: {_line(error)}")
        if path.name == "closing.json":
            files.write_json(path, {"exit_code": None, "states": {}})


def _check_about(path: Path) -> None:
    content = files.read_json(path)
    wrong = [key for key, kind in KNOWN.items() if not isinstance(content[key], kind)]
    if wrong or content["id"] != path.parent.name:
        raise DataError(f"{', '.join(wrong) or 'id'} has a wrong value")


def _check_closing(path: Path) -> None:
    content = files.read_json(path)
    code, states = content["exit_code"], content["states"]
    if not isinstance(code, (int, type(None))) or not all(isinstance(word, str) for pair in states.items() for word in pair):
        raise DataError("exit_code is no number or states are no words")


def _mend_journal(execution: str, path: Path) -> None:
    """Set a journal aside that tells no run, with its kept files; put one there that says so: its run would stay open."""
    fault = describe_bad(path)
    if fault and path.stem.endswith(ABSENT) and path.is_file() and events.is_torn(path.read_bytes()):
        path.unlink()  # whoever closes the execution had no room for its first line, and writes it again
        return
    if not fault or time.time() - path.lstat().st_mtime < FRESH_S:
        return
    if (copies := Journal(path).files).exists():
        quarantine.put(execution, copies, f"the kept files of {path.name}")
    kept = quarantine.put(execution, path, fault)
    path.with_suffix(".sent").unlink(missing_ok=True)
    if path.stem == PARENT or path.stem.endswith(ABSENT):
        return
    stage = path.name.split(".")[0]
    note = f"its journal cannot be read: {fault} ({kept.relative_to(settings.root())})"
    tags = {"rawline.stage": stage}
    standins.tell(Journal(path), stage, standins.UNKNOWN, note, experiment=_experiment(path.parent), tags=tags)


def _rebuild(execution: str) -> None:
    """Write ``execution.json`` from the parent's journal, or the parent's journal from it; both from the name if need be."""
    place = executions.folder(execution)
    parent, about = Journal(place / f"{PARENT}.jsonl"), place / "execution.json"
    opening = parent.opening() if parent.path.exists() else {}
    if not about.exists() and (opening or list(place.glob("*.jsonl"))):
        files.write_json(about, _about(execution, opening))
    if about.exists() and not opening:
        content = files.read_json(about)
        note = "the parent's journal was written anew: " + quarantine.words(
            quarantine.told(execution)[-1:] or ["it was missing"]
        )
        tags = {"rawline.kind": content["kind"], "rawline.execution": execution}
        parent.write("open", name=content["name"], experiment=content["experiment"], tags=tags, about=content)
        parent.miss(OPENING, note)


def _about(execution: str, opening: Event) -> dict[str, Any]:
    """Return what ``execution.json`` said, from the copy in the parent's journal, else from the execution's id."""
    if set(KNOWN) <= set(opening.get("about", {})):
        return dict(opening["about"])
    found = executions.NAMED.fullmatch(execution)
    when = datetime.strptime(found["when"], executions.WHEN).replace(tzinfo=UTC).timestamp() if found else 0.0
    return {
        "id": execution,
        "kind": found["kind"] if found else "stage",
        "name": opening.get("name", executions.title(execution)),
        "experiment": opening.get("experiment") or _experiment(executions.folder(execution)),
        "pid": int(found["pid"]) if found else 0,
        "created_ms": int(when * 1000),
        "workdir": str(settings.root()),
    }


def _experiment(place: Path) -> str:
    names = [j.opening().get("experiment") for j in journals(place)]
    return next((name for name in names if name), settings.experiment())


def _newest(path: Path) -> float:
    below = [child.lstat().st_mtime for child in path.iterdir() if child.name != "recorder.lock"] if path.is_dir() else []
    return max([path.lstat().st_mtime, *below])


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text if isinstance(error, RawlineError) else f"{type(error).__name__}: {text}")[:300]
