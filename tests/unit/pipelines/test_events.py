"""Whatever has become of a line of a journal, the record uses what is whole and no reader of it fails."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.graph import Graph, Node
from pipelines.record import closing, entities, events, headline, lockfile
from pipelines.record import execution as executions
from pipelines.record.journal import journals

PARAMS = {"params.yaml": {"seed": 7}}
SEEN = {"data/raw": "aa.dir"}
TOLD = {"rawline.state": "Completed"}
WHOLE: list[dict[str, Any]] = [
    {"kind": "open", "name": "evaluate@a", "stage": "evaluate@a", "experiment": "toy", "tags": dict(TOLD), "seen": SEEN,
     "params": PARAMS, "cmd": ["run"], "booked": "x", "by_dvc": True, "listed": {"data/raw": "x"}},
    {"kind": "params", "values": {"seed": 7}},
    {"kind": "inputs", "datasets": [{"name": "data/raw", "digest": "aa", "source": "{}", "context": "in", "profile": None}]},
    {"kind": "metrics", "values": {"loss": 0.5}, "step": 1},
    {"kind": "note", "text": "written"},
    {"kind": "figures", "path": "data/metrics/a.json", "metrics": {"accuracy": 0.5}, "tags": {"verdict": "good"}},
    {"kind": "tags", "values": dict(TOLD)},
    {"kind": "end", "status": "FINISHED", "message": "", "lock": 0, "listed": {"data/raw": "x"}},
]  # fmt: skip
NODE = Node("evaluate@a", ("run",), ("data/raw",), {"params.yaml": ("seed",)}, (), ("data/metrics/a.json",), frozenset())
ENTRY = {"cmd": "run", "deps": [{"path": "data/raw", "md5": "aa.dir"}], "params": PARAMS, "outs": []}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**60, 2**1100)
    | st.floats()
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def _places(content: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [found for key, value in inner for found in [(*at, key), *_places(value, (*at, key))]]


@st.composite
def damaged(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return a run's events, of which one value is another or missing."""
    found: Any = [{"t": 1, **event} for event in copy.deepcopy(WHOLE)]
    *at, last = draw(st.sampled_from([place for place in _places(found) if len(place) > 1]))
    inner = found
    for key in at:
        inner = inner[key]
    if draw(st.booleans()) and isinstance(inner, dict):
        del inner[last]
    else:
        inner[last] = draw(JSON)
    return list(found)


@given(run=damaged())
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damaged_event_fails_a_reader(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, run: list[dict[str, Any]]
) -> None:
    """Closing, the headline figures and MLflow's entities take a journal with any one value changed or gone."""
    root = tmp_path_factory.mktemp("damaged")
    monkeypatch.setenv("RAWLINE_ROOT", str(root))
    place = executions.folder("one")
    place.mkdir(parents=True)
    about = {"id": "one", "kind": "flow", "name": "one", "experiment": "toy", "pid": 1, "created_ms": 0, "workdir": "."}
    (place / "execution.json").write_text(json.dumps(about))
    (place / "closing.json").write_text('{"exit_code": 0, "states": {}}')
    (place / "graph.json").write_text(json.dumps(lockfile.freeze(Graph({NODE.name: NODE}))))
    (place / "dvc.lock").write_text(json.dumps({"stages": {NODE.name: ENTRY}}))
    (place / "execution.jsonl").write_bytes(events.line("open", 1, {"name": "one", "experiment": "toy", "tags": {}}))
    (place / "evaluate@a.1.jsonl").write_text("".join(json.dumps(event) + "\n" for event in run))
    closing.settle("one")
    closing.close("one")
    for journal in journals(place):
        for event, _ in journal.events():
            _as_entities(event)


def _as_entities(event: dict[str, Any]) -> None:
    match event["kind"]:
        case "metrics":
            assert all(isinstance(metric.step, int) for metric in entities.metrics(event))
        case "params":
            entities.params(event["values"])
        case "tags":
            entities.tags(event["values"])
        case "inputs":
            assert all(entities.dataset(item) for item in event["datasets"])


@pytest.mark.parametrize("event", WHOLE, ids=[event["kind"] for event in WHOLE])
def test_every_kind_that_is_written_has_a_check(event: dict[str, Any]) -> None:
    """A whole event passes, one whose content is a word does not."""
    assert event["kind"] in events.CHECKS
    assert events.parse(json.dumps({"t": 1, **event}).encode()) == {"t": 1, **event}
    spoilt = {key: 5 if key not in ("kind", "lock") else value for key, value in event.items()}
    assert events.parse(json.dumps({"t": 1, **spoilt}).encode()) is None
    assert headline.KIND in events.CHECKS


def test_half_a_character_costs_no_event(tmp_path: Path) -> None:
    """A file's name that is no UTF-8 stands in a message; the end is read all the same, and can be sent."""
    found = events.parse(events.line("end", 1, {"status": "FAILED", "message": "a\udcff.png is empty"}))
    assert found is not None
    assert found["message"].encode() == b"a?.png is empty"
