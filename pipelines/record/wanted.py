"""Which stages an execution was asked for: dvc's own parser reads the command that was noted."""

import contextlib
import io
import json
import logging
import posixpath
import shlex
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.graph import FILE, Graph, local
from pipelines.graph import file as file_of

FAILED = (4, 5)  # dvc.repo.experiments.executor.base.TaskStatus: failed, canceled


def stages(graph: Graph, about: Mapping[str, Any], command: str) -> frozenset[str] | None:
    """Return the DVC addresses of the stages that were asked for.

    Args:
        graph: the execution's graph.
        about: what was noted when the execution began; ``called_from`` is the folder from which dvc saw its targets, which
            records of before do not name.
        command: dvc's command line, empty when another program started the stages.

    Returns:
        None where it cannot be known: a queued experiment keeps its targets for itself.
    """
    if isinstance(about.get("wanted"), list):
        return frozenset(map(str, about["wanted"]))
    if about.get("kind") == "stage":
        return frozenset()
    if not command:
        return None if about.get("kind") == "dvc" else frozenset(graph.select([]).nodes)
    asked = _parsed(command)
    if asked is None or not hasattr(asked, "single_item"):
        return None
    return _selected(graph, asked, Place(str(about.get("workdir") or "/"), str(about.get("called_from") or ".")))


def keeps_going(command: str) -> bool:
    """Tell whether dvc goes on with other stages after one has failed."""
    return getattr(_parsed(command), "on_error", "fail") in ("keep-going", "ignore")


def regardless(graph: Graph, about: Mapping[str, Any], command: str, ran: Iterable[str] = ()) -> frozenset[str]:
    """Return the stages of ours that dvc runs whatever their entry says; that others run is not seen.

    Args:
        graph: the execution's graph.
        about: as for ``stages``.
        command: as for ``stages``.
        ran: the stages that dvc has run, by which ``--force-downstream`` goes on.
    """
    chosen, asked = stages(graph, about, command), _parsed(command) if command else None
    within = [node for node in graph.nodes.values() if not node.frozen and (chosen is None or node.name in chosen)]
    on = bool(getattr(asked, "force_downstream", False)) and not getattr(asked, "single_item", False)
    moved, found = set(ran), set[str]()
    for node in within:  # each after what it reads from
        if node.always or getattr(asked, "force", False) or (on and node.upstream & moved):
            found.add(node.name)
            moved.add(node.name)
    beside = {node.name for node in graph.nodes.values() if node.always and not node.frozen} - {n.name for n in within}
    return frozenset({name for name in found if graph.nodes[name].runs} | beside)


def skipped(graph: Graph, command: str, failed: Iterable[str]) -> set[str]:
    """Return the stages that dvc passes over since others have failed, where it goes on with the rest."""
    if getattr(_parsed(command), "on_error", "fail") != "keep-going":
        return set()
    return set[str]().union(*(graph.downstream(name) for name in failed))


def allows_missing(command: str) -> bool:
    """Tell whether dvc books a stage although it finds no output of it."""
    return bool(getattr(_parsed(command), "allow_missing", False))


def has_failed(command: str, workdir: Path) -> bool:
    """Tell whether dvc itself noted that a queued experiment failed; its file may be gone when it ended well."""
    file = str(getattr(_parsed(command), "infofile", None) or "")
    try:
        return bool(file) and json.loads((workdir / file).read_text(encoding="utf-8")).get("status") in FAILED
    except (OSError, ValueError, AttributeError):
        return False


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let nothing be logged: dvc's parser logs what it does not take, and that is nobody's error here."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@cache
def _parsed(command: str) -> Namespace | None:
    """Return the arguments of a dvc command, None for one that dvc does not take, and where there is none."""
    if not command:
        return None
    from dvc.cli.parser import get_main_parser  # noqa: PLC0415 - takes half a second

    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()), _quiet():
        try:
            found: Namespace = get_main_parser().parse_args(shlex.split(command)[1:])
        except (SystemExit, ValueError, Exception):  # noqa: BLE001 - its own errors; the record does without its answer
            return None
    return found


def _selected(graph: Graph, asked: Namespace, place: "Place") -> frozenset[str] | None:
    if getattr(asked, "all_pipelines", False):
        return frozenset(graph.nodes)
    targets = list(asked.targets or [FILE])
    named = [_named(graph, target, asked, place) for target in targets]
    if not all(named):
        return None
    chosen = set[str]().union(*named)
    if getattr(asked, "pipeline", False):
        return frozenset(chosen.union(*(_pipeline(graph, name) for name in chosen)))
    if asked.single_item:
        return frozenset(chosen)
    if getattr(asked, "downstream", False):
        return frozenset(chosen.union(*(graph.downstream(name) for name in chosen)))
    return frozenset(graph.select(chosen).nodes)


@dataclass(frozen=True)
class Place:
    """Where dvc was called.

    Attributes:
        workdir: the project's folder, absolute.
        folder: the folder from which targets are seen, relative to it.
    """

    workdir: str
    folder: str

    def seen(self, path: str) -> str:
        """Return a target's path as seen from the project's folder.

        Example:
            >>> [Place("/p", "docs").seen(path) for path in ("../dvc.yaml", "x", "/p/data/x", "..")]
            ['dvc.yaml', 'docs/x', 'data/x', '.']
        """
        return posixpath.relpath(posixpath.join(self.workdir, self.folder, path), self.workdir)


def _named(graph: Graph, target: str, asked: Namespace, place: Place) -> set[str]:
    """Return the stages that a target of dvc names: a folder, a file of stages, a stage or group of one, an output."""
    if getattr(asked, "recursive", False) and (inside := _inside(graph, place.seen(target))):
        return inside
    if target.rpartition("/")[2] == FILE:
        return {name for name in graph.nodes if file_of(name) == place.seen(target)}
    file, found, word = target.rpartition(f"{FILE}:")
    file, word = place.seen(f"{file}{FILE}"), word if found else target
    globbed = bool(getattr(asked, "glob", False))
    fits = {
        name
        for name, node in graph.nodes.items()
        if file_of(name) == file and (word in (local(name), node.verb) or (globbed and fnmatch(local(name), word)))
    }
    return fits or {node.name for node in graph.nodes.values() if _is_output(place.seen(target), node.outs)}


def _inside(graph: Graph, folder: str) -> set[str]:
    """Return the stages whose files lie in a folder or below it."""
    return {name for name in graph.nodes if folder == "." or file_of(name).startswith(f"{folder}/")}


def _pipeline(graph: Graph, name: str) -> set[str]:
    """Return every stage that hangs together with one, by whatever way."""
    found, left = set[str](), {name}
    while left:
        found |= left
        beside = {other for other, node in graph.nodes.items() if node.upstream & left}
        left = beside.union(*(graph.nodes[one].upstream for one in left)) - found
    return found


def _is_output(word: str, outs: Iterable[str]) -> bool:
    return word in {posixpath.normpath(out) for out in outs}
