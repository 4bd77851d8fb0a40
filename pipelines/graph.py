"""Reads DVC's graph once: what runs, what it needs and in which order. Nothing here repeats ``dvc.yaml``."""

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import dvc_lock
from stages.core.errors import ParamsError, nearest

_OURS = re.compile(r"\bstage (\w+)")  # python -m pipelines stage NAME [TASK]
MAX_FILE_NAME = 180  # bytes
FILE = "dvc.yaml"  # DVC's name for a file of stages, in whatever folder


@dataclass(frozen=True)
class Node:
    """One stage as DVC resolved it.

    Attributes:
        name: DVC's address, for instance ``finetune@detect``.
        commands: the command lines, in order.
        deps: paths it reads, seen from the project's root; the parameter file is not among them.
        params: keys it reads, by parameter file, seen from there too.
        outs: paths it writes, metrics and plots among them.
        metrics: those of ``outs`` that are metrics.
        upstream: names of the stages whose outputs it reads.
        frozen: DVC leaves it as it is, whatever has changed (``dvc freeze``).
        wdir: the folder in which DVC runs it and from which it writes its paths, seen from the root.
        always: DVC runs it whenever it is asked for (``always_changed``, or neither reads nor writes anything).
    """

    name: str
    commands: tuple[str, ...]
    deps: tuple[str, ...]
    params: Mapping[str, tuple[str, ...]]
    outs: tuple[str, ...]
    metrics: tuple[str, ...]
    upstream: frozenset[str]
    frozen: bool = False
    wdir: str = "."
    always: bool = False

    @property
    def verb(self) -> str:
        """Return the stage's name in its own ``dvc.yaml``, without its task."""
        return local(self.name).partition("@")[0]

    @property
    def runs(self) -> str:
        """Return the stage of ours that its command runs, whatever it is called; empty for a stage of the user's.

        Example:
            >>> commands = ("python -m pipelines stage audit x", "cp x y")
            >>> [Node("evaluate", (command,), (), {}, (), (), frozenset()).runs for command in commands]
            ['audit', '']
        """
        found = [match[1] for command in self.commands if (match := _OURS.search(command))]
        return found[0] if found else ""

    @property
    def task(self) -> str | None:
        """Return the task of a stage made by ``foreach`` or ``matrix``, else None."""
        return local(self.name).partition("@")[2] or None


@dataclass(frozen=True)
class Graph:
    """Stages by name, each after everything that it reads from."""

    nodes: Mapping[str, Node]

    def select(self, targets: Iterable[str]) -> "Graph":
        """Keep the targets and everything they need, as ``dvc repro TARGET`` does; what a frozen stage reads is left alone.

        Args:
            targets: names of stages; ``finetune`` stands for every ``finetune@...``; none means the stages of the root's
                ``dvc.yaml``, as for ``dvc repro``.

        Raises:
            ParamsError: no stage has that name.
        """
        wanted = [node for target in targets for node in self._named(target)]
        wanted = wanted or [node for name, node in self.nodes.items() if file(name) == FILE]
        keep: set[str] = set()
        while wanted:
            node = wanted.pop()
            keep.add(node.name)
            wanted += [self.nodes[up] for up in node.upstream - keep] if not node.frozen else []
        return Graph({name: node for name, node in self.nodes.items() if name in keep})

    def in_root(self) -> set[str]:
        """Return the names that the stages of the root's ``dvc.yaml`` have there, without their tasks."""
        return {node.verb for name, node in self.nodes.items() if file(name) == FILE}

    def downstream(self, name: str) -> set[str]:
        """Return every stage that reads, directly or not, what this one writes."""
        found: set[str] = set()
        for other, node in self.nodes.items():
            if node.upstream & (found | {name}):
                found.add(other)
        return found

    def _named(self, target: str) -> list[Node]:
        found = [node for name, node in self.nodes.items() if target in (name, name.removesuffix(f"@{node.task}"))]
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
            return _from_dvc(repo.index.graph, repo.root_dir)
    except DvcException as error:
        file = "dvc.lock" if "dvc.lock" in str(error) else "dvc.yaml"
        raise ParamsError(f"{file} cannot be read: {' '.join(str(error).split())}") from error


