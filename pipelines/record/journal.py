"""The journal of one run: every record is written here first, in order, and sent to MLflow from here.

``<spool>/<execution>/<slug>.jsonl`` holds one event a line, ``<slug>.files/`` copies of kept files, ``<slug>.sent`` how
many bytes MLflow has. Sending twice does no harm (each event carries its time, each run its key), so that a kill between
sending and noting it loses nothing and doubles nothing.

Events: ``open`` (name, tags, owner), ``params``, ``tags``, ``inputs``, ``metrics`` (values, step), ``artifact`` (file,
folder), ``note``, ``figures`` (for the parent run, see ``headline``), ``link`` (signature, outs: find the run that made the
bytes), ``missing`` (cause, text: what is not in the record and why; of one cause the last word counts), ``end`` (status,
message).
"""

import errno
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipelines import masking
from pipelines.record import events, identity
from pipelines.record.events import Event
from stages.core import files
from stages.core.errors import DataError

PARENT = "execution"
ABSENT = ".absent"  # ends the slug of a stage that did not run
TAIL = 65536  # bytes; an end and the tags after it are far shorter
FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_BYTES = 2**20
INCOMPLETE = "rawline.record"
DISK, LINES, OPENING, ASIDE = "disk", "lines", "opening", "aside"  # causes of what is missing
RESERVE = 8192  # bytes kept free for the end of a run whose disk has become full


@dataclass(frozen=True)
class Sent:
    """What MLflow has of a journal.

    Attributes:
        offset: bytes of the journal that were sent.
        run_id: the run they went to.
        refused: why MLflow will never take the rest; empty while it may.
        kept: bytes of the journal whose files were sent; files go after the words of all runs.
        arrived: files of the next kept folder that MLflow has already, so that none goes twice.
        closed: time of the end that a refused run was given in MLflow; 0 for none.
        gone: kept files whose copy was gone when their turn came.
        of: which journal that was: digits of its first line's SHA-256; empty in notes of before.
    """

    offset: int = 0
    run_id: str | None = None
    refused: str = ""
    kept: int = 0
    arrived: tuple[str, ...] = ()
    closed: int = 0
    gone: tuple[str, ...] = ()
    of: str = ""

    @staticmethod
    def read(content: Any) -> "Sent":
        """Return what a ``.sent`` file says; older ones sent files and words in one order.

        Raises:
            DataError: it says nothing of that kind.
        """
        content = dict(content) if isinstance(content, dict) else {}
        content.setdefault("kept", content.get("offset"))
        arrived, gone = content.pop("arrived", ()), content.pop("gone", ())
        known = set(content) <= {"offset", "run_id", "refused", "kept", "closed", "of"}
        lists = all(isinstance(names, (list, tuple)) for names in (arrived, gone))
        numbers = all(
            isinstance(content.get(key, 0 if key == "closed" else None), int) for key in ("offset", "kept", "closed")
        )
        words = all(isinstance(content.get(key, ""), str) for key in ("refused", "of")) and isinstance(
            content.get("run_id"), (str, type(None))
        )
        if not (known and lists and numbers and words):
            raise DataError("it does not say what MLflow has")
        return Sent(**content, arrived=tuple(map(str, arrived)), gone=tuple(map(str, gone)))


