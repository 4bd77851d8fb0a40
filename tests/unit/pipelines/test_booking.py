"""What a run read is compared with what DVC booked."""

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
