"""What the flow leaves in Prefect for a reader."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.graph import Graph


def publish(root: Path, graph: Graph, states: Mapping[str, Any]) -> None:
    """Leave artifacts."""
