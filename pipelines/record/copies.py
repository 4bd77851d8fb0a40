"""Tells whether an execution was begun in this very folder: a copy of a project must not end the run of the original.

An execution notes its project's root and the number of its own folder on the disk. A folder that is renamed keeps the
number, one that is seen at two mount points too; a copy of its files or a restored backup has another. An image of the whole
disk and a snapshot of btrfs or ZFS keep it: such a copy is not told from the original. The device's number would not tell
either, since it may change with a mount, and then each project on an external disk would count as a copy.
"""

import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import settings
from pipelines.record import execution as executions
from pipelines.record import identity, quarantine
from pipelines.record.journal import PARENT, Journal, journals
from stages.core import files
from stages.core.errors import DataError

if TYPE_CHECKING:
    from pipelines.record.sender import Sender  # imports MLflow

STATE = ".rawline"


def is_elsewhere(place: Path, about: Mapping[str, Any]) -> bool:
    """Tell whether an execution's folder is another than the one it was begun in; older ones do not say."""
    return isinstance(about.get("inode"), int) and about["inode"] != place.stat().st_ino


def fault(execution: str, sender: "Sender") -> str:
    """Return why an execution must not be sent from here, one line; empty where it may.

    A database inside the project is copied with it, so that its runs are the copy's own.
    """
    place = executions.folder(execution)
    about = _noted(place)
    if not is_elsewhere(place, about) or settings.is_inside(settings.tracking_uri()):
        return ""
    if original := _original(execution, about):
        return f"this is a copy: {original} sends this execution"
    shown = [(journal, sender.shown(journal)) for journal in journals(place) if journal.opening()]
    if any(run is not None and _has_ended_otherwise(journal, run) for journal, run in shown):
        return "this is a copy: the original has ended in MLflow since"
    away = about.get("host") != socket.gethostname() and not quarantine.told(execution)  # put back: a person knows better
    if away and any(run is not None and run.info.status == "RUNNING" for _, run in shown):
        return f"this is a copy: the original, on {about.get('host')}, may still work; when it does not, put this back"
    return ""


def _noted(place: Path) -> dict[str, Any]:
    """Return what was noted when the execution began, from the parent's journal where its own file cannot be read."""
    try:
        content = files.read_json(place / "execution.json")
    except (OSError, DataError):  # the mending's to report
        content = None
    parent = Journal(place / f"{PARENT}.jsonl")
    if not isinstance(content, dict) and parent.path.is_file():
        content = parent.opening().get("about")
    return content if isinstance(content, dict) else {}


def _original(execution: str, about: Mapping[str, Any]) -> str:
    """Return the project that an execution was begun in, where that has it still or has sent it; else empty."""
    root = Path(str(about.get("root") or settings.root()))
    if about.get("host") != socket.gethostname() or not root.is_dir() or root.samefile(settings.root()):
        return ""
    names = (f"spool/{execution}", f"executions/{execution}.json")
    return str(root) if any((root / STATE / name).exists() for name in names) else ""


def _has_ended_otherwise(journal: Any, run: Any) -> bool:
    """Tell whether MLflow shows an end that this journal has not written."""
    return run.info.status != "RUNNING" and bool(run.info.end_time) and run.info.end_time not in _ends(journal)


def _ends(journal: Any) -> set[int]:
    return {event["t"] for event, _ in journal.events() if event["kind"] == "end"}


def is_seen_at(old: Path) -> bool:
    """Tell whether the project's database lies at another path too: the same folder by two mounts or links, no copy.

    Args:
        old: the folder of artefacts that the database was made for.
    """
    mark = settings.artifact_root().parent / f".seen-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        mark.touch()
        return (old.parent / mark.name).exists()
    finally:
        mark.unlink(missing_ok=True)


def at_work_elsewhere() -> str:
    """Return the path at which a living process works in this very project, where that is not the path from here."""
    for place in executions.spool().glob("*"):
        try:
            about = files.read_json(place / "execution.json")
            root = str(about.get("root") or settings.root())
            if root != str(settings.root()) and not is_elsewhere(place, about) and identity.is_alive(about, place):
                return root
        except (OSError, DataError, AttributeError, KeyError, TypeError, ValueError):  # the mending's to report
            continue
    return ""
