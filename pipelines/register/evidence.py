"""Reads what the evaluation and the audit found about a task's model."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.register.gate import Evidence, Figure
from stages.core import artefacts, dataset, files, seeds
from stages.core.errors import DataError, ParamsError, nearest
from stages.maths import statistics
from stages.maths.measures import Measure
from stages.parts import evaluators

VERDICTS = ("PASS", "FAIL", "UNDECIDED")
TRUTH = ("bbox", "category_id", "iscrowd", "segmentation")
PARTS = {"value", "low", "high", "n"}
CLASS_FIGURES = ("f1", "map50", "iou", "map")
NUM_REPLICATES = 2000


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
    test = test_data()
    return Evidence(
        metric=metric,
        figure=figures[metric],
        verdict=verdict(task),
        test_data=test,
        classes=classes(evaluation),
        figures=figures,
        **pairing(task, metric, test),
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
    """Return the figure of each class: its F1, mAP50 or IoU, whichever the evaluation has."""
    found = {}
    for name, raw in sorted(evaluation.get("per_class", {}).items()):
        key = next((k for k in CLASS_FIGURES if k in raw), None)
        if key:
            found[name] = _figure(raw[key]) if isinstance(raw[key], Mapping) else Figure(raw[key], n=raw.get("n"))
    return found


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


def pairing(task: str, metric: str, test: str) -> dict[str, Any]:
    """Return what lets two models be compared on the same test pictures.

    The evaluation's tables give the figure as a function of how much each picture weighs. A proportion of pictures gives the
    ``outcomes`` (0 or 1 by ``image_id``); any other figure its ``replicates`` under bootstrap weights that depend on the
    test data alone, so that the replicates of two models on the same data are paired.

    Args:
        task: the task.
        metric: the figure.
        test: digest of the test data.
    """
    measure, names = _measure(task, metric)
    if measure is None:
        return {}
    if measure.independent:
        alone = measure.values(np.eye(len(names)))
        return {"outcomes": {n: float(v) for n, v in zip(names, alone, strict=True) if np.isfinite(v)}}
    weights = statistics.resamples(len(names), NUM_REPLICATES, seeds.generator(0, "gate", test))
    return {"replicates": [round(float(v), 6) if np.isfinite(v) else None for v in measure.values(weights)]}


def _measure(task: str, metric: str) -> tuple[Measure | None, list[str]]:
    """Read the figure back from the evaluation's tables; None where it left none for it."""
    folder = artefacts.evaluated(task)
    if not (folder / evaluators.SETTINGS).exists():
        return None, []
    data = dataset.read(artefacts.PREPROCESSED).subset("test")
    judge = evaluators.load(task, files.read_json(folder / evaluators.SETTINGS), data, folder)
    found = next((m for m in judge.measures() if m.name == metric), None)
    return found, judge.data.manifest["image_id"].tolist()


def counts() -> dict[str, int]:
    """Count the pictures of each split."""
    found = dataset.read(artefacts.PREPROCESSED).manifest["split"].value_counts()
    return {split: int(found.get(split, 0)) for split in dataset.SPLITS}


def worst_groups(task: str, metric: str, number: int = 8) -> list[dict[str, str]]:
    """Return the compared groups where the figure is lowest, as cells of a table; none where the audit left no table."""
    file = artefacts.audited(task) / "groups.csv"
    if not file.exists():
        return []
    table = pd.read_csv(file)
    rows = table[(table["measure"] == metric) & table["compared"] & table["value"].notna()]
    worst = rows.sort_values(["value", "columns", "group"], kind="stable").head(number)
    return [
        {
            "group by": str(row["columns"]),
            "worst groups": str(row["group"]),
            metric: f"{row['value']:.3f}",
            "95 % interval": f"{row['low']:.3f} to {row['high']:.3f}",
            "n": str(row["n"]),
        }
        for row in worst.to_dict("records")
    ]
