"""What a run read is compared with what DVC booked."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.graph import Graph, Node
from pipelines.record import booking, runs
from pipelines.record import execution as executions
from tests import recording

ENTRY = {"cmd": "run", "deps": [{"path": "raw", "md5": "new.dir"}], "outs": []}
NODE = Node("make", ("run",), ("raw",), {}, (), (), frozenset())


@pytest.mark.parametrize("pointer", ["", "outs: [{md5: old.dir, size: 1, nfiles: 1, path: raw}]"])
@pytest.mark.parametrize("edited", [True, False])
def test_a_folder_was_edited_if_its_files_are_others_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pointer: str, *, edited: bool
) -> None:
    """Whatever a ``.dvc`` file says: what it names may have been changed before the run."""
    root = recording.project(tmp_path / "project", monkeypatch).root
    (root / "raw").mkdir()
    (root / "raw/a").write_text("a")
    if pointer:
        (root / "raw.dvc").write_text(pointer)
    run = runs.StageRun("make", executions.open_execution("flow", name="one"), Graph({"make": NODE}))
    if edited:
        (root / "raw/a").write_text("b, longer")
    (root / "raw/__pycache__").mkdir()
    (root / "raw/__pycache__/a.pyc").write_text("written by Python")
    run.end("FINISHED")
    assert booking.differences(run.journal.opening(), run.journal.ending() or {}, ENTRY) == ["raw"] * edited


def _put_back(file: Path) -> None:
    """Write something else, then the same bytes again."""
    content = file.read_bytes()
    file.write_bytes(b"EVIL" * 10)
    file.write_bytes(content)


def _linked(file: Path) -> None:
    """Give a file a first and a second name elsewhere, as backups and DVC's cache do, and take one away again."""
    for name in ("a backup", "a cache"):
        os.link(file, file.parent.parent / name)
    (file.parent.parent / "a backup").unlink()


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "put back": (_put_back, True),
    "touched": (os.utime, True),
    "only read": (Path.read_bytes, False),
    "linked": (_linked, False),
    "of other rights": (lambda file: file.chmod(0o640), False),
}


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("dep", ["code.txt", "data/made", "data/own"])
def test_what_is_put_back_before_the_end_was_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dep: str, how: str
) -> None:
    """A single file, a folder that a stage made, one that none made: the bytes are those of the start, the run is stale."""
    change, edited = CHANGES[how]
    root = recording.project(tmp_path / "project", monkeypatch).root
    file = root / dep if dep == "code.txt" else root / dep / "numbers.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("1")
    (root / "dvc.lock").write_text("schema: '2.0'\nstages:\n  first:\n    outs:\n    - {path: data/made, md5: 0.dir}\n")
    node = Node("make", ("run",), (dep,), {}, (), (), frozenset())
    run = runs.StageRun("make", executions.open_execution("flow", name="one"), Graph({"make": node}))
    change(file)
    run.end("FINISHED")
    entry = {"cmd": "run", "deps": [{"path": dep, "md5": run.seen[dep]}], "outs": []}
    assert booking.differences(run.journal.opening(), run.journal.ending() or {}, entry) == [dep] * edited