class Journal:
    """One run's journal; one process appends to it, threads take turns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._kept = 0
        self._reserve = path.with_suffix(".reserve")
        self.lost = 0

    @property
    def key(self) -> str:
        """Return the run's name among all runs: execution and slug."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def is_parent(self) -> bool:
        """Tell whether this is the execution's own run."""
        return self.path.stem == PARENT

    def is_standin(self) -> bool:
        """Tell whether no process writes it but who closes or mends the execution, in one go; see ``standins``."""
        return self.path.stem.endswith(ABSENT) or "state" in self.opening()

    def is_stage_s(self) -> bool:
        """Tell whether a stage's process writes it: the execution goes on until it has ended."""
        return not (self.is_parent or self.is_standin())

    def write(self, kind: str, **content: Any) -> None:
        """Append an event; the time is noted to the millisecond, and what others will read of it holds no secret.

        A line that a kill left half-written is closed first. Where the disk is full the event is dropped and ``lost`` says
        so: what the stage makes is worth more than its record. Room for the end was set aside at the beginning.
        """
        line = events.line(kind, int(time.time() * 1000), events.masked(kind, content))
        with self._turn:
            try:
                self._append(self._said() * (kind == "end") + line, synced=kind in events.SYNCED)
                if kind == "open":
                    self._reserve.write_bytes(bytes(RESERVE))
            except OSError as error:
                self._lose(error, kind, line)

    def _append(self, line: bytes, *, synced: bool) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        with self.path.open("ab+") as handle:
            torn = handle.tell() > 0 and _last_byte(handle) != b"\n"
            handle.write(b"\n" * torn + line)
            if synced:
                handle.flush()
                os.fsync(handle.fileno())
        if new:
            files.sync(self.path.parent)

    def _lose(self, error: OSError, kind: str, line: bytes) -> None:
        """Count an event that could not be written; an end and its tags take the room that was set aside."""
        if kind == "open" or error.errno not in FULL:
            raise error
        self.lost += 1
        if kind in ("end", "tags", "missing"):
            self._reserve.unlink(missing_ok=True)
            try:
                self._append(self._said() + line, synced=True)
            except OSError as second:
                if second.errno not in FULL:
                    raise

    def _said(self) -> bytes:
        """Return the line that says what is missing, nothing when all was written."""
        told = self.incomplete()
        return events.line("missing", int(time.time() * 1000), {"cause": DISK, "text": told}) if told else b""

    def incomplete(self) -> str:
        """Return what this process could not write, one line; empty when all was written."""
        return f"{self.lost} events or files are missing: no space left on the disk" if self.lost else ""

    def miss(self, cause: str, text: str) -> None:
        """Say what the record lacks for a cause, empty when it lacks nothing any more; what was said is not said again."""
        if self.missing().get(cause, "") != text:
            self.write("missing", cause=cause, text=text)

    def missing(self) -> dict[str, str]:
        """Return what the record lacks, by cause."""
        return {event["cause"]: event["text"] for event, _ in self.events() if event["kind"] == "missing"}

    def reasons(self) -> list[str]:
        """Return all that MLflow has not got of the run, a reason each."""
        sent = self.sent()
        gone = [f"not sent, its copy is gone: {name}" for name in sent.gone]
        refused = [f"MLflow refused: {sent.refused}"] if sent.refused else []
        return [text for text in (*self.missing().values(), *gone, *refused) if text]

    def keep(self, path: Path, folder: str = "") -> None:
        """Copy a file or folder into the journal, so that it can be sent after the original has changed.

        Of a YAML file (``params.yaml``, ``dvc.lock``) the copy holds no secret.
        """
        with self._turn:
            self._kept += 1
            place = self.files / f"{os.getpid()}-{secrets.token_hex(3)}-{self._kept}" / path.name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, place)
            else:
                shutil.copy2(path, place)
                masking.file(place)
        except OSError as error:  # copytree gathers what went wrong, without a number
            if error.errno not in FULL and not (isinstance(error, shutil.Error) and _is_full(place.parent)):
                raise
            shutil.rmtree(place.parent, ignore_errors=True)
            self.lost += 1
            return
        self.write("artifact", file=place.relative_to(self.files).as_posix(), folder=folder)

    @property
    def files(self) -> Path:
        """Return the folder of kept copies."""
        return self.path.with_suffix(".files")

    def events(self, start: int = 0) -> Iterator[tuple[Event, int]]:
        """Yield each whole event from a byte offset on, with the offset behind it; torn lines are passed over."""
        for event, _, offset in self.lines(start):
            if event:
                yield event, offset

    def lines(self, start: int = 0) -> Iterator[tuple[Event | None, bytes, int]]:
        """Yield each whole line from a byte offset on: its event (None when it is none), its bytes, the offset behind it."""
        with self.path.open("rb") as handle:
            handle.seek(start)
            for line in handle:
                start += len(line)
                if not line.endswith(b"\n"):
                    return
                yield events.parse(line), line, start

    def sent(self) -> Sent:
        """Return what MLflow has; nothing of a journal that was put in the place of the one that was sent.

        Raises:
            DataError: the note of it is broken.
        """
        place = self.path.with_suffix(".sent")
        found = Sent.read(files.read_json(place)) if place.exists() else Sent()
        return found if found.of in ("", self._identity()) else Sent()

    def _identity(self) -> str:
        """Return what tells this journal from another one at its place; empty where there is none."""
        try:
            with self.path.open("rb") as handle:
                return hashlib.sha256(handle.readline()).hexdigest()[:16]
        except OSError:
            return ""

    def note_sent(self, sent: Sent) -> None:
        """Note what MLflow has."""
        files.write_json(self.path.with_suffix(".sent"), asdict(replace(sent, of=self._identity())))

    def is_settled(self) -> bool:
        """Tell whether everything was sent, or refused for good and the run closed with its end."""
        sent = self.sent()
        return not self.lacks_end() if sent.refused else min(sent.offset, sent.kept) >= self.path.stat().st_size

    def is_told(self) -> bool:
        """Tell whether MLflow has all numbers and words; files may wait."""
        sent = self.sent()
        return not self.lacks_end() if sent.refused else sent.offset >= self.path.stat().st_size

    def lacks_end(self) -> bool:
        """Tell whether a run of which MLflow refused something has ended and MLflow still shows it open, or otherwise."""
        sent, last = self.sent(), self.ending()
        return bool(sent.refused and sent.run_id and last and sent.closed != last["t"])

    def waiting_files(self) -> list[Path]:
        """Return the kept files that MLflow has not got."""
        sent = self.sent()
        kept = [self.files / e["file"] for e, _ in self.events(sent.kept) if e["kind"] == "artifact"] * (not sent.refused)
        found = [part for path in kept for part in (path.rglob("*") if path.is_dir() else [path]) if part.is_file()]
        return [path for path in found if path.relative_to(self.files).as_posix() not in sent.arrived]

    def close_torn(self) -> None:
        """End a last line that a kill or a full disk has cut off; it is passed over then."""
        with self.path.open("rb+") as handle:
            handle.seek(0, os.SEEK_END)
            if handle.tell() and _last_byte(handle) != b"\n":
                handle.seek(0, os.SEEK_END)
                handle.write(b"\n")

    def opening(self) -> Event:
        """Return the first ``open`` event; empty when the process died before writing it."""
        return next((event for event, _ in self.events() if event["kind"] == "open"), {})

    def ending(self) -> Event | None:
        """Return the last ``end`` event, None while the run goes on (it stands among the last lines)."""
        with self.path.open("rb") as handle:
            handle.seek(max(0, self.path.stat().st_size - TAIL))
            found = [event for line in handle if line.endswith(b"\n") and (event := events.parse(line))]
        return next((event for event in reversed(found) if event["kind"] == "end"), None)

    def is_alive(self) -> bool:
        """Tell whether the process that writes the journal still may: it lives, or it works elsewhere and was heard of.

        One without a line may be in the making, which ``mending`` gives some seconds; one that names no process has none.
        """
        first = self.opening()
        return not first or ("pid" in first and identity.is_alive(first, self.path.parent))


def journals(folder: Path) -> list[Journal]:
    """List an execution's journals, the parent's first, then by time."""
    found = [Journal(path) for path in folder.glob("*.jsonl")]
    return sorted(found, key=lambda j: (not j.is_parent, j.opening().get("t", 0), j.path.name))


def _last_byte(handle: Any) -> bytes:
    handle.seek(-1, os.SEEK_END)
    return bytes(handle.read(1))


def _is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder if folder.exists() else folder.parent).free < FULL_BYTES
