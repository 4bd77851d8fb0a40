"""What ``dvc.lock`` says about a stage: its signature and the hashes of its data."""

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pipelines import dvc_lock, settings
from pipelines import graph as graphs
from pipelines.graph import Graph, Node
from pipelines.record import code_state, contents, git_command
from stages.core import files, yaml_text
from stages.core.errors import DataError

NAME = "dvc.lock"
FORM = "2"  # of a graph in the cache: what a node says
Entry = dict[str, Any]
Entries = dict[str, Entry]


def of(address: str) -> str:
    """Return the file in which DVC books a stage, seen from the project's root: it lies beside the stage's ``dvc.yaml``.

    Example:
        >>> of("finetune@a"), of("sub/dvc.yaml:page")
        ('dvc.lock', 'sub/dvc.lock')
    """
    return posixpath.join(posixpath.dirname(graphs.file(address)), NAME)


def names(graph: Graph) -> list[str]:
    """Return the files in which DVC books the stages of a graph, the root's among them."""
    return sorted({NAME, *map(of, graph.nodes)})


def bookings(root: Path, graph: Graph) -> Entries:
    """Return what DVC has booked of all stages, by their addresses, each path seen from the project's root.

    Args:
        root: the DVC project, or a folder of copies that lie in it as the files do in the project.
        graph: the stages, which tell where the files lie and from where their paths are seen.

    Raises:
        DataError: a file is broken.
    """
    found: Entries = {}
    with dvc_lock.held(root, names(graph)):
        for name in names(graph):
            folder = posixpath.dirname(name)
            for stage, entry in _read(root / name).items():
                address = graphs.resolved(stage, folder)
                node = graph.nodes.get(address)
                found[address] = _from_root(entry, node.wdir if node else folder or ".")
    return found


def _from_root(entry: Entry, wdir: str) -> Entry:
    """Return an entry with its paths seen from the project's root; DVC writes them as seen from the stage's folder."""
    if wdir == ".":
        return entry
    found = dict(entry)
    for side in {"deps", "outs"} & entry.keys():
        found[side] = [{**item, "path": graphs.seen(item["path"], wdir)} for item in entry[side]]
    if "params" in entry:
        found["params"] = {graphs.seen(file, wdir): values for file, values in entry["params"].items()}
    return found


def read(path: Path) -> Entries:
    """Return the entries of one ``dvc.lock`` as they stand there; none when it does not exist.

    Raises:
        DataError: the file is broken.
    """
    with dvc_lock.held(path.parent):
        return _read(path)


def _read(path: Path) -> Entries:
    try:
        text = path.read_bytes()
        content = yaml_text.load(text, fast=True)
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid YAML; git checkout it, or dvc repro again") from error
    stages = content.get("stages", {}) if isinstance(content, dict) else {} if content is None else None
    if not isinstance(stages, dict) or not all(isinstance(entry, dict) for entry in stages.values()):
        raise DataError(f"{path} does not list stages; git checkout it, or dvc repro again")
    return dict(stages)


def check(path: Path) -> None:
    """Refuse a copy of ``dvc.lock`` that cannot be used.

    Raises:
        DataError: what is wrong with it.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    for entry in read(path).values():
        if not isinstance(entry.get("params", {}), dict):
            raise DataError(f"{path}: the parameters of a stage are no mapping")
        for side in ("deps", "outs"):
            if not all(isinstance(item, dict) and isinstance(item.get("path"), str) for item in entry.get(side, [])):
                raise DataError(f"{path}: {side} of a stage are no list of paths")


def hashes(entry: Entry, side: str) -> dict[str, str]:
    """Return path to DVC hash of an entry's ``deps`` or ``outs``."""
    return {item["path"]: str(item.get("md5") or item.get("etag") or item.get("hash")) for item in entry.get(side, [])}


def signature(entry: Entry) -> str:
    """Name what went in: MD5 over command, parameters and hashes of dependencies."""
    return digest([entry.get("cmd"), entry.get("params", {}), hashes(entry, "deps")])


