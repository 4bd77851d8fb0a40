"""Screens that show no secret: what this process prints is redacted line by line, whoever wrote its parts."""

import codecs
import os
import re
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, ClassVar, TextIO

import click

from pipelines.redaction import MASK, redact

LONGEST = 1 << 16  # signs of an unfinished line that are kept back
OVERLAP = 1 << 10  # signs of it that are read once more with what follows them
_REWRITTEN = re.compile(r"(\r(?!\n)|\x1b\[[0-9;?]*[ABD-HJSTf])")  # where a terminal begins anew: a line of its own
_COLOUR = re.compile(r"\x1b(?:\[[0-9;?]*[mKC]|[()*+][0-9A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")  # or a charset, link
_PLAIN = "\x1b[0m"


class _Line:
    """Keeps back the line that is being written, since a name and its value may come one by one, and passes it redacted.

    What was passed of a line before its end is read once more with its rest, of which as much is shown as the whole shows.
    """

    alive: ClassVar["weakref.WeakSet[_Line]"] = weakref.WeakSet()

    def __init__(self) -> None:
        self._given = ""  # of this line, as it was written
        self._kept = ""
        self.turn = threading.RLock()  # from here to the stream: lines keep their order
        self.alive.add(self)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the line in the block; where Python ends nobody is waited for, who holds it never runs again."""
        taken = self.turn.acquire(blocking=not sys.is_finalizing())
        try:
            yield
        finally:
            if taken:
                self.turn.release()

    def add(self, text: str, *, at_once: bool = False) -> str:
        """Take a text, and return what is to be shown now: what ends in it, or all of it at once."""
        begin = _begin(text)
        end = (
            len(self._kept) + begin if 0 < begin == len(text) else 0
        )  # what is written at once is read as one: a list, a key
        self._kept += text
        if at_once:
            end = len(self._kept)
        elif len(self._kept) - end > LONGEST:
            last = len(self._kept) - OVERLAP
            end = self._kept.rfind(" ", last - OVERLAP, last) + 1 or last
        return self._shown(end)

    def rest(self) -> str:
        """Return what is kept back, though its line may go on."""
        return self._shown(len(self._kept))

    def _shown(self, end: int) -> str:
        if not end:
            return ""
        given, line = self._given, self._given + self._kept[:end]
        self._given, self._kept = _ending(line[_begin(line) :]), self._kept[end:]
        return _rest(given, line) if given else _redacted(line)


def _redacted(text: str) -> str:
    """Return a text without its secrets; what holds one loses its colours, which may stand between name and value."""
    return "".join(map(_part, _REWRITTEN.split(text)) if "\r" in text or "\x1b" in text else [redact(text)])


def _part(text: str) -> str:
    bare = _COLOUR.sub("", text)
    hidden = redact(bare)
    if hidden == bare:
        return redact(text)
    line = hidden.rstrip("\r\n")
    return hidden if bare == text else f"{line}{_PLAIN}{hidden[len(line) :]}"


def _begin(text: str) -> int:
    """Return where the last line of a text begins."""
    return max(text.rfind("\n"), text.rfind("\r")) + 1


def _ending(line: str) -> str:
    """Return the last signs of a line; where they are hidden, with what is shown before them: the name, perhaps."""
    end = line[-OVERLAP:]
    if len(line) > OVERLAP:
        shown, hidden, after = redact(_COLOUR.sub("", line)).rpartition(MASK)
        if hidden and not after:
            return shown[-OVERLAP // 2 :] + end[OVERLAP // 2 :]
    return end


def _rest(given: str, line: str) -> str:
    """Return what is to be shown of a line whose beginning is; of a beginning that was hidden, nothing more."""
    before, whole = _redacted(given), _redacted(line)
    common = next((at for at, (one, other) in enumerate(zip(before, whole, strict=False)) if one != other), len(before))
    hidden = before.startswith(MASK, common) and not whole.startswith(MASK, common)
    return _redacted(line[len(given) :]) if hidden else whole[common:]


def _renew() -> None:
    for line in _Line.alive:
        line.turn = threading.RLock()  # a thread that is not here may have held it


os.register_at_fork(after_in_child=_renew)


class Screen:
    """A text stream that shows no secret; everything else is the stream's own.

    A line appears when it ends, and before that where the stream is flushed or closed, or where a carriage return rewrites
    it in a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._line = _Line()
        self._bytes: _Bytes | None = None

    @property
    def bare(self) -> TextIO:
        """The stream below, which shows everything; what is kept back goes first."""
        self._release()
        return self._stream

    @property
    def buffer(self) -> "_Bytes":
        """The stream below, for who writes bytes or has an encoding of his own."""
        if self._bytes is None:
            self._bytes = _Bytes(self._stream.buffer)
        return self._bytes

    def write(self, text: str) -> int:
        """Write the text without its secrets.

        Raises:
            TypeError: it is no text; click finds out by that what kind of stream it has.
        """
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        at_once = "\r" in text and any(getattr(self._stream, kind, False) for kind in ("line_buffering", "write_through"))
        with self._line.held():
            self._give(self._line.add(text, at_once=at_once))
        return len(text)

    def flush(self) -> None:
        """Write what is kept back, and have it written."""
        self._release()
        self._stream.flush()

    def close(self) -> None:
        """Write what is kept back, and close the stream."""
        self._release()
        self._stream.close()

    def _give(self, text: str) -> None:
        if text:
            if self._bytes is not None:
                self._bytes.release()  # they were written before
            self._stream.write(text)

    def _release(self) -> None:
        if self._bytes is not None:
            self._bytes.release()
        with self._line.held():
            self._give(self._line.rest())

    def __del__(self) -> None:
        try:  # noqa: SIM105 - names are gone when Python itself ends
            self._release()
        except Exception:  # noqa: BLE001, S110 - nobody hears of a stream's end
            pass

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Bytes:
    """A binary stream that shows no secret; a letter may come byte by byte."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._line = _Line()
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._early = b""  # the first bytes of a letter, which were due before the others

    def write(self, content: bytes) -> int:
        raw = bytes(content)
        with self._line.held():
            self._give(self._line.add(self._decoder.decode(raw)))
        return len(raw)

    def release(self) -> None:
        with self._line.held():
            self._give(self._line.rest())
            begun = bytes(self._decoder.getstate()[0])
            if len(begun) > len(self._early):
                self._stream.write(begun[len(self._early) :])
                self._early = begun

    def flush(self) -> None:
        self.release()
        self._stream.flush()

    def close(self) -> None:
        self.release()
        self._stream.close()

    def _give(self, text: str) -> None:
        if text:
            raw = text.encode("utf-8", "surrogateescape")
            early, self._early = self._early, b""
            self._stream.write(raw.removeprefix(early))

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def reveal(line: str) -> None:
    """Print a line with a secret that its reader has asked for and must type elsewhere."""
    click.echo(line, file=unguarded())


def unguarded() -> TextIO:
    """Return standard output as it is, for what is made of a program's own words and numbers: masks would make no JSON."""
    return sys.stdout.bare if isinstance(sys.stdout, Screen) else sys.stdout


def guard_screen() -> None:
    """Redact what this process prints, the lines of libraries among them: a parameter may hold a secret, too.

    Where it was started without one of its streams (``>&-``), what is printed there goes nowhere.
    """
    for number, name in enumerate(("stdout", "stderr"), start=1):
        stream = getattr(sys, name)
        if not isinstance(stream, Screen):
            setattr(sys, name, Screen(_nowhere(number) if stream is None else stream))


def _nowhere(number: int) -> TextIO:
    """Return a stream that leads nowhere, in the place of the one that is closed: what is started looks there, too."""
    place = os.open(os.devnull, os.O_RDWR)
    try:
        os.fstat(number)
    except OSError:
        os.dup2(place, number)
        os.close(place)
        place = number
    os.set_inheritable(place, True)
    return os.fdopen(place, "w", encoding="utf-8", errors="replace")
