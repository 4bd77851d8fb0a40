"""Lists of pictures are taken as people and systems write them; a line that leads nowhere is met when it is read."""

import codecs
import io
import sys
from pathlib import Path

import pytest

from pipelines import pictures


def listed(content: bytes, monkeypatch: pytest.MonkeyPatch, errors: str = "strict") -> list[Path]:
    """Return what a list on standard input names."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)), "utf-8", errors))  # type: ignore[type-var]
    return list(pictures.given(["-"]))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_says_itself_how_it_is_encoded(encoding: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its byte order mark, as the editors of Windows write it."""
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    content = mark + end.join(["ä b.jpg", '"c, d.jpg"', "", "Ċ.jpg"]).encode(encoding)
    assert listed(content, monkeypatch) == [Path("ä b.jpg"), Path("c, d.jpg"), Path("Ċ.jpg")]


@pytest.mark.parametrize("content", [b"", b"a", b"\xff", b"\xff\xfe", b"\xff\xfea"])
def test_a_torn_list_ends_in_no_traceback(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it holds is a name or nothing."""
    assert len(listed(content, monkeypatch)) <= 1


def test_names_in_another_encoding_are_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system has them, also where the environment asks for strict UTF-8."""
    assert listed(b"caf\xe9.jpg\n", monkeypatch) == [Path("caf\udce9.jpg")]


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + "*", "/" + "x/" * 3000, "a\0b"])
def test_what_no_system_takes_for_a_name_is_given_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In quotes, without, and as a word of the command line: the next line has its turn all the same."""
    assert listed(f'"{name}"\n{name}\nb.jpg\n'.encode(), monkeypatch) == [Path(name), Path(name), Path("b.jpg")]
    assert list(pictures.given([name, "b.jpg"])) == [Path(name), Path("b.jpg")]
