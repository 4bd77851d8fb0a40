"""What ``dvc.lock`` says about a stage: its signature, the hashes of its data, whether its entry still fits."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from pipelines import dvc_lock, settings
from pipelines import graph as graphs
from pipelines.graph import Graph, Node
from stages.core import files
from stages.core.errors import DataError, RawlineError

NAME = "dvc.lock"
Entry = dict[str, Any]
Entries = dict[str, Entry]


def read(path: Path) -> Entries:
    """Return the entries of ``dvc.lock`` by stage; none when it does not exist.

    Raises:
        DataError: the file is broken.
    """
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        with dvc_lock.held(path.parent):
            text = path.read_bytes()
        content = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not valid YAML; git checkout it, or dvc repro again") from error
    return dict((content or {}).get("stages", {}))


def hashes(entry: Entry, side: str) -> dict[str, str]:
    """Return path to DVC hash of an entry's ``deps`` or ``outs``."""
    return {item["path"]: str(item.get("md5") or item.get("etag") or item.get("hash")) for item in entry.get(side, [])}


def signature(entry: Entry) -> str:
    """Name what went in: MD5 over command, parameters and hashes of dependencies."""
    return digest([entry.get("cmd"), entry.get("params", {}), hashes(entry, "deps")])


def output(entry: Entry) -> str:
    """Name what came out: MD5 over the hashes of the outputs."""
    return digest(hashes(entry, "outs"))


def digest(content: Any) -> str:
    """Return the MD5 of plain content, whatever the order of its keys."""
    return hashlib.md5(json.dumps(content, sort_keys=True, default=str).encode(), usedforsecurity=False).hexdigest()


def load_graph(workdir: Path) -> Graph:
    """Return the project's graph, from a cache keyed by ``dvc.yaml`` and ``params.yaml`` (DVC takes half a second).

    A folder that is no DVC project has an empty graph.
    """
    sources = [p.read_bytes() for name in ("dvc.yaml", "params.yaml") if (p := workdir / name).exists()]
    cache = settings.state() / "graphs" / f"{digest([str(s) for s in sources])}.json"
    if cache.exists():
        return thaw(files.read_json(cache))
    if not (workdir / ".dvc").is_dir() or not (workdir / "dvc.yaml").exists():
        return Graph({})
    found = graphs.read(workdir)
    files.write_json(cache, freeze(found))
    return found


def freeze(graph: Graph) -> dict[str, Any]:
    """Return a graph as plain JSON, in order."""
    return {"nodes": [{**asdict(node), "upstream": sorted(node.upstream)} for node in graph.nodes.values()]}


def thaw(content: dict[str, Any]) -> Graph:
    """Return the graph that ``freeze`` wrote."""
    nodes = [
        Node(
            raw["name"], tuple(raw["commands"]), tuple(raw["deps"]), {f: tuple(keys) for f, keys in raw["params"].items()},
            tuple(raw["outs"]), tuple(raw["metrics"]), frozenset(raw["upstream"]),
        )
        for raw in content["nodes"]
    ]  # fmt: skip
    return Graph({node.name: node for node in nodes})


def inputs(node: Node, entries: Entries, workdir: Path) -> dict[str, str]:
    """Return path to hash of what a stage is about to read, without hashing large folders.

    What another stage or a ``.dvc`` file made has its hash there; a file is hashed; any other folder is named by the
    names, sizes and times of its files (prefix ``listing:``).
    """
    made = {path: value for entry in entries.values() for path, value in hashes(entry, "outs").items()}
    return {dep: made.get(dep) or _tracked(workdir / dep) or _hash(workdir / dep) for dep in node.deps}


def is_fresh(node: Node, entries: Entries, workdir: Path) -> bool:
    """Tell whether a stage's entry still fits its command, parameters and inputs, as far as is cheap to say."""
    entry = entries.get(node.name)
    if entry is None or _words(entry.get("cmd")) != _words(list(node.commands)):
        return False
    now = inputs(node, entries, workdir) if workdir.is_dir() else {}
    return not changed(now, parameters(node, workdir), entry)


def known(value: str) -> str | None:
    """Return a DVC hash, None for a mere listing or a missing file."""
    return None if value.startswith("listing:") or not value else value


def changed(seen: Mapping[str, str], params: Mapping[str, Any], entry: Entry) -> list[str]:
    """List what DVC booked otherwise than the stage saw it at its start (DVC issue 11058).

    Args:
        seen: hashes of inputs at the start.
        params: parameters at the start, by file.
        entry: what ``dvc.lock`` says.
    """
    booked, values = hashes(entry, "deps"), entry.get("params", {})
    data = [path for path, value in seen.items() if path in booked and known(value) and booked[path] != value]
    pairs = [(f"{file}:{key}", own[key], values.get(file, {}).get(key, ...)) for file, own in params.items() for key in own]
    return sorted(data + [name for name, now, then in pairs if numbers(now) != numbers(then)])


def numbers(value: Any) -> Any:
    """Return content with words that are numbers as numbers: DVC writes 0.00001 as 1e-05, which YAML 1.1 reads as a word.

    Example:
        >>> numbers({"rate": "1e-05", "name": "e5"}) == {"rate": 0.00001, "name": "e5"}
        True
    """
    if isinstance(value, dict):
        return {key: numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [numbers(one) for one in value]
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value):
        return float(value)
    return value


def parameters(node: Node, workdir: Path) -> dict[str, dict[str, Any]]:
    """Return the values a stage depends on, by file and key, as they stand now; missing files are left out."""
    found = {}
    for file, keys in node.params.items():
        if (place := workdir / file).exists():
            content = yaml.safe_load(place.read_bytes()) or {}
            found[file] = {key: _find(content, key) for key in keys}
    return found


def _find(content: Any, key: str) -> Any:
    for word in key.split("."):
        if not isinstance(content, dict) or word not in content:
            return None
        content = content[word]
    return content


def _words(command: Any) -> list[str]:
    return command.splitlines() if isinstance(command, str) else list(command or [])


def _tracked(path: Path) -> str | None:
    """Return the hash that a ``.dvc`` file beside the path holds."""
    pointer = path.with_name(path.name + ".dvc")
    if not pointer.exists():
        return None
    try:
        outs = (yaml.safe_load(pointer.read_bytes()) or {}).get("outs", [])
    except yaml.YAMLError as error:
        raise RawlineError(f"{pointer} is not valid YAML") from error
    return next((str(out["md5"]) for out in outs if out.get("path") == path.name and "md5" in out), None)


def _hash(path: Path) -> str:
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.is_file())
        return "listing:" + digest([[p.relative_to(path).as_posix(), (s := p.stat()).st_size, s.st_mtime_ns] for p in found])
    if not path.exists():
        return ""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
