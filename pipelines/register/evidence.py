"""Reads what the evaluation and the audit found about a task's model."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines import forms
from pipelines.register import behaviour
from pipelines.register.judgement import Evidence, Figure
from stages.core import artefacts, checkpoint, dataset, digests, figures, files, measuring, seeds
from stages.core.dataset import Dataset
from stages.core.errors import DataError, ParamsError, nearest
from stages.judge import curves, degenerate, units, validation
from stages.judge.draws import Draws, alone
from stages.judge.measures import Measure
from stages.parts import evaluators

VERDICTS = ("PASS", "FAIL", "UNDECIDED")
PARTS = {"value", "low", "high", "n", "pictures", "units", "covers"}
CLASS_FIGURES = {"f1": "F1", "map50": "mAP50", "iou": "IoU", "map": "mAP"}  # by key, as a person reads them
NUM_REPLICATES = 2000


def collect(task: str, metric: str) -> Evidence:
    """Read the evidence of a task.

    Args:
        task: the task.
        metric: name of the headline figure that the gate judges.

    Raises:
        DataError: a file is missing, broken or of another form than its stage writes, the audit gives no verdict, either
            judged another model than lies there, on other test data or by other code, or the figures are of other tables.
        ParamsError: the evaluation has no figure ``metric``.
    """
    where, evaluation = artefacts.evaluate_metrics(task), forms.evaluation(task)
    _same_model(f"evaluate@{task}", evaluation, task)
    found = headlines(evaluation)
    if metric not in found:
        hint = f"{where} has no such figure; {nearest(metric, found)} (params.yaml: register.{task}.metric)"
        raise ParamsError(f"register.{task}.metric is '{metric}'; {hint}")
    settings(artefacts.evaluated(task))  # names code of another form, whose tables may be gone
    digests.require_tables(task, evaluation)
    audited, audit = verdict(task), forms.audit(task)
    _same_model(f"audit@{task}", audit, task)
    test = test_data()
    _same_ground(task, test, evaluation, audit)
    judged = gather(task, metric, evaluation, artefacts.evaluated(task), test)
    return replace(judged, verdict=audited, left_open=left_open(audit))


def _same_model(stage: str, content: Mapping[str, Any], task: str) -> None:
    """Refuse a judgement of another model than the one that lies there, however the stages ran.

    Raises:
        DataError: it names another one, or none, as those of before.
    """
    judged = content.get(digests.MODEL)
    if judged is None:
        raise DataError(f"{stage} does not say which model it judged; {digests.again(stage)}")
    if judged != digests.model(artefacts.finetuned(task)):
        raise DataError(f"{stage} judged another model than lies in {artefacts.finetuned(task)}; {digests.again(stage)}")


def _same_ground(task: str, test: str, evaluation: Mapping[str, Any], audit: Mapping[str, Any]) -> None:
    """Refuse judgements on other test data, or by other code, than lie here, of which the evidence tells.

    Raises:
        DataError: evaluation or audit name others, or none, as those of before.
    """
    truth = measuring.audited(dataset.read(artefacts.PREPROCESSED).subset("test"))
    measuring.require(f"evaluate@{task}", evaluation, {measuring.CODE: behaviour.measuring(task), measuring.TEST: test})
    measuring.require(f"audit@{task}", audit, {measuring.CODE: behaviour.deciding(task), measuring.AUDITED: truth})


def require_classes(task: str) -> None:
    """Refuse a model whose classes have other names, or another order, in the present data: objects name theirs by number.

    Raises:
        DataError: they differ; the evaluation let no such model pass.
    """
    judged = list(files.read_json(artefacts.finetuned(task) / "model.json")["classes"])
    known = _classes(task, dataset.read(artefacts.PREPROCESSED))
    if judged != known:
        told = f"evaluate@{task} judged on the classes {judged}, {artefacts.PREPROCESSED} has {known}"
        raise DataError(f"{told}; {digests.again(f'evaluate@{task}')}")


def _classes(task: str, data: Dataset) -> list[str]:
    return list(getattr(data.info, checkpoint.CLASSES[task]))


def gather(task: str, metric: str, evaluation: Mapping[str, Any], folder: Path, test: str) -> Evidence:
    """Return the evidence that an evaluation on the present test data holds, whoever's model it judged; no audit is known.

    Args:
        task: the task.
        metric: the figure that the gate judges; the evaluation has it.
        evaluation: content of the metrics file.
        folder: with the evaluation's tables.
        test: digest of the present test data.
    """
    found = headlines(evaluation)
    return Evidence(
        metric=metric,
        figure=found[metric],
        verdict="unknown",
        test_data=test,
        classes=classes(evaluation),
        figures=found,
        measured=measured(task, folder),
        degenerate=degenerate.of(evaluation, metric),
        degenerate_by={key: evaluation[key] for key in (degenerate.KEY, degenerate.ASKED) if key in evaluation},
        **pairing(task, metric, test, folder),
    )


def measured(task: str, folder: Path) -> dict[str, Any]:
    """Return what a figure depends on besides answers and test data: the evaluator's settings, classes and code.

    Args:
        task: the task.
        folder: with the evaluation's tables.

    Raises:
        DataError: code of another form wrote the tables.
    """
    known = _classes(task, dataset.read(artefacts.PREPROCESSED))
    return {"settings": settings(folder), "classes": known, "code": behaviour.measuring(task)}


def settings(folder: Path) -> dict[str, Any]:
    """Return the parameters that an evaluation was made with; none where it left none.

    Raises:
        DataError: code of another form wrote them.
    """
    return evaluators.settings(folder) if (folder / evaluators.SETTINGS).exists() else {}


def headlines(evaluation: Mapping[str, Any]) -> dict[str, Figure]:
    """Return every figure with an interval that stands at the top of the metrics."""
    found = figures.headlines(evaluation)
    return {name: _figure(raw) for name, raw in sorted(found.items()) if set(raw) <= PARTS}


def verdict(task: str) -> str:
    """Return the audit's verdict.

    Raises:
        DataError: there is none.
    """
    found = forms.audit(task).get("verdict")
    if found not in VERDICTS:
        raise DataError(f"{artefacts.audit_metrics(task)}: verdict is {found!r}; expected one of {', '.join(VERDICTS)}")
    return str(found)


def left_open(audit: Mapping[str, Any]) -> list[str]:
    """Return what an audit did not audit or decide, and why; of one of before, that it does not say.

    Example:
        >>> left_open({"verdict": "UNDECIDED", "left_open": ["everything: the data set has no group column"]})
        ['everything: the data set has no group column']
        >>> left_open({"verdict": "UNDECIDED"})
        ['not on record (dvc repro audit)']
    """
    return list(audit.get("left_open", ["not on record (dvc repro audit)"]))


def _figure(raw: Any) -> Figure:
    return Figure(**{part: raw[part] for part in PARTS & raw.keys()}) if isinstance(raw, Mapping) else Figure(raw)


def classes(evaluation: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the figure of each class: its F1, mAP50 or IoU, whichever the evaluation has."""
    found = {}
    for name, raw in sorted(evaluation.get("per_class", {}).items()):
        key = next((k for k in CLASS_FIGURES if k in raw), None)
        if key:
            found[name] = (
                _figure(raw[key])
                if isinstance(raw[key], Mapping)
                else Figure(raw[key], n=raw.get("n"), pictures=raw.get("pictures"))
            )
    return found


