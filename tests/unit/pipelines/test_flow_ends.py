"""How a flow ends: what it brings together when all is well, and what its record says when it is not."""

import logging
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prefect.states import Cancelled, Completed, Failed

from pipelines import flow
from pipelines.flow_task import Run
from pipelines.graph import Graph
from pipelines.record.execution import Outcome


@pytest.mark.parametrize(("states", "asked"), [
    ({"a": Completed(), "b": Completed(name="Cached")}, 1),
    ({"a": Completed(), "b": Failed()}, 0),
    ({"a": Cancelled()}, 0),
])  # fmt: skip
def test_a_flow_whose_stages_are_all_well_registers_what_receipts_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, states: dict[str, Any], asked: int
) -> None:
    """DVC's cache restores receipts, not registrations; after a failure nothing is registered."""
    calls: list[int] = []

    @contextmanager
    def recorded(_wanted):
        yield {}, states

    monkeypatch.setattr(flow.origin, "require", lambda _root: None)
    monkeypatch.setattr(flow, "read", lambda: Graph({}))
    monkeypatch.setattr(flow, "recorded", recorded)
    monkeypatch.setattr(flow, "_walk", lambda *_: None)
    monkeypatch.setattr(flow.registered, "reconcile", lambda: calls.append(1) or ["shapes: version 2 registered"])
    monkeypatch.setattr(flow.flow_server, "wait_for", lambda: False)
    monkeypatch.setattr(flow, "get_run_logger", lambda: logging.getLogger("test"))
    assert flow._bring_up_to_date(None, 1, Run(tmp_path)).is_completed() is bool(asked)
    assert len(calls) == asked


def end(error: BaseException | None) -> None:
    if error:
        raise error


@pytest.mark.parametrize(("error", "states", "code"), [
    (None, {"a": Completed()}, 0),
    (None, {"a": Completed(), "b": Failed()}, 1),
    (RuntimeError("a slip"), {"a": Completed()}, 1),
    (KeyboardInterrupt(), {"a": Cancelled()}, None),  # its stages are Killed, and so is the execution
])  # fmt: skip
def test_a_flow_that_breaks_down_is_closed_as_failed(
    monkeypatch: pytest.MonkeyPatch, error: BaseException | None, states: dict[str, Any], code: int | None
) -> None:
    """Although every stage that ran is well; what a signal ended is told by its stages."""
    closed: list[tuple[int | None, dict[str, str]]] = []

    def close(_name: str, *, exit_code: int | None, states: dict[str, str]) -> Outcome:
        closed.append((exit_code, states))
        return Outcome({}, sent=True, problem="")

    monkeypatch.setattr(flow.execution, "open_execution", lambda *_args, **_words: "one")
    monkeypatch.setattr(flow.execution, "close_execution", close)
    with suppress(RuntimeError, KeyboardInterrupt), flow.recorded() as (_, kept):
        kept.update(states)
        end(error)
    ((found, told),) = closed
    assert found == code
    assert set(told) == set(states)
    if code is None:
        assert told == {"a": "Killed"}
