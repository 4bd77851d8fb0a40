"""What an execution shows of a stage that ran is what DVC booked of it, whoever wrote the file last."""

import hashlib
import json
from pathlib import Path

import pytest

from pipelines.graph import Graph, Node
from pipelines.record import booking, headline
from pipelines.record.execution import StageState
from pipelines.record.journal import PARENT, Journal

PLACE = "data/metrics/evaluate_classify.json"
NODE = Node("evaluate@classify", ("a", "b"), (), {}, (PLACE,), (PLACE,), frozenset())
GRAPH = Graph({NODE.name: NODE})


def _content(value: float) -> bytes:
    figure = {"value": value, "low": 0.0, "high": 1.0, "n": 60, "pictures": 60}
    return json.dumps({"accuracy": figure, "degenerate": [], "degenerate_asked": ["accuracy"]}).encode()


def _entry(content: bytes) -> dict[str, object]:
    return {"outs": [{"path": PLACE, "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(), "hash": "md5"}]}


def _shown(own: bytes | None, booked: bytes | None, left: bytes | None) -> float | None:
    """Let a stage leave ``own``, DVC book ``booked`` of it, and ``left`` lie there; return the figure that is shown."""
    file, place = Path(PLACE), Path(".rawline/spool/x")
    file.parent.mkdir(parents=True, exist_ok=True)
    if own:
        file.write_bytes(own)
    journal, parent = Journal(place / "evaluate.jsonl"), Journal(place / f"{PARENT}.jsonl")
    parent.write("open", name="x", experiment="e")
    journal.write("open", name="a", experiment="e", stage=NODE.name, by_dvc=booked is not None)
    headline.note(journal, NODE)
    journal.write("end", status="FINISHED", message="")
    file.unlink(missing_ok=True)
    if left:
        file.write_bytes(left)
    if booked:
        journal.write("tags", values=booking.signed(_entry(booked)))
        journal.path.with_suffix(".signed").touch()
    entries = {NODE.name: _entry(booked or b"of an earlier run")}
    headline.write(parent, place, GRAPH, {NODE.name: StageState("Completed")}, entries)
    values = [event["values"] for event, _ in parent.events() if event["kind"] == "metrics"]
    return values[0]["classify/accuracy"] if values else None


@pytest.mark.parametrize("given", [
    (0.1, 0.1, 0.1, 0.1),
    (0.1, 0.1, 0.7, 0.1),  # data/ has moved on since
    (0.1, 0.9, 0.9, 0.9),  # a second command of the stage changed it before DVC looked
    (0.1, 0.9, 0.7, None),  # likewise, and neither folder nor cache has what was booked
    (None, 0.9, 0.9, 0.9),  # a second command made it
    (0.1, None, 0.7, 0.1),  # run by hand: DVC books nothing of it
])  # fmt: skip
def test_the_figure_is_the_booked_one(given, tmp_path, monkeypatch):
    """Two executions never show two figures for one booking: as noted where that is the booked file, else by its hash."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.setattr(headline.dvc_cache, "find", lambda _: None)
    own, booked, left = (None if value is None else _content(value) for value in given[:3])
    assert _shown(own, booked, left) == given[3]
