"""The model card and the tags of a version: what it is, what it was made from, how good it is, what to mind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.record.names import allowed
from pipelines.register.judgement import Decision, Evidence, Figure
from pipelines.register.lineage import UNKNOWN, Lineage
from stages.core import artefacts
from stages.core.pixels import of
from stages.core.text import markdown, verbatim
from stages.judge import degenerate, meaning

WHAT = {
    "classify": "Names what a picture shows.",
    "detect": "Finds objects and draws a box around each.",
    "segment": "Gives every pixel its class.",
    "instance": "Finds objects, each with its box and mask.",
}
RULES = "rules_changed"  # the tag
INTERVAL = "95 % interval"
MAX_OPEN = 1000  # letters of a tag
MAX_CLASSES = 20  # on the card; the evaluation's files and its run in MLflow have all
STATES = {
    "false": "",
    "true": " **with uncommitted changes**",
    UNKNOWN: ", **code state unknown**: whether it was changed since then is not on record",
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
        units: what made units of several pictures; empty where each is its own.
        groups: the worst rows of the audit's table.
        class_figure: name of the classes' figure.
        rules: the parameters of evaluate, audit and register that are not the commit's, or that this is unknown.
        experiment: DVC's name of the experiment that registered it; empty outside of one.
        notes: what a reader of the figures must know, one line each.
        torn: units or copies of test pictures are learnt from.
        version: its number in the registry; empty before it has one, as in the package.
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
    units: str = ""
    groups: Sequence[Mapping[str, Any]] = ()
    class_figure: str = "value"
    rules: Sequence[str] = ()
    experiment: str = ""
    notes: Sequence[str] = ()
    torn: bool = False
    version: str = ""


def tags(facts: Facts, runs: Mapping[str, str]) -> dict[str, str]:
    """Return the version's tags: commit, data, verdict, figures with intervals, the gate's reasons, source runs."""
    origin = facts.origin
    found = {
        "commit": origin.commit,
        "commit_dirty": origin.dirty,
        "dvc_lock": origin.lock,
        "task": facts.task,
        "verdict": facts.evidence.verdict,
        degenerate.KEY: facts.evidence.kinds,
        "not_audited": _not_audited(facts.evidence),
        "test_data": facts.evidence.test_data,
        "gate": "champion" if facts.decision.champion else "challenger",
    }
    found |= {"dvc_experiment": facts.experiment} if facts.experiment else {}
    found |= {RULES: "; ".join(facts.rules)} if facts.rules else {}
    found |= {allowed(f"data.{path}"): value for path, value in origin.data.items()}
    found |= {f"metric.{name}": str(figure) for name, figure in facts.evidence.figures.items()}
    found |= {f"gate.{check}": reason for check, reason in facts.decision.lines().items()}
    return found | {f"run.{stage}": run for stage, run in runs.items()}


def _not_audited(found: Evidence) -> str:
    """Return what the audit left open in one line, its beginning where it is too long for a tag."""
    text = "; ".join(found.left_open) or "nothing"
    return text if len(text) <= MAX_OPEN else text[: MAX_OPEN - 3] + "..."


def render(facts: Facts) -> str:
    """Return the card as markdown; the numbers stand first, since MLflow's description is cut at 5,000 characters.

    Names and sentences from data and parameters are shown and make nothing of the page (``stages.core.text``).
    The first line alone stands in MLflow's list of versions: verdict, headline figure, gate.
    """
    parts = (_head, _figures, _gate, _audit, _about, _data, _use, _load)
    return "\n\n".join(part(facts) for part in parts) + "\n"


def _head(facts: Facts) -> str:
    gate = "champion" if facts.decision.champion else "challenger only"
    found = facts.evidence
    nothing = "" if found.degenerate == {} else "degenerate evaluation, " if found.degenerate else "unchecked evaluation, "
    nothing += f"degenerate by other figures: {markdown(found.others)}, " if found.others else ""
    return (
        f"{nothing}{found.verdict}, {markdown(found.metric)} {found.figure}, {gate}\n\n"
        f"# {markdown(facts.name)}\n\n{WHAT.get(facts.task, markdown(facts.task))} "
        f"Audit: **{found.verdict}**. Gate: **{gate}**. "
        f"{_code(facts)}."
    )


def _about(facts: Facts) -> str:
    model = facts.model
    backbone, head, tuning = (markdown(model.get(key, {}).get("name", UNKNOWN)) for key in ("backbone", "head", "tuning"))
    classes = model["classes"]
    more = f" and {len(classes) - MAX_CLASSES} more" if len(classes) > MAX_CLASSES else ""
    return (
        f"## Model\n\nTrained on `{verbatim(model.get('name'))}`: {backbone} backbone pretrained without labels, "
        f"{head} head, {tuning} tuning, {_size(model)}.\n\n"
        f"**{len(classes)} classes:** {', '.join(map(markdown, classes[:MAX_CLASSES]))}{more}.{_unlearnt(model)}"
    )


def _unlearnt(model: Mapping[str, Any]) -> str:
    """Name the classes that the training showed no example of; the test split may hold some."""
    found = model.get("no_example", [])
    more = f" and {len(found) - MAX_CLASSES} more" if len(found) > MAX_CLASSES else ""
    shown = f"{', '.join(map(markdown, found[:MAX_CLASSES]))}{more}"
    return f"\n\n**No training example** of {shown}: the model cannot have learnt it." if found else ""


def _size(model: Mapping[str, Any]) -> str:
    sides = model.get("size_px")
    kind = of(model.get("pixels")).output
    return f"{kind} pictures of {sides[1]} x {sides[0]} px" if sides else f"{kind} pictures of unknown size"


def _figures(facts: Facts) -> str:
    found = facts.evidence
    head: tuple[str, ...] = ("figure", "value", INTERVAL, "n")
    rows = [_row(name, figure) for name, figure in found.figures.items()]
    if degenerate.concerned(found.degenerate_by) != degenerate.SOUND:
        head = (*head, degenerate.KEY)
        rows = [(*row, degenerate.words(degenerate.of(found.degenerate_by, row[0]))) for row in rows]
    block = _block(head, rows)
    covers = [f"{name}: {one.covers}." for name, one in found.figures.items() if one.covers]
    notes = "".join(f"\n\n{markdown(note)}" for note in (*covers, *facts.notes))
    unseen = "" if facts.torn else ", which no training has seen"
    return f"## Figures on the test split{unseen}\n\n{_nothing(facts)}{block}{notes}{_classes(facts)}"


def _nothing(facts: Facts) -> str:
    """Say before the figures why they say nothing, where they do not: the one that the gate judges first, then others."""
    found, metric = facts.evidence, markdown(facts.evidence.metric)
    own, others = (degenerate.lines(found.degenerate_by, (found.metric,), others=beside) for beside in (False, True))
    heads = {
        f"The evaluation is degenerate: by {metric} it says nothing.": own,
        f"By other figures than {metric} the evaluation says nothing.": others,
    }
    told = {head: "\n".join(f"- {markdown(line)}" for line in lines) for head, lines in heads.items() if lines}
    return "".join(f"**{head}**\n\n{lines}\n\n" for head, lines in told.items())


def _classes(facts: Facts) -> str:
    """Return the classes' figures; of many the lowest, the undefined among them."""
    found = list(facts.evidence.classes.items())
    if not found:
        return ""
    if len(found) > MAX_CLASSES:
        found = sorted(found, key=lambda pair: (pair[1].value is not None, pair[1].value or 0.0, pair[0]))[:MAX_CLASSES]
    block = _block(("class", facts.class_figure, INTERVAL, "n"), [_row(name, figure) for name, figure in found])
    rest = len(facts.evidence.classes) - len(found)
    more = f"\n\n{rest} more classes, none lower: `{artefacts.evaluate_metrics(facts.task)}`." if rest else ""
    return f"\n\n{block}{more}"