def output(entry: Entry) -> str:
    """Name what came out: MD5 over the hashes of the outputs."""
    return digest(hashes(entry, "outs"))


def reads(entry: Entry) -> list[str]:
    """Return what a stage read: its dependencies and its files of parameters, which another stage may write.

    Example:
        >>> reads({"deps": [{"path": "train.py"}], "params": {"data/chosen.yaml": {"rate": 1}}})
        ['train.py', 'data/chosen.yaml']
    """
    return [*hashes(entry, "deps"), *entry.get("params", {})]


def upstream(
    entries: Mapping[str, Entry], targets: Iterable[str], planned: Mapping[str, Iterable[str]] | None = None
) -> list[str]:
    """Return the targets and every stage that wrote what they read, directly or not; each after those that it reads from.

    A folder that is read counts as read from whoever wrote it, a part of it, or what it is a part of. A stage without an
    entry reads what is planned alone.

    Args:
        entries: what DVC booked, each path seen from one folder, as ``bookings`` gives them.
        targets: stages.
        planned: stages that a stage reads from by ``dvc.yaml``, whatever is booked.

    Example:
        >>> refine = {"deps": [{"path": "data/raw/a.csv"}], "outs": [{"path": "data/refined"}]}
        >>> upstream({"fit": {"deps": [{"path": "data/refined"}]}, "refine": refine}, ["fit"])
        ['refine', 'fit']
    """
    made = [(PurePosixPath(path), name) for name, entry in sorted(entries.items()) for path in hashes(entry, "outs")]
    seen, found = set(), []

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for dep in map(PurePosixPath, reads(entries.get(name, {}))):
            for path, maker in made:
                if path.is_relative_to(dep) or dep.is_relative_to(path):
                    visit(maker)
        for other in sorted((planned or {}).get(name, ())):
            visit(other)
        found.append(name)

    for target in targets:
        visit(target)
    return found


def digest(content: Any) -> str:
    """Return the MD5 of plain content, whatever the order of its keys."""
    return hashlib.md5(json.dumps(content, sort_keys=True, default=str).encode(), usedforsecurity=False).hexdigest()


def load_graph(workdir: Path) -> Graph:
    """Return the project's graph, from a cache keyed by what DVC reads for it (which takes half a second).

    That is every ``dvc.yaml`` of the project with its files of values. Where git cannot list them, DVC reads it anew.
    A folder that is no DVC project has an empty graph.
    """
    if not (workdir / ".dvc").is_dir() or not (workdir / graphs.FILE).exists():
        return Graph({})
    try:
        cache = settings.state() / "graphs" / f"{digest([FORM, *_sources(workdir)])}.json"
    except git_command.GitError:
        return graphs.read(workdir)
    if cache.exists():
        try:
            return thaw(files.read_json(cache))
        except (OSError, DataError, KeyError, TypeError, AttributeError):  # only a cache: it is made anew
            cache.unlink(missing_ok=True)
    found = graphs.read(workdir)
    files.write_json(cache, freeze(found))
    return found


def _sources(workdir: Path) -> list[str]:
    """Return the content of each file that makes the graph; like DVC, git passes over folders that it ignores.

    Raises:
        GitError: git cannot list them.
    """
    listed = [*_listed(workdir, "--exclude-standard")]
    own = {path for path in listed if posixpath.basename(path) in (graphs.FILE, ".dvcignore")}
    folders = {posixpath.dirname(path) for path in own | {graphs.FILE} if path.endswith(graphs.FILE)}
    values = {posixpath.join(folder, name) for folder in folders for name in ("params.yaml", *_variables(workdir / folder))}
    paths = sorted({*own, *values, graphs.FILE, ".dvc/config", ".dvc/config.local"})
    return [f"{path} {place.read_bytes()!r}" for path in paths if (place := workdir / path).is_file()]


