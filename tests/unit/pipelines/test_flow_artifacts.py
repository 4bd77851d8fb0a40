"""What a flow leaves on Prefect's pages is its own."""

import json
from pathlib import Path
from typing import Any

import pytest
from prefect.states import Cancelled, Completed, Failed

from pipelines import flow_artifacts
from pipelines.graph import Graph, Node
from tests.markdown import NAMES, parsed, shape, unwanted


def test_only_figures_of_stages_that_this_run_made_or_found_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed, stale, stopped or unreached stage shows nothing, though the folder holds figures of an earlier run."""
    shown: list[str] = []

    def table(*, table: list[Any], key: str, description: str) -> None:
        assert table[0]["value"] == 0.5
        assert description
        shown.append(key)

    monkeypatch.setattr(flow_artifacts, "create_table_artifact", table)
    states = {
        "evaluate@made": Completed(), "evaluate@cached": Completed(name="Cached"), "evaluate@failed": Failed(),
        "evaluate@stale": Failed(name="Stale"), "evaluate@stopped": Cancelled(),
    }  # fmt: skip
    nodes = {}
    for name in [*states, "evaluate@unreached"]:
        file = f"{name}.json"
        (tmp_path / file).write_text(json.dumps({"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}}))
        nodes[name] = Node(name, (), (), {}, (), (file,), frozenset())
    flow_artifacts.publish(tmp_path, Graph(nodes), states, None)
    assert shown == ["metrics-made", "metrics-cached"]


@pytest.mark.parametrize("name", NAMES)
def test_a_degenerate_evaluation_is_named_above_its_figures(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect's page of the figures says so, as text, whatever the classes are called."""
    told: list[str] = []
    monkeypatch.setattr(flow_artifacts, "create_table_artifact", lambda **given: told.append(given["description"]))
    node = Node("evaluate@classify", (), (), {}, (), ("e.json",), frozenset())
    for word in (name, "cat"):
        fault = {"kind": "absent_class", "reason": f"no picture of {word}", "figures": []}
        figure = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
        (tmp_path / "e.json").write_text(json.dumps({"accuracy": figure, "degenerate": [fault]}))
        flow_artifacts.publish(tmp_path, Graph({node.name: node}), {node.name: Completed()}, None)
    assert "Degenerate: absent" in told[1]
    assert shape(parsed(told[0])) == shape(parsed(told[1]))
    assert not unwanted(parsed(told[0]))


@pytest.mark.parametrize("name", NAMES)
def test_no_name_makes_anything_of_prefect_s_pages(name: str) -> None:
    """Names of figures, classes and groups are text in the audit's page and in the table's cells, which are markdown too."""
    node = Node("audit@classify", (), (), {}, (), (), frozenset())

    def page(name: str) -> str:
        figure = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
        return flow_artifacts.verdict(node, {"verdict": name, name: name, "by_group": {name: figure}})

    tokens = parsed(page(name))
    assert shape(tokens) == shape(parsed(page("cat")))
    assert not unwanted(tokens)
    (row,) = flow_artifacts.figures({name: {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}})
    assert shape(parsed(row["figure"])) == shape(parsed("cat"))
    assert not unwanted(parsed(row["figure"]))
