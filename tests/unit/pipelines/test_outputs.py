"""What a stage left is named as DVC names it, or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines import dvc_hashes
from pipelines.graph import Node
from pipelines.record import outputs
from pipelines.record.journal import Journal
from tests.pipeline import toy


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Return a folder with data and what DVC's own code says of each."""
    from dvc.repo import Repo  # noqa: PLC0415 - takes a second

    root = toy.make(tmp_path_factory.mktemp("outputs") / "project", cold=True).root
    for name, text in {"one": "1", "two/b": "b", "two/a/\u00e4.txt": "", "two/a.txt": "a\r\n", "two/a-b/c": "c"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    (root / "empty").mkdir()
    found = {}
    with Repo(str(root)) as repo:
        for name in ("one", "two", "empty"):
            (out,) = repo.add(str(root / name), no_commit=True)[0].outs
            found[name] = out.dumpd()
    return root, found


@pytest.mark.parametrize("name", ["one", "two", "empty"])
def test_outputs_are_named_as_dvc_names_them(
    booked: tuple[Path, dict[str, dict[str, Any]]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Size, number and hash of files and folders, whatever their names and depth."""
    root, items = booked
    monkeypatch.chdir(root)
    seen, item = outputs.seen(Path(name)), items[name]
    assert seen is not None
    assert {key: seen.get(key) for key in ("md5", "size", "nfiles")} == {k: item.get(k) for k in ("md5", "size", "nfiles")}
    assert outputs.fits({name: seen}, {"outs": [{**item, "path": name}]})


def test_dvc_says_the_hash_of_a_folder(booked: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path) -> None:
    """That of what lies there now, also outside of the project; nothing where there is no project."""
    root, items = booked
    assert dvc_hashes.folder(root, "two") == items["two"]["md5"]
    shutil.copytree(root / "two", root.parent / "beside")
    assert dvc_hashes.folder(root, "../beside") == items["two"]["md5"]
    assert dvc_hashes.folder(tmp_path, "two") is None


def _ignore(folder: Path) -> None:
    (folder.parent / ".dvcignore").write_text("*.tmp\n")


def _link(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "a")


def _nest(folder: Path) -> None:
    (folder / ".git").mkdir()


def _raise(_path: object) -> str:
    raise PermissionError


@pytest.mark.parametrize("change", [_ignore, _link, _nest])
def test_what_dvc_may_count_otherwise_is_not_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    """A folder of which DVC passes over some files, or reads others, is there, and nothing more is known of it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "a").write_text("a")
    change(folder)
    assert outputs.seen(Path("made")) == {}
    assert outputs.fits({"made": {}}, {"outs": [{"path": "made", "md5": "x.dir", "hash": "md5", "nfiles": 7}]}) is None


def test_what_is_large_or_closed_is_not_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large output size and number are known; another size is another output, the same one says nothing."""
    monkeypatch.setattr(outputs, "LARGEST", 2)
    monkeypatch.setattr(outputs, "MOST", 1)
    (tmp_path / "file").write_text("abc")
    assert outputs.seen(tmp_path / "file") == {"size": 3}
    for size, expected in ((3, None), (4, False)):
        assert outputs.fits({"file": {"size": 3}}, {"outs": [{"path": "file", "md5": "x", "size": size}]}) is expected
    monkeypatch.setattr(outputs, "LARGEST", 9)
    monkeypatch.setattr(outputs.contents, "file_hash", _raise)
    assert outputs.seen(tmp_path / "file") == {}
    assert outputs.seen(tmp_path / "gone") is None


@pytest.mark.parametrize(
    ("commands", "noted"),
    [
        (("python -m pipelines stage make",), True),
        (("python -m pipelines stage make", "touch out"), False),
        (("python -m pipelines stage make && touch out",), False),
        (("python -m pipelines stage make; touch out",), False),
    ],
)
def test_what_another_command_may_make_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: tuple[str, ...], *, noted: bool
) -> None:
    """DVC looks once all commands have ended, a stage sees its own end."""
    monkeypatch.chdir(tmp_path)
    journal = Journal(tmp_path / "make.1-1.jsonl")
    journal.write("open", name="make", experiment="toy")
    outputs.note(journal, Node("make", commands, (), {}, ("out", "s3://bucket/out"), (), frozenset()))
    assert outputs.noted(journal, "") == (outputs.Left({"out": None}) if noted else outputs.UNKNOWN)
