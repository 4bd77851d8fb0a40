"""Reads DVC's graph once: what runs, what it needs and in which order. Nothing here repeats ``dvc.yaml``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import dvc_lock
from stages.core.errors import ParamsError, nearest


@dataclass(frozen=True)
class Node:
    """One stage as DVC resolved it.

    Attributes:
        name: DVC's address, for instance ``finetune@detect``.
        commands: the command lines, in order.
        deps: paths it reads, as written in ``dvc.yaml``; the parameter file is not among them.
        params: keys it reads, by parameter file.
        outs: paths it writes, metrics and plots among them.
        metrics: those of ``outs`` that are metrics.
        upstream: names of the stages whose outputs it reads.
    """

    name: str
    commands: tuple[str, ...]
    deps: tuple[str, ...]
    params: Mapping[str, tuple[str, ...]]
    outs: tuple[str, ...]
    metrics: tuple[str, ...]
    upstream: frozenset[str]

    @property
    def verb(self) -> str:
        """Return the stage's name without its task."""
        return self.name.partition("@")[0]

    @property
    def task(self) -> str | None:
        """Return the task of a stage made by ``foreach`` or ``matrix``, else None."""
        return self.name.partition("@")[2] or None


@dataclass(frozen=True)
class Graph:
    """Stages by name, each after everything that it reads from."""

    nodes: Mapping[str, Node]

    def levels(self) -> list[list[Node]]:
        """Group the stages so that each depends on earlier groups alone; stages of one group are independent."""
        depth: dict[str, int] = {}
        for name, node in self.nodes.items():
            depth[name] = 1 + max((depth[up] for up in node.upstream if up in depth), default=-1)
        groups: list[list[Node]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
        for name, level in depth.items():
            groups[level].append(self.nodes[name])
        return groups

    def select(self, targets: Iterable[str]) -> "Graph":
        """Keep the targets and everything they need, as ``dvc repro TARGET`` does.

        Args:
            targets: names of stages; ``finetune`` stands for every ``finetune@...``; none means all.

        Raises:
            ParamsError: no stage has that name.
        """
        wanted = [node for target in targets for node in self._named(target)]
        if not wanted:
            return self
        keep: set[str] = set()
        while wanted:
            node = wanted.pop()
            keep.add(node.name)
            wanted += [self.nodes[up] for up in node.upstream - keep]
        return Graph({name: node for name, node in self.nodes.items() if name in keep})

    def downstream(self, name: str) -> set[str]:
        """Return every stage that reads, directly or not, what this one writes."""
        found: set[str] = set()
        for other, node in self.nodes.items():
            if node.upstream & (found | {name}):
                found.add(other)
        return found

    def _named(self, target: str) -> list[Node]:
        found = [node for name, node in self.nodes.items() if target in (name, node.verb)]
        if not found:
            raise ParamsError(f"'{target}' is no stage of dvc.yaml; {nearest(target, self.nodes)}")
        return found


def read(root: Path | None = None) -> Graph:
    """Read the graph of the DVC project at ``root`` (the current folder when None).

    Raises:
        ParamsError: there is no DVC project, or ``dvc.yaml`` or ``dvc.lock`` is broken; DVC's own words say where.
    """
    from dvc.exceptions import DvcException  # noqa: PLC0415 - only what a command needs is imported
    from dvc.repo import Repo  # noqa: PLC0415

    try:
        with Repo(str(root) if root else None) as repo, dvc_lock.held(Path(repo.root_dir)):
            return _from_dvc(repo.index.graph)
    except DvcException as error:
        file = "dvc.lock" if "dvc.lock" in str(error) else "dvc.yaml"
        raise ParamsError(f"{file} cannot be read: {' '.join(str(error).split())}") from error


def address(stage: Any) -> str:
    """Return a stage's name as one writes it in the project's root; DVC's own depends on the current folder."""
    place, name = stage.path_in_repo, getattr(stage, "name", None)
    return str(name if place == "dvc.yaml" else f"{place}:{name}" if name else place)


def _from_dvc(graph: Any) -> Graph:
    """Order DVC's stages; in its graph an edge runs from a stage to what it depends on."""
    import networkx as nx  # type: ignore[import-untyped]  # noqa: PLC0415 - comes with dvc, loads with it

    steps = [stage for stage in nx.lexicographical_topological_sort(graph.reverse(), key=address) if stage.cmd]
    return Graph({address(stage): _node(stage, graph) for stage in steps})


def _node(stage: Any, graph: Any) -> Node:
    plain = [dep for dep in stage.deps if not hasattr(dep, "params")]
    return Node(
        name=address(stage),
        commands=tuple(stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()),
        deps=tuple(dep.def_path for dep in plain),
        params={dep.def_path: tuple(dep.params) for dep in stage.deps if hasattr(dep, "params")},
        outs=tuple(out.def_path for out in stage.outs),
        metrics=tuple(out.def_path for out in stage.outs if out.metric),
        upstream=frozenset(address(up) for up in graph.successors(stage) if up.cmd),
    )
