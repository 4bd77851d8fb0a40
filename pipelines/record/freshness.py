"""Tells whether what ``dvc.lock`` books of a stage is what a run would make now, in DVC's sense and as cheaply as DVC does.

A folder that no stage made is known by its listing: names, sizes and times of its files. Which hash it has is noted when a
run that read it is booked; any other one DVC hashes, which knows the files that it has hashed before.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from pipelines import dvc_hashes, settings
from pipelines.graph import Node
from pipelines.record import contents, dvc_cache, lockfile, outputs
from stages.core import files, yaml_text

FOLDERS = "folders"  # hashes by path and listing
KEPT = 500
UNREAD = (".toml", ".py")  # files of parameters that only DVC reads
Sides = dict[str, tuple[set[Any], set[Any]]]


def is_fresh(node: Node, entries: lockfile.Entries, workdir: Path) -> bool | None:
    """Tell whether a stage's entry still fits its command, parameters and inputs; None where that is not known.

    What it made must lie in the folder or in DVC's cache. Whether what it reads is itself up to date is not asked here. An
    entry that books more than the graph has is taken by DVC for up to date, and what it books was made of more.
    """
    entry = entries.get(node.name)
    if entry is None or any(now - then for then, now in _sides(entry, node).values()):
        return False
    answers: list[bool | None] = [None] if differs(entry, node) else []
    if workdir.is_dir():  # an experiment's copy of the project is deleted when it ends
        answers += [*_outs(entry, workdir), *_params(node, entry, workdir), *_deps(node, entries, workdir)]
    return False if False in answers else None if None in answers else True


def differs(entry: Mapping[str, Any], node: Node | None) -> str:
    """Name what an entry books otherwise than the graph has it; empty where all is the same."""
    if node is None:
        return "all"
    return " and ".join(name for name, (then, now) in _sides(entry, node).items() if then != now)


def _sides(entry: Mapping[str, Any], node: Node) -> Sides:
    """Return what an entry has and what the graph has; a parameter file without keys stands for all of it."""
    booked, params = dict(entry), entry.get("params", {})
    keys = {file: values if node.params.get(file, ("",)) else () for file, values in params.items()}
    return {
        "commands": ({tuple(lockfile.words(booked.get("cmd")))}, {node.commands}),
        "deps": (set(lockfile.hashes(booked, "deps")), set(node.deps)),
        "params": (_pairs(keys), _pairs(node.params)),
        "outs": (set(lockfile.hashes(booked, "outs")), set(node.outs)),
    }


def _pairs(params: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(file, key) for file, keys in params.items() for key in (keys or ("",))}


def _outs(entry: lockfile.Entry, workdir: Path) -> Iterator[bool | None]:
    """Tell of each output whether it is there; of a large one that lies there size and number say so."""
    for item in entry.get("outs", []):
        path, value = item["path"], lockfile.hashes({"outs": [item]}, "outs")[item["path"]]
        if (workdir / path).exists():
            yield outputs.fits({path: outputs.seen(workdir / path)}, {"outs": [item]}) is not False
        else:
            yield dvc_cache.find(value) is not None


def _params(node: Node, entry: lockfile.Entry, workdir: Path) -> Iterator[bool | None]:
    """Tell of each file of parameters whether the values are the booked ones; a missing one has none."""
    for file, keys in node.params.items():
        place = workdir / file
        if place.suffix in UNREAD or not place.is_file():
            yield None if place.is_file() else False
            continue
        try:
            now = yaml_text.load(place.read_bytes()) if not keys else lockfile.parameters(_only(node, file), workdir)[file]
        except (yaml.YAMLError, UnicodeDecodeError):
            yield None
            continue
        then = entry.get("params", {}).get(file) or {}
        then = {key: then[key] for key in keys} if keys else then
        yield lockfile.numbers(now or {}) == lockfile.numbers(then)


def _only(node: Node, file: str) -> Node:
    return Node(node.name, (), (), {file: node.params[file]}, (), (), frozenset())


def _deps(node: Node, entries: lockfile.Entries, workdir: Path) -> Iterator[bool | None]:
    """Tell of each input whether it is the booked one; what is missing and nobody made is another."""
    booked = lockfile.hashes(entries[node.name], "deps")
    made = {path: value for entry in entries.values() for path, value in lockfile.hashes(entry, "outs").items()}
    for dep in node.deps:
        place = workdir / dep
        if dep in made:
            yield made[dep] == booked[dep]
        elif "://" in dep:
            yield None
        else:
            now = _folder(dep, workdir) if place.is_dir() else contents.name(place)
            yield None if now is None else now == booked[dep]


def _folder(path: str, workdir: Path) -> str | None:
    """Return DVC's hash of a folder, None where DVC cannot say it."""
    listed = contents.listing(workdir / path)
    known = _place(path, listed)
    if known.exists():
        return known.read_text(encoding="utf-8").strip()
    value = dvc_hashes.folder(workdir, path)
    if value and contents.listing(workdir / path) == listed:
        _write(known, value)
    return value


def note(listed: Mapping[str, str], entry: lockfile.Entry) -> None:
    """Note which hash DVC has booked for each folder that a run read, by its listing."""
    for path, value in lockfile.hashes(entry, "deps").items():
        if path in listed:
            _write(_place(path, listed[path]), value)


def _place(path: str, listed: str) -> Path:
    return settings.state() / FOLDERS / lockfile.digest([path, listed])


def _write(place: Path, value: str) -> None:
    with suppress(OSError):  # only a memory: a full disk, or another one that tidies up, costs a hash later
        files.write_text(place, f"{value}\n")
        for old in sorted(place.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