def _row(name: str, figure: Figure) -> tuple[str, ...]:
    interval = "" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}"
    return (
        name,
        "undefined" if figure.value is None else f"{figure.value:.3f}",
        interval,
        figure.count,
    )


def _gate(facts: Facts) -> str:
    head = "passed" if facts.decision.champion else "not passed: challenger only"
    lines = [f"- {markdown(name)}: {markdown(line)}" for name, line in facts.decision.lines().items()]
    if facts.rules:
        sure = not facts.rules[0].startswith(UNKNOWN)
        told = "not the rules of the commit" if sure else "whether these are the rules of the commit"
        lines.append(f"- **{told}**: {markdown('; '.join(facts.rules))}")
    if facts.experiment:
        lines.append(f"- registered by DVC's experiment {markdown(facts.experiment)}")
    return f"## Gate to champion: {head}\n\n" + "\n".join(lines)


def _audit(facts: Facts) -> str:
    lines = [f"## Audit: {facts.evidence.verdict}"]
    if limits := facts.audit.get("settings"):
        lines.append(_limits(limits, "units" if facts.units else "pictures"))
    reasons = facts.audit.get("reasons") or []
    if reasons:
        lines.append("\n".join(f"- {markdown(reason)}" for reason in reasons))
    if facts.evidence.left_open:
        left = "\n".join(f"- {markdown(line)}" for line in facts.evidence.left_open)
        allowed = " (allow_undecided lets it pass)" if facts.params.get("allow_undecided") else ""
        undecided = facts.evidence.verdict == "UNDECIDED"
        lines.append(f"**Not audited, or not decided{allowed if undecided else ''}:**\n\n{left}")
    if facts.groups:
        lines.append(_block(tuple(facts.groups[0]), [tuple(row.values()) for row in facts.groups]))
    return "\n\n".join(lines)


