"""Reads what the evaluation and the audit found about a task's model."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.register.gate import Evidence, Figure
from stages.core import artefacts, dataset, files
from stages.core.errors import DataError, ParamsError, nearest

VERDICTS = ("PASS", "FAIL", "UNDECIDED")
TRUTH = ("bbox", "category_id", "iscrowd", "segmentation")
PARTS = {"value", "low", "high", "n"}


def collect(task: str, metric: str) -> Evidence:
    """Read the evidence of a task.

    Args:
        task: the task.
        metric: name of the headline figure that the gate judges.

    Raises:
        DataError: a file is missing or broken, or the audit gives no verdict.
        ParamsError: the evaluation has no figure ``metric``.
    """
    where = artefacts.evaluate_metrics(task)
    evaluation = files.read_json(where)
    figures = headlines(evaluation)
    if metric not in figures:
        hint = f"{where} has no such figure; {nearest(metric, figures)} (params.yaml: register.{task}.metric)"
        raise ParamsError(f"register.{task}.metric is '{metric}'; {hint}")
    return Evidence(
        metric=metric,
        figure=figures[metric],
        verdict=verdict(task),
        test_data=test_data(),
        classes=classes(evaluation),
        outcomes=outcomes(task, metric),
        figures=figures,
    )


def headlines(evaluation: Mapping[str, Any]) -> dict[str, Figure]:
    """Return every figure with an interval that stands at the top of the metrics."""
    return {name: _figure(raw) for name, raw in sorted(evaluation.items()) if _is_figure(raw)}


def verdict(task: str) -> str:
    """Return the audit's verdict.

    Raises:
        DataError: there is none.
    """
    found = files.read_json(artefacts.audit_metrics(task)).get("verdict")
    if found not in VERDICTS:
        raise DataError(f"{artefacts.audit_metrics(task)}: verdict is {found!r}; expected one of {', '.join(VERDICTS)}")
    return str(found)


def digest(*paths: Path, text: str = "") -> str:
    """Return the SHA-256 of files (folders: every file below, by name) and a text."""
    total = hashlib.sha256(text.encode())
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in inside:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            total.update(f"{path.name}/{file.relative_to(path).as_posix()}={content}\n".encode())
    return total.hexdigest()


def canonical(content: Any) -> str:
    """Return JSON text that is the same for the same content."""
    return json.dumps(files.tidy(content), sort_keys=True)


def _is_figure(raw: Any) -> bool:
    return isinstance(raw, Mapping) and "value" in raw and set(raw) <= PARTS


def _figure(raw: Any) -> Figure:
    return Figure(**raw) if isinstance(raw, Mapping) else Figure(raw)


def classes(evaluation: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the figure of each class, where the evaluation has one."""
    return {name: _figure(raw) for name, raw in sorted(evaluation.get("classes", {}).items())}


def test_data() -> str:
    """Return the digest of the test split: every picture as it is judged, and its truth."""
    data = dataset.read(artefacts.PREPROCESSED).subset("test")
    marks = data.annotations()
    rows = []
    for row in data.manifest.to_dict("records"):
        found = [data.root / row[key] for key in ("path", "mask") if isinstance(row[key], str)]
        truth = [{k: mark.get(k) for k in TRUTH} for mark in marks[row["image_id"]]]
        label = row["label"] if isinstance(row["label"], str) else None
        rows.append([row["image_id"], [hashlib.sha256(f.read_bytes()).hexdigest() for f in found], label, truth])
    return hashlib.sha256(canonical(rows).encode()).hexdigest()


def outcomes(task: str, metric: str) -> dict[str, float]:
    """Return the outcome of each test picture, where ``metric`` is their mean; else nothing."""
    file = artefacts.evaluated(task) / "outcomes.json"
    if not file.exists():
        return {}
    return {str(k): float(v) for k, v in files.read_json(file).get(metric, {}).items()}
