"""Who keeps a run from its files is read from DVC's notes: living processes that use what the run reads or writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import dvc_busy
from pipelines.graph import Graph, Node

NODE = Node("train", ("run",), ("data/in",), {}, ("data/out",), (), frozenset())
GRAPH = Graph({NODE.name: NODE})
PID = os.getpid()


def note(root: Path, kind: str, path: str, pid: int) -> None:
    """Write DVC's notes with one process in them."""
    holder = {"pid": pid, "cmd": "dvc repro train"}
    place = root / dvc_busy.NOTES
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({kind: {str(root / path): [holder] if kind == "read" else holder}}))


@pytest.mark.parametrize(
    ("kind", "path", "blocks"),
    [
        ("write", "data/in", True), ("write", "data/out", True), ("read", "data/out", True), ("read", "data/in", False),
        ("write", "data", True), ("write", "data/out/a/b.png", True), ("write", "data/output", False),
        ("read", "other", False),
    ],
)  # fmt: skip
def test_who_uses_the_same_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, path: str, blocks: bool
) -> None:
    """As DVC has it: two may read the same, nobody reads or writes what another one writes, a folder or a part of it."""
    monkeypatch.setattr(dvc_busy, "_is_dvc", lambda pid: pid == PID)
    note(tmp_path, kind, path, PID)
    told = dvc_busy.blocked(GRAPH, tmp_path)
    wanted = f"process {PID} (dvc repro train) is at work on {path} in this project; wait until it ends, then: rawline repro"
    assert told == (wanted if blocks else "")


def test_a_number_that_another_process_has_by_now_is_not_waited_for(tmp_path: Path) -> None:
    """After kill -9 and a restart the note's number may be anybody's: nobody is to wait for that one's end."""
    note(tmp_path, "write", "data/out", PID)  # this process is no dvc
    told = dvc_busy.blocked(GRAPH, tmp_path)
    assert f"process {PID} uses data/out, but that is no dvc" in told
    assert f"mv --backup=numbered -T {dvc_busy.NOTES} {dvc_busy.NOTES}.old" in told


def test_no_note_of_a_dvc_at_work_is_put_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a stale note stands that of a dvc which works on something else: its end comes first."""
    other = os.getppid()
    monkeypatch.setattr(dvc_busy, "_is_dvc", lambda pid: pid == other)
    note(tmp_path, "write", "data/out", PID)
    place = tmp_path / dvc_busy.NOTES
    content = json.loads(place.read_text())
    content["write"][str(tmp_path / "elsewhere")] = {"pid": other, "cmd": "dvc repro other"}
    place.write_text(json.dumps(content))
    assert dvc_busy.blocked(GRAPH, tmp_path).startswith(f"process {other} (dvc repro other) is at work on elsewhere")


def test_who_is_gone_blocks_nobody(tmp_path: Path) -> None:
    """DVC takes such a note out itself."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    note(tmp_path, "write", "data/out", gone.pid)
    assert not dvc_busy.blocked(GRAPH, tmp_path)


@pytest.mark.parametrize(
    "text", [None, "", "{torn", "[]", '{"write": 3}', '{"write": {"a": {}}, "read": {"a": [{"pid": "x"}]}}']
)
def test_notes_that_cannot_be_read_say_nothing(tmp_path: Path, text: str | None) -> None:
    """Nothing noted, half a file, another form: doctor looks at those."""
    (tmp_path / dvc_busy.NOTES).parent.mkdir(parents=True)
    if text is not None:
        (tmp_path / dvc_busy.NOTES).write_text(text)
    assert not dvc_busy.blocked(GRAPH, tmp_path)
