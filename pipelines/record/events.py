"""Reads and writes the lines of a journal: an event is used only when it has what its kind needs.

A disk that was full, a power cut or a hand may have left anything in a file. What is whole is used, the rest is counted.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from pipelines import masking
from pipelines.redaction import redact

Event = dict[str, Any]
LARGEST = 2**63  # of a time, a step and a whole number; MLflow's databases keep no larger one
BEGIN = b'{"t": '  # of every line that is written here
STATUSES = ("FINISHED", "FAILED", "KILLED")
SYNCED = ("open", "end", "tags", "params", "link", "missing")  # few, and worth a write to the disk; curves come often


def parse(line: bytes) -> Event | None:
    """Return the event of a line, None where it is torn, no event, or lacks what its kind needs.

    Example:
        >>> parse(b'{"t": 1, "kind": "note", "text": "a"}')
        {'t': 1, 'kind': 'note', 'text': 'a'}
        >>> parse(b'[1, 2]'), parse(b'{"t": 1, "kind": "metrics", "values": [0.5]}')
        (None, None)
    """
    try:
        event = json.loads(line)
        event = _writable(event) if b"\\ud" in line.lower() else event
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    if not isinstance(event, dict) or not isinstance(event.get("kind"), str) or not _is_whole(event.get("t")):
        return None
    check = CHECKS.get(event["kind"])
    return event if check is None or check(event) else None


def is_torn(line: bytes) -> bool:
    """Tell whether a line begins as an event does and breaks off.

    Example:
        >>> is_torn(b'{"t": 17, "kind": "met'), is_torn(b'{"t": 17}'), is_torn(b"noise")
        (True, False, False)
    """
    text = line.strip()
    if not BEGIN.startswith(text[: len(BEGIN)]):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return True
    return False


def line(kind: str, time_ms: int, content: Mapping[str, Any]) -> bytes:
    """Return an event as a line of a journal."""
    return json.dumps({"t": time_ms, "kind": kind, **content}, default=_plain).encode() + b"\n"


def masked(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's content as others may read it in MLflow: parameters, tags and sentences without credentials.

    Example:
        >>> masked("note", {"text": "from https://me:s3cret@host/x"})
        {'text': 'from https://***@host/x'}
    """
    found = dict(content)
    if kind == "params":
        found["values"] = masking.parameters(found["values"])
    for key in ("values",) * (kind == "tags") + ("tags",) * (kind == "open"):
        found[key] = masking.words(found.get(key, {}))
    return found | {key: redact(found[key]) for key in ("text", "message") if isinstance(found.get(key), str)}


def _writable(event: Any) -> Any:
    """Return an event whose words can be written again: half a character, from a file's odd name, becomes ``?``."""
    return json.loads(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace"))


def _is_open(event: Event) -> bool:
    words = all(isinstance(event.get(key), str) for key in ("name", "experiment"))
    owner = "pid" not in event or (_is_whole(event["pid"]) and _is_whole(event.get("created_ms")))
    stage = all(isinstance(event.get(key, ""), str) for key in ("stage", "state", "message"))
    tables = all(isinstance(event.get(key, {}), dict) for key in ("tags", "seen", "params", "about", "listed"))
    return words and owner and stage and tables and _is_compared(event)


def _is_compared(event: Event) -> bool:
    """Tell whether what a stage saw at its start can be compared with what DVC booked."""
    seen = all(isinstance(value, str) for value in event.get("seen", {}).values())
    return seen and all(isinstance(values, dict) for values in event.get("params", {}).values())


def _has_values(event: Event) -> bool:
    return isinstance(event.get("values"), dict)


def _is_metrics(event: Event) -> bool:
    step = event.get("step")
    return _has_values(event) and _are_numbers(event["values"]) and (step is None or _is_whole(step))


def _is_figures(event: Event) -> bool:
    metrics, tags, words = event.get("metrics"), event.get("tags"), (event.get("path"), event.get("md5"))
    named = all(isinstance(word, str | None) for word in words)  # older ones name neither
    return named and isinstance(metrics, dict) and _are_numbers(metrics) and isinstance(tags, dict)


def _are_numbers(values: Mapping[str, Any]) -> bool:
    """Tell whether all values are numbers that fit into a floating one."""
    return all(isinstance(value, float) or (isinstance(value, int) and abs(value) < LARGEST) for value in values.values())


def _is_note(event: Event) -> bool:
    return isinstance(event.get("text"), str)


def _is_inputs(event: Event) -> bool:
    found = event.get("datasets")
    return isinstance(found, list) and all(
        isinstance(item, dict) and all(isinstance(item.get(key), str) for key in ("name", "digest", "source", "context"))
        for item in found
    )


def _is_outs(event: Event) -> bool:
    return _has_values(event) and all(isinstance(seen, dict | None) for seen in event["values"].values())


def _is_artifact(event: Event) -> bool:
    file, folder = event.get("file"), event.get("folder")
    if not (isinstance(file, str) and file and isinstance(folder, str)) or "\0" in file + folder:
        return False
    path = PurePosixPath(file)
    return not path.is_absolute() and ".." not in path.parts


def _is_missing(event: Event) -> bool:
    return all(isinstance(event.get(key), str) for key in ("cause", "text"))


def _is_link(event: Event) -> bool:
    return all(isinstance(event.get(key), str) for key in ("stage", "signature", "outs"))


def _is_end(event: Event) -> bool:
    words = event.get("status") in STATUSES and isinstance(event.get("message", ""), str)
    edited = event.get("edited", [])
    named = isinstance(edited, list) and all(isinstance(path, str) for path in edited)
    return words and named and isinstance(event.get("listed", {}), dict)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST


def _plain(value: Any) -> Any:
    """Turn numpy's numbers and arrays and paths into JSON."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


CHECKS: Mapping[str, Callable[[Event], bool]] = {
    "open": _is_open, "params": _has_values, "tags": _has_values, "metrics": _is_metrics, "inputs": _is_inputs,
    "artifact": _is_artifact, "link": _is_link, "end": _is_end, "figures": _is_figures, "note": _is_note,
    "missing": _is_missing, "outs": _is_outs,
}  # fmt: skip
