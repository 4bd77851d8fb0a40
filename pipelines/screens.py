"""Screens that show no secret: what this process prints is redacted as it is written."""

import sys
from collections.abc import Iterable
from typing import Any, BinaryIO, TextIO

import click

from pipelines.redaction import redact


class Screen:
    """A text stream that shows no secret; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def bare(self) -> TextIO:
        """The stream below, which shows everything."""
        return self._stream

    @property
    def buffer(self) -> "_Bytes":
        """The stream below, for who writes bytes or has an encoding of his own."""
        return _Bytes(self._stream.buffer)

    def write(self, text: str) -> int:
        """Write the text without its secrets.

        Raises:
            TypeError: it is no text; click finds out by that what kind of stream it has.
        """
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Bytes:
    """A binary stream that shows no secret."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, content: bytes) -> int:
        raw = bytes(content)
        self._stream.write(redact(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"))
        return len(raw)

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
    """Redact what this process prints, the lines of libraries among them: a parameter may hold a secret, too."""
    if not isinstance(sys.stdout, Screen):
        sys.stdout, sys.stderr = Screen(sys.stdout), Screen(sys.stderr)
