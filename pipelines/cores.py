"""How many cores a stage takes, so that the flow does not start two that would wait for each other.

A training's threads meet after every layer. Where two trainings share the cores, one thread of each is always the one that
does not run: measured on two cores, two trainings of two threads each made 0.45 steps a second together, one after the other
3.9.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.graph import Node
from stages.core import params as parameters

MODELS = {"stages/core/compute.py", "stages/core/checkpoint.py"}
"""What a stage depends on that trains a model or lets one answer: torch then takes every core."""


def total() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def taken(node: Node, cores: int) -> int:
    """Return the cores that a stage takes, 1 to ``cores``.

    Args:
        node: the stage.
        cores: how many there are.
    """
    stated = max(_threads(node), default=0)
    if stated:
        return min(stated, cores)
    return cores if MODELS & set(node.deps) else 1


def _threads(node: Node) -> Iterator[int]:
    """Yield ``compute.threads`` of the sections that a stage reads; 0 means as many as there are."""
    for file, keys in node.params.items():
        values = parameters.read(Path(file))
        for key in keys:
            section: Any = values
            for part in key.split("."):
                section = section.get(part, {}) if isinstance(section, Mapping) else {}
            compute = section.get("compute") if isinstance(section, Mapping) else None
            if isinstance(compute, Mapping) and isinstance(compute.get("threads"), int):
                yield compute["threads"]