def address(stage: Any) -> str:
    """Return a stage's name as one writes it in the project's root; DVC's own depends on the current folder."""
    place, name = stage.path_in_repo, getattr(stage, "name", None)
    return str(name if place == FILE else f"{place}:{name}" if name else place)


def local(address: str) -> str:
    """Return a stage's name in its own ``dvc.yaml``: DVC's address begins with that file, seen from where dvc was called.

    Example:
        >>> local("finetune@a"), local("../dvc.yaml:finetune@a"), local("sub/dvc.yaml:acquire")
        ('finetune@a', 'finetune@a', 'acquire')
    """
    file, found, name = address.rpartition(f"{FILE}:")
    return name if found and file[-1:] in ("", "/") else address


def file(address: str) -> str:
    """Return the ``dvc.yaml`` that defines a stage, seen from the project's root.

    Example:
        >>> file("finetune@a"), file("sub/dvc.yaml:acquire")
        ('dvc.yaml', 'sub/dvc.yaml')
    """
    own = local(address)
    return FILE if own == address else address.removesuffix(f":{own}")


def resolved(told: str, folder: str) -> str:
    """Return the address of a stage that DVC names as seen from a folder.

    Args:
        told: DVC's name, as in ``DVC_STAGE``.
        folder: where dvc was called, seen from the project's root.

    Example:
        >>> resolved("../dvc.yaml:finetune@a", "docs"), resolved("page", "docs"), resolved("docs/dvc.yaml:page", ".")
        ('finetune@a', 'docs/dvc.yaml:page', 'docs/dvc.yaml:page')
    """
    place = posixpath.normpath(posixpath.join(folder, file(told)))
    return local(told) if place == FILE else f"{place}:{local(told)}"


def seen(path: str, wdir: str) -> str:
    """Return a path that a stage writes as seen from its folder, seen from the project's root; an address stays one.

    Example:
        >>> seen("../data/a", "sub"), seen("data/a", "."), seen("s3://bucket/a", "sub")
        ('data/a', 'data/a', 's3://bucket/a')
    """
    return path if wdir == "." or "://" in path else posixpath.normpath(posixpath.join(wdir, path))


def file_name(address: str) -> str:
    """Return an address as the name of one file, whatever stage it is: a folder's sign is written ``%2F``.

    One that leaves no room for what is put behind it (a file's name has 255 bytes) ends in digits of its SHA-256.

    Example:
        >>> file_name("finetune@a"), file_name("sub/dvc.yaml:acquire")
        ('finetune@a', 'sub%2Fdvc.yaml:acquire')
        >>> len(file_name("finetune@" + "é" * 300).encode())
        180
    """
    name = address.replace("/", "%2F")
    written = name.encode("utf-8", "surrogatepass")
    if len(written) <= MAX_FILE_NAME:
        return name
    digits = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{written[: MAX_FILE_NAME - 17].decode(errors='ignore')}-{digits}"


def _from_dvc(graph: Any, root: str) -> Graph:
    """Order DVC's stages; in its graph an edge runs from a stage to what it depends on."""
    import networkx as nx  # type: ignore[import-untyped]  # noqa: PLC0415 - comes with dvc, loads with it

    steps = [stage for stage in nx.lexicographical_topological_sort(graph.reverse(), key=address) if stage.cmd]
    return Graph({address(stage): _node(stage, graph, root) for stage in steps})


def _node(stage: Any, graph: Any, root: str) -> Node:
    plain = [dep for dep in stage.deps if not hasattr(dep, "params")]
    wdir = os.path.relpath(stage.wdir, root).replace(os.sep, "/")
    return Node(
        name=address(stage),
        commands=tuple(stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()),
        deps=tuple(seen(dep.def_path, wdir) for dep in plain),
        params={seen(dep.def_path, wdir): tuple(dep.params) for dep in stage.deps if hasattr(dep, "params")},
        outs=tuple(seen(out.def_path, wdir) for out in stage.outs),
        metrics=tuple(seen(out.def_path, wdir) for out in stage.outs if out.metric),
        upstream=frozenset(address(up) for up in graph.successors(stage) if up.cmd),
        frozen=bool(stage.frozen),
        wdir=wdir,
        always=bool(stage.always_changed or stage.is_callback),
    )
