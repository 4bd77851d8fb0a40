"""Holds ``dvc.yaml`` and ``params.yaml`` against the code: DVC follows no imports, and a missing dependency goes unseen."""

from pathlib import Path

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
    found = [finding for entry in entries for finding in stages.compare(entry, source)]
    found += values.files(root, entries)
    raw = params.read(root / "params.yaml")
    found += [finding for entry in entries for finding in values.compare(entry, raw, source)]
    return [*dict.fromkeys([*found, *_resolved(root)])]


def _resolved(root: Path) -> list[Finding]:
    """Return code files that DVC resolved from its templates and that do not exist."""
    try:
        nodes = graph.read(root).nodes.values()
    except RawlineError as error:
        return [Finding("dvc.yaml", "graph", str(error))]
    gone = {
        n.name: [d for d in n.deps if d.startswith(("stages/", "pipelines/")) and not (root / d).exists()] for n in nodes
    }
    return [Finding(name, "deps", "no such file", remove=tuple(paths)) for name, paths in gone.items() if paths]
