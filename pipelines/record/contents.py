"""Names what lies at a path as DVC would, without hashing large folders."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stages.core import yaml_text
from stages.core.errors import RawlineError

LISTING = "listing:"


def name(path: Path) -> str:
    """Return DVC's hash of a file, or of a folder that a ``.dvc`` file names; else a folder's listing; empty for nothing."""
    return _tracked(path) or (listing(path) if path.is_dir() else file_hash(path))


def _tracked(path: Path) -> str | None:
    """Return the hash that a ``.dvc`` file beside the path holds; None without, and where it is not of what lies there."""
    pointer = path.with_name(path.name + ".dvc")
    if not pointer.exists():
        return None
    try:
        outs = (yaml_text.load(pointer.read_bytes()) or {}).get("outs", [])
    except yaml.YAMLError as error:
        raise RawlineError(f"{pointer} is not valid YAML") from error
    out = next((out for out in outs if out.get("path") == path.name and "md5" in out), None)
    return str(out["md5"]) if out and _fits(out, path, pointer) else None


def _fits(out: Mapping[str, Any], path: Path, pointer: Path) -> bool:
    """Tell whether what lies there can be what a pointer names, by number and size; a newer file is better hashed."""
    if not path.exists():
        return True
    sizes = [place.stat().st_size for place in (_files(path) if path.is_dir() else [path])]
    newer = path.is_file() and path.stat().st_mtime > pointer.stat().st_mtime
    return not newer and out.get("size", sum(sizes)) == sum(sizes) and out.get("nfiles", len(sizes)) == len(sizes)


def listing(path: Path) -> str:
    """Return what changes with the names, sizes and times of a folder's files (prefix ``listing:``)."""
    found = [[p.relative_to(path).as_posix(), (s := p.stat()).st_size, s.st_mtime_ns] for p in _files(path)]
    return LISTING + hashlib.md5(json.dumps(found).encode(), usedforsecurity=False).hexdigest()


def stamp(path: Path) -> str:
    """Return what changes when a file, or one of a folder's, is written, also where its bytes are put back; else empty.

    That is its size and the time of its last write. The other time, which nobody can set, does not count: hard links into a
    cache or a backup, rights and attributes change it, too, and cost a training that read nothing else.
    """
    files = _files(path) if path.is_dir() else [path] if path.exists() else []
    found = [[file.relative_to(path).as_posix(), (s := file.stat()).st_size, s.st_mtime_ns] for file in files]
    return hashlib.md5(json.dumps(found).encode(), usedforsecurity=False).hexdigest() if found else ""


def _files(path: Path) -> list[Path]:
    """Return the files of a folder, without what Python writes when code is read."""
    return sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def file_hash(path: Path) -> str:
    """Return DVC's hash of a file, empty where there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