def _listed(workdir: Path, *ignoring: str) -> Iterator[str]:
    """Yield git's files of a folder, seen from there, those of the repositories within it among them.

    Git names such a repository (a clone, a submodule) by its folder alone, while DVC reads each ``dvc.yaml`` in it,
    whatever that repository ignores by itself.
    """
    for path in git_command.run(workdir, "ls-files", "-z", "--cached", "--others", *ignoring).split("\0"):
        if path and (workdir / path / ".git").exists():
            yield from (posixpath.join(path, inner) for inner in _listed(workdir / path))
        else:
            yield path


def _variables(folder: Path) -> list[str]:
    """Return the further files of values that a folder's ``dvc.yaml`` names; a broken one is DVC's to report."""
    try:
        return code_state.variables(folder)
    except (OSError, UnicodeError, yaml.YAMLError, AttributeError, TypeError):
        return []


def freeze(graph: Graph) -> dict[str, Any]:
    """Return a graph as plain JSON, in order."""
    return {"nodes": [{**asdict(node), "upstream": sorted(node.upstream)} for node in graph.nodes.values()]}


def thaw(content: dict[str, Any]) -> Graph:
    """Return the graph that ``freeze`` wrote."""
    nodes = [
        Node(
            raw["name"], tuple(raw["commands"]), tuple(raw["deps"]), {f: tuple(keys) for f, keys in raw["params"].items()},
            tuple(raw["outs"]), tuple(raw["metrics"]), frozenset(raw["upstream"]), bool(raw.get("frozen", False)),
            str(raw.get("wdir", ".")), bool(raw.get("always", False)),
        )
        for raw in content["nodes"]
    ]  # fmt: skip
    return Graph({node.name: node for node in nodes})


def inputs(node: Node, entries: Entries, workdir: Path) -> dict[str, str]:
    """Return path to hash of what a stage is about to read, without hashing large folders.

    What another stage made has its hash in ``dvc.lock``, what a ``.dvc`` file names has it there, as long as that fits what
    lies there; any other file is hashed, any other folder is named by its listing (prefix ``listing:``).
    """
    made = _made(entries)
    return {dep: made.get(dep) or contents.name(workdir / dep) for dep in node.deps}


def listings(node: Node, entries: Entries, workdir: Path) -> dict[str, str]:
    """Return path to listing of each folder that a stage reads and no stage made: names, sizes and times of its files."""
    made = _made(entries)
    return {dep: contents.listing(workdir / dep) for dep in node.deps if dep not in made and (workdir / dep).is_dir()}


def stamps(node: Node, workdir: Path) -> dict[str, str]:
    """Return path to stamp of whatever a stage reads: an edit that is put back before the end leaves the hash as it was."""
    return {dep: contents.stamp(workdir / dep) for dep in node.deps}


def _made(entries: Entries) -> dict[str, str]:
    return {path: value for entry in entries.values() for path, value in hashes(entry, "outs").items()}


def known(value: str) -> str | None:
    """Return a DVC hash, None for a mere listing or a missing file."""
    return None if value.startswith(contents.LISTING) or not value else value


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


def parameters(node: Node, workdir: Path, read: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Return the values a stage depends on, by file and key; missing files are left out.

    Args:
        node: the stage.
        workdir: the DVC project.
        read: content of files by path, as it was read before; all others are read now.
    """
    found = {}
    for file, keys in node.params.items():
        if read and file in read:
            found[file] = {key: _find(read[file], key) for key in keys}
        elif (place := workdir / file).exists():
            content = yaml_text.load(place.read_bytes()) or {}
            found[file] = {key: _find(content, key) for key in keys}
    return found


def _find(content: Any, key: str) -> Any:
    for word in key.split("."):
        if not isinstance(content, dict) or word not in content:
            return None
        content = content[word]
    return content


def words(command: Any) -> list[str]:
    """Return the lines of a command as ``dvc.lock`` and ``dvc.yaml`` write it: a text or a list."""
    return command.splitlines() if isinstance(command, str) else list(command or [])
