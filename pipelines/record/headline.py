"""What an execution's parent run shows of all its stages, so that executions compare in one table.

Parameters: the values of ``params.yaml`` that make the models, under their own names, those of the chosen parts among them;
lists as JSON. Metrics: each figure at the top of a stage's metrics file as ``<task>/<name>``, its interval and count beside
it. Tags: ``verdict.<task>``, and what the interval of a gain covers, ``<name>.covers.<task>``.
A stage that ran notes its figures in its own journal as it ends, since ``data/`` may have moved on when the execution is
closed; they are shown once DVC has booked the stage, for MLflow takes no metric back, and where that booked the file that
they are of: another command of the stage may have changed it. Else, as for a cached stage, the content that ``dvc.lock``
books gives them, found by its hash, or none. Nothing else counts: not what a failed, killed or not reached stage
left in the folder, nor that of a stage whose inputs were edited as it ran.
"""

import hashlib
import json
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines import settings
from pipelines.graph import Graph, Node
from pipelines.graph import file as file_of
from pipelines.record import dvc_cache, lockfile
from pipelines.record.booking import OUT, STALE
from pipelines.record.events import Event
from pipelines.record.journal import Journal, journals
from stages.core import figures
from stages.judge import degenerate

KIND = "figures"  # of the event in a stage's journal
JUDGING = ("evaluate", "audit", "register")  # they make no model
CACHED = "rawline.figures_of_cached"
MISSING = "rawline.figures_missing"
NONE = "none"  # what was missing has come


