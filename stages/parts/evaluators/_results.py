"""A file of COCO results: written a picture at a time, one detection a line, and read a picture at a time."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from stages.core import files

Mark = dict[str, Any]


@dataclass
class Results:
    """The file at ``path``; nothing is opened before the first picture is added, nor left open between two.

    Attributes:
        path: where it lies.
        offsets: where each picture's detections begin, in bytes, and after ``close`` where the last one's end.
    """

    path: Path
    offsets: list[int] = field(default_factory=list)

    def add(self, marks: Iterable[Mark]) -> None:
        """Write the next picture's detections."""
        with self._opened() as stream:
            self.offsets.append(stream.tell())
            for mark in marks:
                start = b"\n" if stream.tell() == 1 else b",\n"
                stream.write(start + json.dumps(files.tidy(mark), sort_keys=True, allow_nan=False).encode())

    def close(self) -> None:
        """Write the end."""
        with self._opened() as stream:
            self.offsets.append(stream.tell())
            stream.write(b"\n]\n")

    def _opened(self) -> IO[bytes]:
        if self.offsets:
            return self.path.open("ab")
        stream = self.path.open("wb")
        stream.write(b"[")
        return stream


def read(path: Path, start: int, stop: int) -> list[Mark]:
    """Read the detections of a picture that lie between two offsets."""
    with path.open("rb") as stream:
        stream.seek(start)
        return list(json.loads(b"[" + stream.read(stop - start).strip(b",\n[") + b"]"))
