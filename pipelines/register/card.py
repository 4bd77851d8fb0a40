"""The model card and the tags of a version: what it is, what it was made from, how good it is, what to mind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.register.gate import Decision, Evidence, Figure
from pipelines.register.lineage import UNKNOWN, Lineage
from stages.core.pixels import of

WHAT = {
    "classify": "Names what a picture shows.",
    "detect": "Finds objects and draws a box around each.",
    "segment": "Gives every pixel its class.",
    "instance": "Finds objects, each with its box and mask.",
}


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
        counts: pictures by split.
        groups: the worst rows of the audit's table.
    """

    task: str
    name: str
    evidence: Evidence
    decision: Decision
    origin: Lineage
    model: Mapping[str, Any]
    audit: Mapping[str, Any]
    params: Mapping[str, Any]
    counts: Mapping[str, int] = field(default_factory=dict)
    groups: Sequence[Mapping[str, Any]] = ()


def tags(facts: Facts, runs: Mapping[str, str]) -> dict[str, str]:
    """Return the version's tags: commit, data, verdict, figures with intervals, the gate's reasons, source runs."""
    origin = facts.origin
    found = {
        "commit": origin.commit,
        "commit_dirty": origin.dirty,
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
    parts = (_head, _figures, _gate, _audit, _data, _use, _load)
    return "\n\n".join(part(facts) for part in parts) + "\n"


def _head(facts: Facts) -> str:
    model, what = facts.model, WHAT.get(facts.task, facts.task)
    backbone, head, tuning = (model.get(key, {}).get("name", UNKNOWN) for key in ("backbone", "head", "tuning"))
    classes = model["classes"]
    return (
        f"# {facts.name}\n\n{what} Trained on `{model.get('name')}`: {backbone} backbone pretrained without labels, "
        f"{head} head, {tuning} tuning, {_size(model)}.\n\n**{len(classes)} classes:** {', '.join(classes)}."
    )


def _size(model: Mapping[str, Any]) -> str:
    sides = model.get("size_px")
    kind = of(model.get("pixels")).output
    return f"{kind} pictures of {sides[1]} x {sides[0]} px" if sides else f"{kind} pictures of unknown size"


def _figures(facts: Facts) -> str:
    rows = [(name, figure) for name, figure in facts.evidence.figures.items() if figure.value is not None]
    table = _table(("figure", "value", "95 % interval", "n"), [_row(name, figure) for name, figure in rows])
    classes = [_row(name, figure) for name, figure in facts.evidence.classes.items()]
    each = "\n\n" + _table(("class", "value", "95 % interval", "n"), classes) if classes else ""
    return f"## Figures on the test split, which no training has seen\n\n{table}{each}"


def _row(name: str, figure: Figure) -> tuple[str, ...]:
    interval = "" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}"
    return name, "undefined" if figure.value is None else f"{figure.value:.3f}", interval, str(figure.n or "")


def _gate(facts: Facts) -> str:
    head = "passed" if facts.decision.champion else "not passed: challenger only"
    return f"## Gate to champion: {head}\n\n" + "\n".join(
        f"- {name}: {line}" for name, line in facts.decision.lines().items()
    )


def _audit(facts: Facts) -> str:
    lines = [f"## Audit: {facts.evidence.verdict}"]
    reasons = facts.audit.get("reasons") or []
    if reasons:
        lines.append("\n".join(f"- {reason}" for reason in reasons))
    if facts.groups:
        lines.append(_table(tuple(facts.groups[0]), [tuple(row.values()) for row in facts.groups]))
    return "\n\n".join(lines)


def _data(facts: Facts) -> str:
    splits = ", ".join(f"{number} {split}" for split, number in facts.counts.items())
    seen = [
        path
        for path in ("data/acquired", "data/preprocessed", "data/augmented", "data/pretrained")
        if path in facts.origin.data
    ]
    hashes = [f"- `{path}`: {facts.origin.data[path]}" for path in seen]
    rows = [
        f"- Pictures: {splits}; test data {facts.evidence.test_data[:16]}",
        f"- Code: commit {facts.origin.commit[:12]}{_dirty(facts)}",
    ]
    lines = [
        *rows,
        f"- dvc.lock entries: {facts.origin.lock[:16]}",
        *hashes,
        f"- Augmentation: {policy(facts.model.get('policy'))}",
    ]
    return "## Training data\n\n" + "\n".join(lines)


def _dirty(facts: Facts) -> str:
    return " with uncommitted changes" if facts.origin.dirty == "true" else ""


def policy(content: Any) -> str:
    """Name the transforms of the augmentation policy that the model saw, in one line.

    Example:
        >>> policy({"online": {"transform": {"transforms": [{"__class_fullname__": "HorizontalFlip"}]}}})
        'HorizontalFlip'
    """
    names: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, Mapping):
            name = node.get("__class_fullname__") or node.get("name")
            inner = [value for value in node.values() if isinstance(value, (Mapping, list))]
            if isinstance(name, str) and name.split(".")[-1] not in ("Compose", "OneOf", "SomeOf", "Sequential"):
                names.append(name.split(".")[-1])
            for value in inner:
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(content)
    return ", ".join(dict.fromkeys(names)) or "none"


def _use(facts: Facts) -> str:
    return (
        "## Intended use and limits\n\n"
        f"- For pictures like those of `{facts.model.get('name')}`; {_takes(facts.model)}.\n"
        '- It knows no other classes and does not say "none of these"; scores are not calibrated probabilities.\n'
        "- The figures hold for the test split and its groups; other cameras, light and places need another evaluation.\n"
        "- Where the audit says FAIL, the groups above are served unequally; UNDECIDED means too few pictures to tell.\n"
        "- Not for decisions about people."
    )


def _takes(model: Mapping[str, Any]) -> str:
    """Say which files the model takes."""
    simulates = ((model.get("recipe") or {}).get("preprocess") or {}).get("simulate_raw")
    if of(model.get("pixels")).output == "packed_raw" and not simulates:
        return "it takes camera files alone, which it prepares itself, and refuses others: it was trained on mosaics"
    return "the model prepares them itself, camera files too"


def _load(facts: Facts) -> str:
    uri = f"models:/{facts.name}@challenger"
    return (
        "## How to load\n\n```python\nimport mlflow\n\n"
        f'model = mlflow.pyfunc.load_model("{uri}")  # brings its code; requirements.txt pins its packages\n'
        f'model.predict("picture.jpg")  # a path, bytes, an array, or a list of them; camera files too\n```\n\n'
        f"or `rawline predict {uri} picture.jpg --draw drawn`."
    )


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
