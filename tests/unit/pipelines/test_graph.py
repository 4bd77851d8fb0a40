"""The graph that the flow runs is DVC's own."""

from pathlib import Path

import pytest

from pipelines import graph
from stages.core.errors import ParamsError
from tests.projects import make_project

GRAPH = """
    stages:
      acquire:
        cmd: echo a > a
        params: [seed]
        outs: [a]
      train:
        foreach: ${tasks}
        do:
          cmd: cp a ${key}
          deps: [a]
          params: ['tasks.${key}']
          outs: ['${key}']
          metrics: ['${key}.json']
      judge:
        matrix: {task: '${names}'}
        cmd:
          - cp ${item.task} ${item.task}.judged
          - echo done
        deps: ['${item.task}']
        outs: ['${item.task}.judged']
      other:
        cmd: echo o > o
        outs: [o]
"""
PARAMS = "seed: 1\nnames: [x, y]\ntasks: {x: {head: linear}, y: {head: unet}}\n"


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> graph.Graph:
    """Read the graph of a project with foreach and matrix."""
    return graph.read(make_project(tmp_path_factory.mktemp("graph"), GRAPH, PARAMS))


def test_foreach_and_matrix_become_one_node_each(read: graph.Graph) -> None:
    """Every resolved stage is a node with its own paths, parameters and upstream."""
    assert set(read.nodes) == {"acquire", "train@x", "train@y", "judge@x", "judge@y", "other"}
    node = read.nodes["train@x"]
    assert (node.verb, node.task, node.commands, node.deps) == ("train", "x", ("cp a x",), ("a",))
    assert (node.outs, node.metrics) == (("x", "x.json"), ("x.json",))
    assert node.params == {"params.yaml": ("tasks.x",)}
    assert read.nodes["judge@y"].commands == ("cp y y.judged", "echo done")
    assert read.nodes["acquire"].task is None


def test_an_edge_runs_to_what_a_stage_depends_on(read: graph.Graph) -> None:
    """Upstream is what a stage reads from, and stages come after all of it."""
    upstream = {name: node.upstream for name, node in read.nodes.items()}
    trained = {"train@x": {"acquire"}, "train@y": {"acquire"}}
    assert upstream == {"acquire": set(), "other": set(), **trained, "judge@x": {"train@x"}, "judge@y": {"train@y"}}
    names = list(read.nodes)
    assert all(names.index(up) < names.index(name) for name in names for up in upstream[name])


def test_a_target_brings_what_it_needs_and_nothing_else(read: graph.Graph) -> None:
    """A name without task stands for all tasks; no target means everything."""
    assert set(read.select(["judge@x"]).nodes) == {"acquire", "train@x", "judge@x"}
    assert set(read.select(["train"]).nodes) == {"acquire", "train@x", "train@y"}
    assert read.select([]) == read
    with pytest.raises(ParamsError, match=r"'judg@x' is no stage of dvc\.yaml; did you mean 'judge@x'"):
        read.select(["judg@x"])


def test_a_stage_of_another_folder_runs_when_it_is_named_or_needed(tmp_path: Path) -> None:
    """As for ``dvc repro``; each of its paths is seen from the project's root, wherever it runs."""
    make_project(tmp_path, "stages:\n  a: {cmd: cp docs/page a, deps: [docs/page], outs: [a]}\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/values.yaml").write_text("word: x\n")
    (tmp_path / "docs/dvc.yaml").write_text("""
stages:
  page: {cmd: echo > page, params: [values.yaml: [word]], outs: [page]}
  alone: {wdir: .., cmd: cp a docs/b, deps: [a], outs: [docs/b]}
""")
    found = graph.read(tmp_path)
    page, alone = found.nodes["docs/dvc.yaml:page"], found.nodes["docs/dvc.yaml:alone"]
    assert (page.verb, page.wdir, page.outs, dict(page.params)) == (
        "page", "docs", ("docs/page",), {"docs/values.yaml": ("word",)},
    )  # fmt: skip
    assert (alone.verb, alone.wdir, alone.deps, alone.outs) == ("alone", ".", ("a",), ("docs/b",))
    assert set(found.select([]).nodes) == {"a", "docs/dvc.yaml:page"}
    assert set(found.select(["docs/dvc.yaml:alone"]).nodes) == {"a", "docs/dvc.yaml:page", "docs/dvc.yaml:alone"}


def test_a_broken_graph_is_told_in_one_line(tmp_path: Path) -> None:
    """DVC's own words say what is wrong, without a traceback."""
    make_project(tmp_path, "stages:\n  a: {cmd: 'echo ${nothing}', outs: [x]}\n")
    with pytest.raises(ParamsError, match=r"dvc\.yaml cannot be read: .*nothing") as caught:
        graph.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_stage_of_ours_is_known_by_its_command() -> None:
    """A user's stage in another folder may be called as ours are; what DVC booked of it was not restored, it ran."""
    nodes = {
        name: graph.Node(name, (command,), (), {}, (), (), frozenset())
        for name, command in (("sub/dvc.yaml:evaluate", "cp in out"), ("judge", "python -m pipelines stage evaluate a"))
    }
    assert {name: node.runs for name, node in nodes.items()} == {"sub/dvc.yaml:evaluate": "", "judge": "evaluate"}
    assert graph.Graph(nodes).in_root() == {"judge"}
