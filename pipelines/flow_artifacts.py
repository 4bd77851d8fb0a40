"""What the flow leaves on Prefect's pages for a reader: figures, verdicts, links."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State

from pipelines import settings
from pipelines.graph import Graph, Node
from pipelines.record import execution
from pipelines.redaction import link
from stages.core import files
from stages.core.errors import DataError
from stages.core.figures import is_figure
from stages.core.text import markdown
from stages.judge import degenerate


def publish(root: Path, graph: Graph, states: Mapping[str, State[Any]], execution_id: str | None) -> None:
    """Leave a table of figures per evaluated task, the audit's verdict, and links to reports and to MLflow.

    Args:
        root: the project.
        graph: the stages of this flow run.
        states: how each fared; only what it made or found cached is shown, the folder may hold an earlier run's.
        execution_id: of the record, for the link to its MLflow run.
    """
    for node in (node for node in graph.nodes.values() if node.name in states and states[node.name].is_completed()):
        content = metrics(root, node)
        if node.verb == "evaluate" and (rows := list(figures(content))):
            told = "".join(f"\n\nDegenerate: {markdown(line)}" for line in degenerate.lines(content))
            create_table_artifact(
                table=rows, key=_key("metrics", node), description=f"Figures of {node.task} on the test split{told}"
            )
        if node.verb == "audit" and content:
            create_markdown_artifact(verdict(node, content), key=_key("audit", node), description=f"Audit of {node.task}")
        for report in reports(root, node):
            create_link_artifact(
                report.as_uri(), link_text=report.name, key=_key("report", node), description=str(node.name)
            )
    if execution_id:
        _link_record(execution_id)


def metrics(root: Path, node: Node) -> dict[str, Any]:
    """Return what a stage's metrics files hold; nothing where they are missing or broken."""
    found: dict[str, Any] = {}
    for path in node.metrics:
        try:
            content = files.read_json(root / path)
        except DataError:
            continue
        found |= content if isinstance(content, dict) else {}
    return found


def figures(content: Mapping[str, Any], at: str = "") -> Iterator[dict[str, Any]]:
    """Yield every figure with its interval and count, wherever it stands; its name as markdown, as Prefect shows a cell.

    Example:
        >>> list(figures({"best": {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 60}}}))
        [{'figure': 'best/accuracy', 'value': 0.9, 'low': 0.8, 'high': 0.95, 'n': 60}]
    """
    for name, value in content.items():
        where = f"{at}/{name}" if at else name
        if is_figure(value):
            yield {
                "figure": markdown(where),
                **{
                    key: value.get(key)
                    for key in ("value", "low", "high", "n", "pictures", "units", "covers")
                    if key in value or key not in {"pictures", "units", "covers"}
                },
            }
        elif isinstance(value, dict):
            yield from figures(value, where)


def verdict(node: Node, content: Mapping[str, Any]) -> str:
    """Return the audit's verdict and its figures as markdown."""
    head = f"# {markdown(node.task)}: {markdown(content.get('verdict', 'no verdict'))}"
    plain = [
        f"* {markdown(key)}: {markdown(value)}"
        for key, value in content.items()
        if isinstance(value, str | int | float) and key != "verdict"
    ]
    table = ["| figure | value | low | high | n |", "|---|---|---|---|---|"]
    rows = [
        f"| {r['figure']} | {_number(r['value'])} | {_number(r['low'])} | {_number(r['high'])} | {_number(r['n'])} |"
        for r in figures(content)
    ]
    return "\n".join([head, "", *plain, "", *(table + rows if rows else [])])


def reports(root: Path, node: Node) -> list[Path]:
    """Return the pages that a stage wrote, absolute."""
    folders = [root / out for out in node.outs if (root / out).is_dir()]
    return sorted(page.resolve() for folder in folders for page in folder.glob("*.html"))


def _link_record(execution_id: str) -> None:
    content = execution.archive(execution_id)
    run_id = files.read_json(content)["run_id"] if content.exists() else None
    uri = link(settings.tracking_uri())
    if run_id and uri.startswith("http"):
        create_link_artifact(f"{uri.rstrip('/')}/#/runs/{run_id}", link_text="MLflow run", key="mlflow")
    elif run_id:
        create_markdown_artifact(f"MLflow run `{run_id}`; `make ui` shows it.", key="mlflow", description="MLflow's record")


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else markdown(value)


def _key(kind: str, node: Node) -> str:
    """Return an artifact's key: lower case, digits and dashes."""
    return "".join(c if c.isalnum() else "-" for c in f"{kind}-{node.task or node.name}".lower())
