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
    """Upstream is what a stage reads from, and levels come after all of it."""
    assert read.nodes["train@x"].upstream == {"acquire"}
    assert read.downstream("acquire") == {"train@x", "train@y", "judge@x", "judge@y"}
    names = [[node.name for node in level] for level in read.levels()]
    assert names == [["acquire", "other"], ["train@x", "train@y"], ["judge@x", "judge@y"]]


def test_a_target_brings_what_it_needs_and_nothing_else(read: graph.Graph) -> None:
    """A name without task stands for all tasks; no target means everything."""
    assert set(read.select(["judge@x"]).nodes) == {"acquire", "train@x", "judge@x"}
    assert set(read.select(["train"]).nodes) == {"acquire", "train@x", "train@y"}
    assert read.select([]) is read
    with pytest.raises(ParamsError, match=r"'judg@x' is no stage of dvc\.yaml; did you mean 'judge@x'"):
        read.select(["judg@x"])


def test_a_broken_graph_is_told_in_one_line(tmp_path: Path) -> None:
    """DVC's own words say what is wrong, without a traceback."""
    make_project(tmp_path, "stages:\n  a: {cmd: 'echo ${nothing}', outs: [x]}\n")
    with pytest.raises(ParamsError, match=r"dvc\.yaml cannot be read: .*nothing") as caught:
        graph.read(tmp_path)
    assert "\n" not in str(caught.value)
