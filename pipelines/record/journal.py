"""The journal of one run: every record is written here first, in order, and sent to MLflow from here.

``<spool>/<execution>/<slug>.jsonl`` holds one event a line, ``<slug>.files/`` copies of kept files, ``<slug>.sent`` how
many bytes MLflow has. Sending twice does no harm (each event carries its time, each run its key), so that a kill between
sending and noting it loses nothing and doubles nothing.

Events: ``open`` (name, tags, owner), ``params``, ``tags``, ``inputs``, ``metrics`` (values, step), ``artifact`` (file,
folder), ``note``, ``link`` (signature, outs: find the run that made these bytes), ``end`` (status, message).
"""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.record.processes import Owner
from stages.core import files

PARENT = "execution"
TAIL = 65536  # bytes; an end and the tags after it are far shorter
Event = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """What MLflow has of a journal.

    Attributes:
        offset: bytes of the journal that were sent.
        run_id: the run they went to.
        refused: why MLflow will never take the rest; empty while it may.
    """

    offset: int = 0
    run_id: str | None = None
    refused: str = ""


class Journal:
    """One run's journal; one process appends to it, threads take turns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._kept = 0

    @property
    def key(self) -> str:
        """Return the run's name among all runs: execution and slug."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def is_parent(self) -> bool:
        """Tell whether this is the execution's own run."""
        return self.path.stem == PARENT

    def write(self, kind: str, **content: Any) -> None:
        """Append an event; the time is noted to the millisecond.

        A line that a kill left half-written is closed first.
        """
        line = json.dumps({"t": int(time.time() * 1000), "kind": kind, **content}, default=_plain)
        with self._turn:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as handle:
                torn = handle.tell() > 0 and _last_byte(handle) != b"\n"
                handle.write(b"\n" * torn + line.encode() + b"\n")
                if kind in ("open", "end"):
                    handle.flush()
                    os.fsync(handle.fileno())

    def keep(self, path: Path, folder: str = "") -> None:
        """Copy a file or folder into the journal, so that it can be sent after the original has changed."""
        with self._turn:
            self._kept += 1
            place = self.files / f"{os.getpid()}-{self._kept}" / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, place)
        else:
            shutil.copy2(path, place)
        self.write("artifact", file=place.relative_to(self.files).as_posix(), folder=folder)

    @property
    def files(self) -> Path:
        """Return the folder of kept copies."""
        return self.path.with_suffix(".files")

    def events(self, start: int = 0) -> Iterator[tuple[Event, int]]:
        """Yield each whole event from a byte offset on, with the offset behind it; torn lines are passed over."""
        with self.path.open("rb") as handle:
            handle.seek(start)
            for line in handle:
                start += len(line)
                if not line.endswith(b"\n"):
                    return
                if event := _parse(line):
                    yield event, start

    def sent(self) -> Sent:
        """Return what MLflow has."""
        place = self.path.with_suffix(".sent")
        return Sent(**files.read_json(place)) if place.exists() else Sent()

    def note_sent(self, sent: Sent) -> None:
        """Note what MLflow has."""
        files.write_json(self.path.with_suffix(".sent"), sent.__dict__)

    def is_settled(self) -> bool:
        """Tell whether everything was sent, or refused for good."""
        sent = self.sent()
        return bool(sent.refused) or sent.offset >= self.path.stat().st_size

    def opening(self) -> Event:
        """Return the first event; empty when the process died before writing it."""
        return next((event for event, _ in self.events() if event["kind"] == "open"), {})

    def ending(self) -> Event | None:
        """Return the last ``end`` event, None while the run goes on (it stands among the last lines)."""
        with self.path.open("rb") as handle:
            handle.seek(max(0, self.path.stat().st_size - TAIL))
            events = [event for line in handle if line.endswith(b"\n") and (event := _parse(line))]
        return next((event for event in reversed(events) if event["kind"] == "end"), None)

    def owner(self) -> Owner | None:
        """Return the process that writes the journal."""
        first = self.opening()
        return Owner(first["pid"], first["created_ms"] / 1000) if "pid" in first else None


def journals(folder: Path) -> list[Journal]:
    """List an execution's journals, the parent's first, then by time."""
    found = [Journal(path) for path in folder.glob("*.jsonl")]
    return sorted(found, key=lambda j: (not j.is_parent, j.opening().get("t", 0), j.path.name))


def _parse(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    return event if isinstance(event, dict) and "kind" in event else None


def _last_byte(handle: Any) -> bytes:
    handle.seek(-1, os.SEEK_END)
    return bytes(handle.read(1))


def _plain(value: Any) -> Any:
    """Turn numpy's numbers and arrays and paths into JSON."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
