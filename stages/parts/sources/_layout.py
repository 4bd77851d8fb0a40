"""What sources share: looking at folders, loading bytes, and one clear line where the layout is not as expected."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core import images
from stages.core.errors import DataError, nearest
from stages.core.items import Mark

SPLIT_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_SHOWN = 6
_LONGEST = 200
_NAME_MAX = 255


def folder(path: Path, expected: str) -> Path:
    """Return a folder that exists and is not empty.

    Args:
        path: the folder.
        expected: the layout, for the message.

    Raises:
        DataError: it is missing, no folder, or empty.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; expected {expected} (params.yaml: acquire.path)")
    if not path.is_dir():
        raise DataError(f"{path} is a file; expected {expected} (params.yaml: acquire.path)")
    if not any(path.iterdir()):
        raise DataError(f"{path} is empty; expected {expected} (params.yaml: acquire.path)")
    return path


def wrong(path: Path, expected: str) -> DataError:
    """Return the error for a folder whose layout is another one, with what was found there."""
    found = sorted(child.name + ("/" if child.is_dir() else "") for child in path.iterdir())
    more = f" ... ({len(found)} in all)" if len(found) > _SHOWN else ""
    return DataError(f"{path}: expected {expected}; found {', '.join(found[:_SHOWN]) or 'nothing'}{more}")


@dataclass(frozen=True)
class Fence:
    """The folders that all files of a data set may lie in, its own tables too: what lies or leads elsewhere is never opened.

    Every source reads through it, for no other function here reads a file.

    Attributes:
        folder: of the data set.
        roots: further folders that the user allows (``acquire.roots``).
    """

    folder: Path
    roots: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a mistyped folder now: later each picture in the right one would be a finding of its own."""
        for root in self.roots:
            if not root.is_dir():
                raise DataError(f"acquire.roots: {root} is no folder (params.yaml: acquire.roots)")

    @cached_property
    def _real(self) -> tuple[Path, ...]:
        return tuple(folder.resolve() for folder in (self.folder, *self.roots))

    def inside(self, path: Path) -> Path:
        """Return where a path leads, all links and ``..`` followed.

        Raises:
            DataError: it leads out of the folders, or is no path.
        """
        try:
            too_long = max(len(os.fsencode(part)) for part in path.parts) > _NAME_MAX
            real = path.resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a NUL byte, a circle of links
            raise DataError(f"{str(path)[:_LONGEST]!r} is no path ({error})") from error
        if too_long:
            raise DataError(f"{str(path)[:_LONGEST]} ... is no path: a name in it has more than {_NAME_MAX} bytes")
        if not any(real.is_relative_to(folder) for folder in self._real):
            allowed = "and acquire.roots" if self.roots else "and acquire.roots is empty"
            raise DataError(
                f"{str(path)[:_LONGEST]} leads out of {self.folder} {allowed}; it is not opened "
                "(params.yaml: acquire.roots names further folders)"
            )
        return real

    def holds(self, path: Path) -> bool:
        """Tell whether a path leads into the folders."""
        try:
            self.inside(path)
        except DataError:
            return False
        return True

    def read_bytes(self, path: Path) -> bytes:
        """Read a file.

        Raises:
            DataError: it leads out of the folders.
            OSError: it is missing or cannot be read.
        """
        return self.inside(path).read_bytes()

    def text(self, path: Path) -> str:
        """Read UTF-8 text, a byte order mark removed.

        Raises:
            DataError: it leads out of the folders, is missing or no text.
        """
        try:
            return self.inside(path).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from error

    def check_below(self, root: Path, spared: frozenset[str]) -> None:
        """Refuse a folder that a library reads by itself where something in it leads out.

        Args:
            root: the folder; it may be missing.
            spared: endings of files that only the source itself opens.

        Raises:
            DataError: a file or folder in it leads out.
        """
        for place, folders, names in os.walk(self.inside(root)):
            for name in (*folders, *names):
                if Path(name).suffix.lower() not in spared:
                    self.inside(Path(place) / name)


def loader(path: Path, fence: Fence) -> Callable[[], bytes]:
    """Return a function that reads a file inside the fence."""

    def load() -> bytes:
        fence.inside(path)
        return images.read_file(path)

    return load


def mask_loader(path: Path, fence: Fence) -> Callable[[], NDArray[np.uint8]]:
    """Return a function that reads an index mask inside the fence."""

    def load() -> NDArray[np.uint8]:
        fence.inside(path)
        return images.read_mask(path)

    return load


def pictures(root: Path) -> list[Path]:
    """List picture and camera files below a folder, sorted, hidden ones left out."""
    suffixes = images.SUFFIXES | images.RAW_SUFFIXES
    return [p for p in visible(root) if p.suffix.lower() in suffixes]


def visible(root: Path) -> list[Path]:
    """List all files below a folder, sorted, hidden ones left out."""
    found = (p for p in root.rglob("*") if p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(root).parts))


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """Index files by their name without ending.

    Raises:
        DataError: two files share it.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise DataError(
                f"{path} and {found[path.stem].name} share the name {path.stem}; annotations cannot tell them apart"
            )
        found[path.stem] = path
    return found


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts ``class2`` before ``class10``.

    Example:
        >>> sorted(["10", "9", "a"], key=natural)
        ['9', '10', 'a']
    """
    parts = [(part, part.lstrip("0")) for part in re.split(r"([0-9]+)", name) if part]
    return tuple((0, len(short), short) if part[0] in "0123456789" else (1, 0, part) for part, short in parts)


def classes(
    declared: Sequence[str], used: Collection[str], chosen: tuple[str, ...] | None = None, key: str = ""
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the classes of a set whose files declare them, and a line on those left out.

    A class that no object uses can be neither learnt nor judged, and makes every evaluation degenerate; some tools write
    one into each file (the project's name, as a class above the others). Where nothing is used, nothing is left out.

    Args:
        declared: the classes that the files name, in index order.
        used: those of at least one object in the whole set.
        chosen: the user's choice in index order; None: the declared ones that are used.
        key: of that choice in params.yaml; empty where there is none.

    Raises:
        DataError: a chosen class is not declared.

    Example:
        >>> classes(["shapes", "cat"], {"cat"})
        (('cat',), ('no object of the whole set is of class shapes: left out of the classes',))
    """
    if chosen:
        if strange := [name for name in chosen if name not in declared]:
            raise DataError(
                f"class {strange[0]!r} stands in no annotation file; {nearest(strange[0], declared)} (params.yaml: {key})"
            )
        return chosen, ()
    idle = [name for name in declared if name not in used]
    if not idle or len(idle) == len(declared):
        return tuple(declared), ()
    line = f"no object of the whole set is of class {', '.join(idle)}: left out of the classes"
    return tuple(name for name in declared if name in used), (f"{line} (params.yaml: {key} may name them)" if key else line,)


def largest(marks: Iterable[Mark]) -> str | None:
    """Return the class of the object with the largest box, the first of equals; None without objects that count."""
    counted = (mark for mark in marks if not mark.flags.get("ignore"))
    return max(counted, key=lambda mark: mark.bbox[2] * mark.bbox[3], default=Mark("", (0, 0, 0, 0))).category or None
