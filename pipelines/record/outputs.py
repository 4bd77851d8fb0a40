"""What lay at a stage's outputs when its command had ended, which tells whose entry ``dvc.lock`` has of it.

DVC writes ``dvc.lock`` anew for each stage that it books, so that the file's time says nothing of one stage alone: beside it
others are booked, by this dvc (``--keep-going``) or by another one. An entry is a run's only where its outputs are those
that the run left; a run whose output was missing is never booked.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.graph import Node
from pipelines.record import contents, wanted
from pipelines.record.journal import Journal

KIND = "outs"  # of the event in a stage's journal
LARGEST = 64 * 2**20  # bytes of an output that is hashed as a stage ends
MOST = 1000  # files of one
SEVERAL = re.compile(r"[;&|<>`\n]|\$\(")  # a command of which the stage may be one part
Seen = Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True)
class Left:
    """What is known of a run whose command has ended well.

    Attributes:
        seen: by path what is known of each output, None where nothing lay there; empty where nothing was noted.
        goes_on: whether its dvc books other stages though it could not book this one.
    """

    seen: Seen
    goes_on: bool = False


UNKNOWN = Left({})


def note(journal: Journal, node: Node | None) -> None:
    """Note what a stage leaves, as it ends; nothing where another command of its may change that before DVC looks."""
    if node and len(node.commands) == 1 and not SEVERAL.search(node.commands[0]):
        journal.write(KIND, values={path: seen(Path(path)) for path in node.outs if "://" not in path})


def noted(journal: Journal, command: str) -> Left:
    """Return what was noted of a run that a command of dvc's ran; empty for another program's."""
    found = [event["values"] for event, _ in journal.events() if event["kind"] == KIND]
    seen = found[-1] if found and not wanted.allows_missing(command) else {}
    return Left(seen, wanted.keeps_going(command))


def seen(path: Path, *, whole: bool = False) -> dict[str, Any] | None:
    """Return what can be said of a file or folder in DVC's words (size, nfiles, md5), None where there is none.

    Args:
        path: the output.
        whole: hash it whatever its size; else only what is cheap is said of a large one.
    """
    try:
        if not path.exists():
            return None
        return _folder(path, whole=whole) if path.is_dir() else _file(path, whole=whole)
    except OSError:  # no right to read it, or gone meanwhile
        return {}


def _file(path: Path, *, whole: bool) -> dict[str, Any]:
    size = path.stat().st_size
    return {"size": size, **({"md5": contents.file_hash(path)} if whole or size <= LARGEST else {})}


def _folder(path: Path, *, whole: bool) -> dict[str, Any]:
    """Return size, number and hash of a folder's files; nothing where DVC may count others."""
    found_here, left = [], [str(path)]
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.name in contents.NEVER or entry.is_symlink():
                    return {}
                if entry.is_dir():
                    left.append(entry.path)
                else:
                    found_here.append(entry)
    files = [Path(entry.path) for entry in found_here]
    if _is_ignoring(path, files):
        return {}
    size = sum(entry.stat().st_size for entry in found_here)
    found: dict[str, Any] = {"size": size, "nfiles": len(files)}
    is_small = size <= LARGEST and len(files) <= MOST
    return {**found, "md5": folder_hash(path, files)} if whole or is_small else found


def folder_hash(path: Path, files: Iterable[Path]) -> str:
    """Return DVC's hash of a folder: the MD5 of the list of its files."""
    listed = [{"md5": contents.file_hash(file), "relpath": file.relative_to(path).as_posix()} for file in files]
    text = json.dumps(sorted(listed, key=lambda item: item["relpath"]))
    return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"


def _is_ignoring(path: Path, files: Iterable[Path]) -> bool:
    """Tell whether DVC was told to pass over some files, of this folder perhaps."""
    above = [place / contents.IGNORING for place in (Path.cwd() / path).parents]
    return any(map(contents.has_rules, (*above, *(file for file in files if file.name == contents.IGNORING))))


def is_missing(seen: Seen) -> bool:
    """Tell whether something was missing that the stage should have made."""
    return any(one is None for one in seen.values())


def fits(seen: Seen, entry: Mapping[str, Any]) -> bool | None:
    """Tell whether an entry books what lay there; None where that is not known of all."""
    found = [_fits(seen.get(item["path"], {}), item) for item in entry.get("outs", [])]
    return False if False in found else None if None in found else True


def _fits(seen: Mapping[str, Any] | None, item: Mapping[str, Any]) -> bool | None:
    """Compare one output; a hash of before DVC 3 is another one."""
    if seen is None or any(seen[key] != item[key] for key in ("size", "nfiles") if key in seen and key in item):
        return False
    hashed = "md5" in seen and "md5" in item and item.get("hash") == "md5"
    return seen["md5"] == item["md5"] if hashed else None
