"""Says in one line that another dvc keeps a run from its files: DVC's own words name a lock file to delete."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

from pipelines.graph import Graph
from pipelines.record import dvc_command
from stages.core.text import escaped

NOTES = Path(".dvc/tmp/rwlock")  # which process reads or writes what, as DVC notes it
FAULT = 255  # how DVC ends where no command failed but DVC itself


@dataclass(frozen=True)
class Holder:
    """A living process that uses a path.

    Attributes:
        pid: its number.
        command: its command line, as DVC notes it.
        path: what it uses, seen from the project's root where it lies there.
        writes: whether it writes it.
        is_dvc: whether it is a dvc; a note of one that was killed may name a number that another process has by now.
    """

    pid: int
    command: str
    path: str
    writes: bool
    is_dvc: bool


def blocked(graph: Graph, root: Path) -> str:
    """Say which dvc keeps stages from what they read or write, and what to do; empty where none does.

    Args:
        graph: the stages that were asked for.
        root: the DVC project.
    """
    read = {dep for node in graph.nodes.values() for dep in node.deps}
    written = {out for node in graph.nodes.values() for out in node.outs}
    known = list(holders(root))
    meant = [one for one in known if any(_overlap(path, one.path) for path in (read | written if one.writes else written))]
    at_work = [one for one in (*meant, *known) if one.is_dvc]  # who is in the way first
    if not meant:
        return ""
    if at_work:
        one = at_work[0]
        who = f"process {one.pid} ({escaped(one.command)})"
        return f"{who} is at work on {escaped(one.path)} in this project; wait until it ends, then: rawline repro"
    noted = f"{NOTES} says that process {meant[0].pid} uses {escaped(meant[0].path)}, but that is no dvc"
    return f"{noted}: the one that was is gone; mv --backup=numbered -T {NOTES} {NOTES}.old, then: rawline repro"


def holders(root: Path) -> Iterator[Holder]:
    """Yield the living processes that use something by DVC's notes; nothing where those are missing or broken."""
    with suppress(OSError, ValueError, AttributeError, TypeError, KeyError):
        noted = json.loads((root / NOTES).read_text(encoding="utf-8"))
        for kind, writes in (("write", True), ("read", False)):
            for path, found in noted.get(kind, {}).items():
                for one in found if isinstance(found, list) else [found]:
                    if one and psutil.pid_exists(int(one["pid"])):
                        seen = os.path.relpath(path, root.resolve()).replace(os.sep, "/")
                        pid = int(one["pid"])
                        yield Holder(pid, str(one["cmd"]), seen, writes, _is_dvc(pid))


def _is_dvc(pid: int) -> bool:
    """Tell whether a process is a dvc by its own command line; one that may not be looked at counts as such."""
    try:
        return dvc_command.arguments(psutil.Process(pid).cmdline()) is not None
    except psutil.Error:
        return True


def _overlap(one: str, other: str) -> bool:
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
