"""Holds ``dvc.yaml`` and ``params.yaml`` against the code: DVC follows no imports, and a missing dependency goes unseen."""

from pathlib import Path
from typing import Any

from pipelines import graph
from pipelines.agreement import stages, values
from pipelines.agreement.source import Source
from pipelines.agreement.stages import Finding
from stages.core import params
from stages.core.errors import RawlineError


def check(root: Path) -> list[Finding]:
    """Return every disagreement of ``dvc.yaml``, ``params.yaml`` and ``params/*.yaml`` with the code.

    Args:
        root: the project's root.

    Raises:
        ParamsError: a file is missing or is not YAML.
    """
    source = Source(root, stages.ROOTS)
    entries = stages.entries(root)
    found = [*stages.commands(root), *(finding for entry in entries for finding in stages.compare(entry, source))]
    found += values.files(root, entries)
    raw = params.read(root / "params.yaml")
    found += [finding for entry in entries for finding in values.compare(entry, raw, source)]
    return [*dict.fromkeys([*found, *_resolved(root, entries, raw)])]


def _resolved(root: Path, entries: list[stages.Entry], raw: dict[str, Any]) -> list[Finding]:
    """Return code files that DVC resolved from its templates and that do not exist, or are not the chosen parts'."""
    try:
        nodes = graph.read(root).nodes
    except RawlineError as error:
        return [Finding("dvc.yaml", "graph", str(error))]
    code = ("stages/", "pipelines/")
    gone = {n: [d for d in node.deps if d.startswith(code) and not (root / d).exists()] for n, node in nodes.items()}
    found = [Finding(name, "deps", "no such file", remove=tuple(paths)) for name, paths in gone.items() if paths]
    return [*found, *(finding for entry in entries for finding in values.chosen(entry, raw, nodes))]
