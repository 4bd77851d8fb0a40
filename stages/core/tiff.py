"""Reads the directories of a TIFF file (TIFF 6.0, section 2; DNG and most camera files are built so).

What is broken is left out: a directory that leads out of the file ends where the file does.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

Content = bytes | mmap
Value = str | tuple[float, ...]

_HEADER = 8
_ASCII = 2
_RATIONALS = {5: "I", 10: "i"}
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I"}
_SUB_DIRECTORIES, _EXIF = 330, 34665
_MOST_DIRECTORIES = 32
_INLINE = 4


@dataclass(frozen=True)
class Tiff:
    """The directories of a file.

    Attributes:
        order: ``<`` or ``>``, the byte order.
        directories: tag to text or numbers; the first directory, its subdirectories, then the next ones.
        exif: the first EXIF directory, empty without one.
    """

    order: str
    directories: tuple[dict[int, Value], ...]
    exif: dict[int, Value]

    def text(self, *tags: int) -> str | None:
        """Return the first text among these tags of the first directory and of EXIF."""
        found = (place.get(tag) for tag in tags for place in (self.first, self.exif))
        return next((value for value in found if isinstance(value, str) and value), None)

    def number(self, *tags: int) -> float | None:
        """Return the first number among these tags of the first directory and of EXIF."""
        found = (place.get(tag) for tag in tags for place in (self.first, self.exif))
        return next((value[0] for value in found if isinstance(value, tuple) and value), None)

    @property
    def first(self) -> dict[int, Value]:
        """The first directory, empty without one."""
        return self.directories[0] if self.directories else {}


def read(content: Content) -> Tiff | None:
    """Read a file's directories; None where it does not begin like a TIFF file."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(content[:2]))
    if order is None or len(content) < _HEADER:
        return None
    found: list[dict[int, Value]] = []
    seen: set[int] = set()
    waiting = [struct.unpack_from(order + "I", content, 4)[0]]
    while waiting and len(found) < _MOST_DIRECTORIES:
        at = waiting.pop(0)
        if at in seen or not _HEADER <= at < len(content):
            continue
        seen.add(at)
        entries, following = _directory(content, order, at)
        found.append(entries)
        subs = entries.get(_SUB_DIRECTORIES, ())
        waiting = [*(int(s) for s in subs if not isinstance(s, str)), *waiting, following]
    exif = next((_directory(content, order, int(d[_EXIF][0]))[0] for d in found if isinstance(d.get(_EXIF), tuple)), {})
    return Tiff(order, tuple(found), exif)


def _directory(content: Content, order: str, at: int) -> tuple[dict[int, Value], int]:
    """Return one directory's entries and the place of the next directory, 0 where there is none."""
    found: dict[int, Value] = {}
    try:
        (number,) = struct.unpack_from(order + "H", content, at)
        for tag, value in _entries(content, order, at + 2, number):
            found[tag] = value  # noqa: PERF403 - what was read before the file ends is kept
        return found, struct.unpack_from(order + "I", content, at + 2 + 12 * number)[0]
    except struct.error:
        return found, 0  # it leads out of the file: what was read so far will do


def _entries(content: Content, order: str, start: int, number: int) -> Iterator[tuple[int, Value]]:
    for place in range(start, start + 12 * number, 12):
        tag, kind, count = struct.unpack_from(order + "HHI", content, place)
        size = count * (8 if kind in _RATIONALS else struct.calcsize("<" + _NUMBERS.get(kind, "B")))
        at = place + _HEADER if size <= _INLINE else struct.unpack_from(order + "I", content, place + _HEADER)[0]
        if at + size > len(content):
            continue
        if kind == _ASCII:
            yield tag, bytes(content[at : at + count]).split(b"\0")[0].decode("utf-8", "replace").strip()
        elif kind in _RATIONALS:
            pairs = struct.unpack_from(f"{order}{2 * count}{_RATIONALS[kind]}", content, at)
            yield tag, tuple(n / d if d else float("nan") for n, d in zip(pairs[::2], pairs[1::2], strict=True))
        elif kind in _NUMBERS:
            yield tag, struct.unpack_from(f"{order}{count}{_NUMBERS[kind]}", content, at)