def _limits(limits: Mapping[str, Any], drawn: str) -> str:
    """Say what the audit allowed: a verdict is one on these limits.

    Args:
        limits: the audit's parameters.
        drawn: what a group is counted in, pictures or units.
    """
    left_out = ", ".join(limits["leave_out"])
    return (
        f"Allowed: gaps of {100 * limits['max_gap']:g} points out of 100 between groups, no group below"
        f" {100 * limits['min_worst_group']:g}; groups of {limits['min_group']} or more {drawn} that hold what a figure is"
        " read from are compared;"
        f" chance of a false FAIL {limits['alpha']:g} at most"
        + (f"; columns left out: {markdown(left_out)}" if left_out else "")
        + "."
    )


def _data(facts: Facts) -> str:
    splits = ", ".join(f"{number} {split}" for split, number in facts.counts.items())
    hashes = [f"- `{verbatim(path)}`: {markdown(value)}" for path, value in facts.origin.trained_on.items()]
    rows = [
        f"- Pictures: {splits}; test data {facts.evidence.test_data[:16]}",
        *([f"- Units of pictures, made by {markdown(facts.units)}: one unit is one draw"] if facts.units else []),
        f"- {_code(facts)}",
    ]
    lines = [
        *rows,
        f"- dvc.lock entries: {facts.origin.lock[:16]}",
        *hashes,
        f"- Augmentation: {markdown(policy(facts.model.get('policy')))}",
    ]
    return "## Training data\n\n" + "\n".join(lines)


def _code(facts: Facts) -> str:
    """Say which code made the model; what nobody knows must not read as clean."""
    origin = facts.origin
    commit = "Code: commit unknown" if origin.commit == UNKNOWN else f"Code: commit {origin.commit[:12]}"
    return commit + STATES.get(origin.dirty, STATES[UNKNOWN])


def policy(content: Any) -> str:
    """Name the transforms of the augmentation policy that the model saw, in one line.

    Those of the copies only where copies were made, and none that is never drawn (``p`` 0).

    Example:
        >>> flip = {"transform": {"transforms": [{"__class_fullname__": "HorizontalFlip", "p": 0.5}]}}
        >>> policy({"online": flip})
        'HorizontalFlip'
        >>> policy({"copies": 0, "balance": "none", "offline": flip})
        'none'
    """
    if not isinstance(content, Mapping):
        return "none"
    copied = content.get("num_copies", content.get("copies", 1) or content.get("balance", "none") != "none")
    names = _transforms([part for name, part in content.items() if name != "offline" or copied])
    return ", ".join(dict.fromkeys(names)) or "none"


def _transforms(node: Any) -> Iterator[str]:
    """Yield the names of the transforms in a part of a policy that can be drawn."""
    if isinstance(node, Mapping):
        if node.get("p") == 0:
            return
        name = node.get("__class_fullname__") or node.get("name")
        if isinstance(name, str) and name.split(".")[-1] not in ("Compose", "OneOf", "SomeOf", "Sequential"):
            yield name.split(".")[-1]
        yield from (found for value in node.values() for found in _transforms(value))
    elif isinstance(node, list):
        yield from (found for value in node for found in _transforms(value))


def _use(facts: Facts) -> str:
    return (
        "## Intended use and limits\n\n"
        f"- For pictures like those of `{verbatim(facts.model.get('name'))}`; {_takes(facts.model)}.\n"
        '- It knows no other classes and does not say "none of these"; scores are not calibrated probabilities.\n'
        "- The figures hold for the test split and its groups; other cameras, light and places need another evaluation.\n"
        f"- What the audit's verdict says. {meaning.VERDICTS}\n"
        "- Not for decisions about people."
    )


def _takes(model: Mapping[str, Any]) -> str:
    """Say which files the model takes."""
    simulates = ((model.get("recipe") or {}).get("preprocess") or {}).get("simulate_raw")
    if of(model.get("pixels")).output == "packed_raw" and not simulates:
        return "it takes camera files alone, which it prepares itself, and refuses others: it was trained on mosaics"
    return "the model prepares them itself, camera files too"


def _load(facts: Facts) -> str:
    uri = f"models:/{verbatim(facts.name)}/{facts.version or 'VERSION'}"
    where = "" if facts.version else "VERSION: its number in the registry.\n\n"
    return (
        f"## How to load\n\n{where}```python\nfrom pathlib import Path\n\nimport mlflow\n\n"
        f'model = mlflow.pyfunc.load_model("{uri}")  # brings its code; requirements.txt pins its packages\n'
        f'model.predict(Path("picture.jpg"))  # or bytes, an array, base64, a list of them; camera files too\n```\n\n'
        f"or `rawline predict {uri} picture.jpg --draw drawn`."
    )


def _block(head: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> str:
    """Return rows as aligned columns in a code block: MLflow's page draws the cells of a markdown table without any gap.

    Intervals have a column where there is one.
    """
    if INTERVAL in head and not any(row[head.index(INTERVAL)] for row in rows):
        at = head.index(INTERVAL)
        head, rows = head[:at] + head[at + 1 :], [row[:at] + row[at + 1 :] for row in rows]
    lines = [tuple(map(verbatim, line)) for line in (head, *rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    text = ("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "```text\n" + "\n".join(text) + "\n```"
