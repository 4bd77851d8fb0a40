"""The model card and the tags of a version: what it is, what it was made from, how good it is, what to mind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.register.gate import Decision, Evidence, Figure
from pipelines.register.lineage import UNKNOWN, Lineage


@dataclass(frozen=True)
class Facts:
    """Everything the card and the tags are written from.

    Attributes:
        task: the task.
        name: registered name.
        evidence: figures and verdict.
        decision: the gate's answer.
        origin: commit, data, parameters.
        model: content of ``model.json``.
        audit: content of the audit's metrics.
        params: the gate's rules.
    """

    task: str
    name: str
    evidence: Evidence
    decision: Decision
    origin: Lineage
    model: Mapping[str, Any]
    audit: Mapping[str, Any]
    params: Mapping[str, Any]


def tags(facts: Facts, runs: Mapping[str, str]) -> dict[str, str]:
    """Return the version's tags: commit, data, verdict, figures with intervals, the gate's reasons, source runs."""
    origin = facts.origin
    found = {
        "commit": origin.commit,
        "commit_dirty": str(origin.dirty).lower(),
        "dvc_lock": origin.lock,
        "task": facts.task,
        "verdict": facts.evidence.verdict,
        "test_data": facts.evidence.test_data,
        "gate": "champion" if facts.decision.champion else "challenger",
    }
    found |= {f"data.{path}": value for path, value in origin.data.items()}
    found |= {f"metric.{name}": str(figure) for name, figure in facts.evidence.figures.items()}
    found |= {f"gate.{check}": reason for check, reason in facts.decision.lines().items()}
    return found | {f"run.{stage}": run for stage, run in runs.items()}


def render(facts: Facts) -> str:
    """Return the card as markdown."""
    parts = [_head(facts), _figures(facts), _audit(facts), _data(facts), _use(facts)]
    return "\n\n".join(parts) + "\n"


def _head(facts: Facts) -> str:
    return f"# {facts.name}\n"


def _figures(facts: Facts) -> str:
    return ""


def _audit(facts: Facts) -> str:
    return ""


def _data(facts: Facts) -> str:
    return ""


def _use(facts: Facts) -> str:
    return ""
