"""Lists the pictures that a person means: files, folders, patterns, or a list on standard input."""

import codecs
import glob
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from stages.parts.sources import _layout

_MAGIC = "*?["
STDIN = "-"


def given(words: Iterable[str]) -> Iterator[Path]:
    """Yield pictures one by one; what leads to none is yielded as it is, and is met when it is read.

    Args:
        words: files, folders (with all below them, hidden files left out), patterns (``**`` too), or ``-``: a path in each
            line of standard input, read as its turn comes.
    """
    for word in words:
        if word == STDIN:
            yield from (Path(path) for line in _stdin() if (path := _path(line)))
        else:
            yield from _expand(Path(word)) or [Path(word)]


def _stdin() -> TextIO:
    """Return standard input, as UTF-16 where its byte order mark says so (Windows: Unicode); any bytes are a name."""
    stream = sys.stdin
    if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, io.BufferedReader):
        wide = stream.buffer.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        with suppress(io.UnsupportedOperation):  # it has been read before, to its end
            stream.reconfigure(encoding="utf-16" if wide else None, errors="replace" if wide else "surrogateescape")
    return stream


def _path(line: str) -> str:
    r"""Return the path in a line of a list, as other systems and spreadsheets write it: byte order mark, CRLF, quotes.

    Example:
        >>> _path("\ufeffa b.jpg\r\n"), _path('"a, b.jpg"\n'), _path("it's.jpg\n"), _path(" \n")
        ('a b.jpg', 'a, b.jpg', "it's.jpg", '')
    """
    line = line.removeprefix("\ufeff").rstrip("\r\n")
    if len(line) > 1 and line[0] == line[-1] == '"' and not _is_there(line):
        line = line[1:-1].replace('""', '"')
    return line if line.strip() else ""


def _is_there(path: str | Path) -> bool:
    """Tell whether a path leads somewhere; one that no system takes for a name does not."""
    return os.path.exists(path)  # noqa: PTH110 - Path's raises where a name is longer than the system allows


def _expand(path: Path) -> list[Path]:
    if _is_there(path) and path.is_dir():
        return _layout.pictures(path)
    if not _is_there(path) and any(letter in str(path) for letter in _MAGIC):
        hits = [Path(hit) for hit in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - it may be absolute
        return [one for hit in hits for one in (_layout.pictures(hit) if hit.is_dir() else [hit])]
    return [path]
