"""Names what lies at a path as DVC would, without hashing large folders."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from stages.core import yaml_text
from stages.core.errors import RawlineError

LISTING = "listing:"
NEVER = {".git", ".hg", ".dvc"}  # DVC passes over them
IGNORING = ".dvcignore"


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
    """Return the files of a folder that DVC counts, without what Python writes when code is read."""
    passed, found = _passing(path), []
    for folder, inner, names in os.walk(path):
        inner[:], kept = passed(folder, inner, names)
        found += [Path(folder, name) for name in kept]
    return sorted(file for file in found if file.is_file() and "__pycache__" not in file.parts)


def _passing(path: Path) -> Callable[[str, list[str], list[str]], tuple[list[str], list[str]]]:
    """Return what leaves of a folder's folders and files those that DVC counts: all of them outside of a DVC project."""
    above = Path(os.path.abspath(path)).parents  # noqa: PTH100 - DVC follows no links either
    depth = next((depth for depth, place in enumerate(above) if (place / ".dvc").is_dir()), None)
    if depth is None:
        return lambda _folder, folders, names: (folders, names)
    if not any(has_rules(place / IGNORING) for place in above[: depth + 1]):
        return _without_rules
    from dvc.fs import localfs  # noqa: PLC0415 - a stage need not import DVC
    from dvc.ignore import DvcIgnoreFilter  # noqa: PLC0415 - likewise

    passing: Callable[[str, list[str], list[str]], tuple[list[str], list[str]]] = DvcIgnoreFilter(localfs, str(above[depth]))
    return passing


def _without_rules(folder: str, folders: list[str], names: list[str]) -> tuple[list[str], list[str]]:
    """Pass over what DVC does without being told: its own folder, those of git and Mercurial, and other DVC projects."""
    own = [name for name in folders if name not in NEVER and not Path(folder, name, ".dvc").exists()]
    return own, [name for name in names if name != ".git"]


def has_rules(file: Path) -> bool:
    """Tell whether a ``.dvcignore`` holds more than remarks; a missing one does not."""
    if not file.is_file():
        return False
    lines = [line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    return any(line and not line.startswith("#") for line in lines)


def file_hash(path: Path) -> str:
    """Return DVC's hash of a file, empty where there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
