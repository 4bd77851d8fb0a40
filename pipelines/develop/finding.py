"""Finds the files a person means and gives each a name of its own among the results."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.core import images

_MAGIC = "*?["


@dataclass(frozen=True)
class Found:
    """A file to develop and its name below the folder of results, without a picture's suffix."""

    source: Path
    name: Path


def find(given: Sequence[str], *, simulate: bool) -> tuple[list[Found], list[str]]:
    """Return the files in order, and one line for whatever led to none.

    Args:
        given: files, folders (searched with all below them) and patterns (``**`` too).
        simulate: ordinary pictures are looked for, not camera files.
    """
    pairs: dict[Path, tuple[Path, Path]] = {}
    faults = []
    for text in given:
        found = list(_expand(text, images.SUFFIXES if simulate else images.RAW_SUFFIXES))
        if not found:
            wanted = "picture" if simulate else "camera file"
            faults.append(f"{text} {'holds' if os.path.isdir(text) else 'matches'} no {wanted}")  # noqa: PTH112 - see below
        for path, base in found:
            pairs.setdefault(Path(os.path.abspath(path)), (path, base))  # noqa: PTH100 - a link stays what it is called
    return _named(list(pairs.values())), faults


def _expand(text: str, suffixes: frozenset[str]) -> Iterator[tuple[Path, Path]]:
    """Yield files and the folder that their names are relative to; a file that is missing is met when it is read."""
    path = Path(text)  # whose own questions raise where a name is longer than the system allows
    if os.path.isdir(path):  # noqa: PTH112
        yield from ((p, path) for p in _below(path, suffixes))
    elif not os.path.exists(path) and any(letter in text for letter in _MAGIC):  # noqa: PTH110
        fixed = Path(*_before(path.parts))
        for hit in sorted(glob.glob(text, recursive=True)):  # noqa: PTH207 - the pattern may be absolute
            one = Path(hit)
            if one.is_dir():
                yield from ((p, fixed) for p in _below(one, suffixes))
            elif one.suffix.lower() in suffixes:
                yield one, fixed
    else:
        yield path, path.parent


def _below(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file())


def _before(parts: Sequence[str]) -> list[str]:
    """Return the parts of a path before the first one with a wildcard."""
    first = next(i for i, part in enumerate(parts) if any(letter in part for letter in _MAGIC))
    return list(parts[:first])


def _named(pairs: list[tuple[Path, Path]]) -> list[Found]:
    """Name the results: below the folder given; from the common folder, then with the suffix, where names would clash."""
    names = [path.relative_to(base) for path, base in pairs]
    if _clash(names):
        full = [Path(os.path.abspath(path)) for path, _ in pairs]  # noqa: PTH100 - a link stays what it is called
        common = os.path.commonpath([path.parent for path in full])
        names = [path.relative_to(common) for path in full]
    counts = Counter(_stem(name) for name in names)
    return [
        Found(path, name if counts[_stem(name)] > 1 else name.with_suffix(""))
        for (path, _), name in zip(pairs, names, strict=True)
    ]


def _stem(name: Path) -> str:
    return str(name.with_suffix("")).casefold()


def _clash(names: list[Path]) -> bool:
    return len({str(name).casefold() for name in names}) < len(names)