def notes(evaluation: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the figures must know, one line each.

    Example:
        >>> notes({"limit": {"max_detections": 100, "num_pictures_above": 2}})[0][:50]
        '2 test pictures hold more than 100 objects of a cl'
    """
    torn, limit = [f"{line}." for line in units.torn(evaluation)], evaluation.get("limit", {})
    if not limit.get("num_pictures_above"):
        return torn
    most = limit["max_detections"]
    held = f"{limit['num_pictures_above']} test pictures hold more than {most} objects of a class"
    return [*torn, f"{held}, and no more than {most} detections of a class count: not all of them can be found."]


def unfinished(task: str, curves_csv: Path) -> list[str]:
    """Return what the training's curve says of its end, in a line; nothing where it had come to it or left no curve."""
    watch = validation.WATCH.get(task)
    if watch is None or not curves_csv.is_file():
        return []
    table = pd.read_csv(curves_csv)
    told = curves.sentence(curves.read(table.get(watch, pd.Series()).tolist()), watch, f"finetune.{task}.epochs")
    return [told] if told else []


def class_figure(evaluation: Mapping[str, Any]) -> str:
    """Return the name of the classes' figure; ``value`` where there is none.

    Example:
        >>> class_figure({"per_class": {"cat": {"n": 3, "iou": 0.5}}})
        'IoU'
    """
    keys = {key for raw in evaluation.get("per_class", {}).values() for key in raw}
    return next((told for key, told in CLASS_FIGURES.items() if key in keys), "value")


def test_data() -> str:
    """Return the digest of the test split as it lies here."""
    return measuring.test_data(dataset.read(artefacts.PREPROCESSED).subset("test"))


def pairing(task: str, metric: str, test: str, folder: Path) -> dict[str, Any]:
    """Return what lets two models be compared on the same test pictures.

    The evaluation's tables give the figure as a function of how much each unit weighs. A proportion of pictures that are
    units of their own gives the ``outcomes`` (0 or 1 by ``image_id``); any other figure its ``replicates`` under bootstrap
    weights that depend on the test data alone, so that the replicates of two models on the same data are paired.

    Args:
        task: the task.
        metric: the figure.
        test: digest of the test data.
        folder: with the evaluation's tables.
    """
    measure, names = _measure(task, metric, folder)
    if measure is None:
        return {}
    if measure.independent and measure.counts.size == len(names):
        each = alone(measure.values, len(names), measure.part)
        return {"outcomes": {n: float(v) for n, v in zip(names, each, strict=True) if np.isfinite(v)}}
    values = draws(measure.counts.size, test).of(measure.values)
    return {"replicates": [round(float(v), 6) if np.isfinite(v) else None for v in values]}


def draws(number: int, test: str) -> Draws:
    """Return ``NUM_REPLICATES`` bootstrap draws of so many units: the same for the same test data."""
    return Draws(number, NUM_REPLICATES, lambda: seeds.generator(0, "gate", test))


def _measure(task: str, metric: str, folder: Path) -> tuple[Measure | None, list[str]]:
    """Read the figure back from the evaluation's tables; None where it left none for it."""
    if not (folder / evaluators.SETTINGS).exists():
        return None, []
    data = dataset.read(artefacts.PREPROCESSED).subset("test")
    judge = evaluators.load(task, settings(folder), data, folder)
    found = next((m for m in judge.headlines() if m.name == metric), None)
    return found, judge.data.manifest["image_id"].tolist()


def counts() -> dict[str, int]:
    """Count the pictures of each split."""
    found = dataset.read(artefacts.PREPROCESSED).manifest["split"].value_counts()
    return {split: int(found.get(split, 0)) for split in dataset.SPLITS}


def unit_origin() -> str:
    """Say what made units of several pictures; see ``Dataset.unit_origin``."""
    return dataset.read(artefacts.PREPROCESSED).unit_origin()


def worst_groups(task: str, metric: str, number: int = 8) -> list[dict[str, str]]:
    """Return the compared groups where the figure is lowest, as cells of a table; none where the audit left no table.

    Raises:
        DataError: code of another form wrote the table.
    """
    file = artefacts.audited(task) / "groups.csv"
    if not file.exists():
        return []
    names: dict[Any, Any] = dict.fromkeys(("measure", "columns", "group"), str)  # 01, TRUE and nan are names of groups
    empty = {figure: [""] for figure in ("value", "low", "high", "n", "num_pictures", "num_units")}
    table = pd.read_csv(file, dtype=names, keep_default_na=False, na_values=empty)
    if lacking := sorted({"measure", "columns", "group", "compared", "value", "low", "high", "n"} - set(table.columns)):
        raise DataError(f"{file} lacks the columns {', '.join(lacking)}; other code wrote it: audit again (dvc repro)")
    rows = table[(table["measure"] == metric) & table["compared"] & table["value"].notna()]
    worst = rows.sort_values(["value", "columns", "group"], kind="stable").head(number)
    return [
        {
            "group by": str(row["columns"]),
            "worst groups": str(row["group"]),
            metric: f"{row['value']:.3f}",
            "95 % interval": f"{row['low']:.3f} to {row['high']:.3f}",
            "n": figures.count(row["n"], row.get("num_pictures"), row.get("num_units")),
        }
        for row in worst.to_dict("records")
    ]