def parameters(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a parameter file that make the models and judge them, by their dotted names.

    Single values and lists, these as compact JSON, and the tables of chosen parts: a table stands for a part that is chosen
    where its name is a value beside it (``pretrain.backbone: resnet18`` chooses ``pretrain.resnet18``) or one of its task
    (``tasks.classify.head: linear`` chooses ``finetune.classify.linear``). Sections by task give those of the tasks that are
    made. Parts that are not chosen and other tables (``acquire.gate``, ``preprocess.tone``, ``pretrain.compute``) stay in
    the stages' runs and in the ``params.yaml`` that the execution keeps.

    Args:
        raw: the content of the file.

    Returns:
        Words, numbers and truth values by name; ``null`` where there is none. MLflow's limit on their length is applied when
        they are sent (``entities.params``).

    Example:
        >>> parameters({"seed": 7, "tasks": {"a": {"head": "x"}}, "finetune": {"a": {"epochs": 2, "x": {"width": [8, 9]}}}})
        {'seed': 7, 'tasks.a.head': 'x', 'finetune.a.epochs': 2, 'finetune.a.x.width': '[8,9]'}
        >>> parameters({"pretrain": {"ssl": "simclr", "simclr": {"view_px": 64}, "mae": {"width": 8}}})
        {'pretrain.ssl': 'simclr', 'pretrain.simclr.view_px': 64}
    """
    tasks = raw["tasks"] if isinstance(raw.get("tasks"), Mapping) else {}
    found = _single(raw, "")
    for name, section in raw.items():
        if not isinstance(section, Mapping):
            continue
        found |= _section(section, f"{name}.", {})
        for task, chosen in tasks.items():
            if isinstance(section.get(task), Mapping):
                found |= _section(section[task], f"{name}.{task}.", chosen if isinstance(chosen, Mapping) else {})
    return found


def _section(section: Mapping[str, Any], prefix: str, of_task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section's own values and those of the parts that it or its task chooses."""
    found = _single(section, prefix)
    names = [value for value in (*section.values(), *of_task.values()) if isinstance(value, str)]
    for name, table in section.items():
        if name in names and isinstance(table, Mapping):
            found |= _whole(table, f"{prefix}{name}.")
    return found


def _whole(table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return every value of a table and of the tables in it."""
    found = _single(table, prefix)
    for name, inner in table.items():
        if isinstance(inner, Mapping):
            found |= _whole(inner, f"{prefix}{name}.")
    return found


def _single(section: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {f"{prefix}{key}": _shown(value) for key, value in section.items() if _is_plain(value)}


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    return "null" if value is None else value


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, list))


def note(journal: Journal, node: Node | None) -> None:
    """Note a stage's figures in its journal, as it ends."""
    if node is None:
        return
    for path in node.metrics:
        if Path(path).is_file() and (found := _read(content := Path(path).read_bytes(), node.verb)):
            journal.write(KIND, path=path, md5=_md5(content), **found)


def write(parent: Journal, place: Path, graph: Graph, states: Mapping[str, Any], entries: lockfile.Entries) -> None:
    """Write every stage's figures and verdict into the parent's journal, each once; a later close adds what is new.

    Args:
        parent: the execution's own journal.
        place: its folder of journals.
        graph: the stages.
        states: each stage's state by name.
        entries: what ``dvc.lock`` books.
    """
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    cached, missing = [], []
    booked = {j.opening().get("stage"): is_booked(j) for j in journals(place)}
    for node in graph.nodes.values():
        state = states[node.name].state if node.name in states else "NotReached"
        found = _of_stage(node, state, place, entries)
        for content in found:
            metrics |= {f"{_group(node)}/{name}": value for name, value in content["metrics"].items()}
            tags |= {f"{name}.{_group(node)}": value for name, value in content["tags"].items()}
        cached += [node.name] if found and state == "Cached" else []
        why = f"{state}, not booked" if state == "Completed" and not booked.get(node.name) else state
        missing += [f"{node.name} ({why})"] if not found and node.verb in JUDGING and node.metrics else []
    tags |= {CACHED: ", ".join(cached)} if cached else {}
    tags |= {MISSING: ", ".join(missing) or NONE} if missing or _told(parent, MISSING) else {}
    if new := _unwritten(parent, "tags", tags):
        parent.write("tags", values=new)
    if new := _unwritten(parent, "metrics", metrics):
        parent.write("metrics", values=new, step=None)


def _group(node: Node) -> str:
    """Return what stands before a stage's figures: its task, else its name, behind the folder of its ``dvc.yaml``."""
    return posixpath.join(posixpath.dirname(file_of(node.name)), node.task or node.verb)


def is_booked(journal: Journal) -> bool:
    """Tell whether DVC has booked a run since it ended, or never will: one that was started by hand."""
    return journal.path.with_suffix(".signed").exists() or not journal.opening().get("by_dvc")


def _told(parent: Journal, tag: str) -> bool:
    return any(event["kind"] == "tags" and tag in event["values"] for event, _ in parent.events())


def _unwritten(parent: Journal, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the journal does not hold yet."""
    written: dict[str, Any] = {}
    for event, _ in parent.events():
        written |= event["values"] if event["kind"] == kind else {}
    return {key: value for key, value in values.items() if key not in written or written[key] != value}


def _of_stage(node: Node, state: str, place: Path, entries: lockfile.Entries) -> list[Event]:
    if state == "Completed":
        return _noted(node, place)
    if state != "Cached":
        return []
    booked = lockfile.hashes(entries.get(node.name, {}), "outs")
    return [found for path in node.metrics if path in booked and (found := _by_hash(path, booked[path], node.verb))]


def _noted(node: Node, place: Path) -> list[Event]:
    """Return what the last attempt noted; nothing where its inputs were edited as it ran, or before DVC has booked it.

    Of a file that DVC booked otherwise, since another command of the stage changed it, what it booked.
    """
    own = [journal for journal in journals(place) if journal.opening().get("stage") == node.name]
    if not own or not is_booked(own[-1]):
        return []
    events = [event for event, _ in own[-1].events()]
    tags = {key: value for event in events if event["kind"] == "tags" for key, value in event["values"].items()}
    if STALE in tags:
        return []
    noted = {event.get("path"): event for event in events if event["kind"] == KIND}
    found = (_of_file(path, noted.get(path), tags.get(f"{OUT}{path}"), node.verb) for path in node.metrics)
    return [event for event in found if event]


def _of_file(path: str, noted: Event | None, booked: str | None, verb: str) -> Event | None:
    """Return a file's figures as noted where nothing was booked of it, or this very content; else what was booked."""
    if booked is None or (noted and noted.get("md5") == booked):
        return noted
    return _by_hash(path, booked, verb)


def _by_hash(path: str, value: str, verb: str) -> Event | None:
    content = _booked(path, value)
    return _read(content, verb) if content else None


def _booked(path: str, value: str) -> bytes | None:
    """Return a file's content by its DVC hash: from the folder where it is still that, else from DVC's cache."""
    for file in (settings.root() / path, dvc_cache.find(value)):
        if file and file.is_file() and _md5(content := file.read_bytes()) == value:
            return content
    return None


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _read(text: bytes, verb: str = "") -> Event | None:
    """Return the headline figures of a metrics file, why they say nothing, and its verdict; None where it has none."""
    try:
        content = json.loads(text)
    except ValueError:  # YAML and other forms that DVC takes hold nothing of ours
        return None
    if not isinstance(content, dict):
        return None
    metrics = figures.numbers(figures.headlines(content))
    tags = {name: content[name] for name in ("verdict",) if isinstance(content.get(name), str)} | figures.covers(content)
    if degenerate.KEY in content or (metrics and verb == "evaluate"):  # figures of which nobody asked must not read as sound
        tags[degenerate.KEY] = degenerate.concerned(content)
    return {"metrics": metrics, "tags": tags} if metrics or tags else None
