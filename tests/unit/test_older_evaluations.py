"""What other code evaluated is refused by name, with what to do, wherever it is read."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.register import evidence
from stages import audit
from stages.core import artefacts, files
from stages.core.errors import DataError
from stages.parts import evaluators
from tests.judging import TASKS, answer, judged, project, run


def evaluated(task: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    data = project(folder, monkeypatch, num_images=60)
    judged(task, data, monkeypatch, answer(task, data))
    return artefacts.evaluated(task) / evaluators.SETTINGS


def as_before(content: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters as they were written before there was a form."""
    return {name: value for name, value in content.items() if name != "form"}


@pytest.mark.parametrize("task", TASKS)
def test_a_folder_of_the_code_before_is_refused(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By audit and by register, before the tables are read: they may be gone or be of another form."""
    place = evaluated(task, tmp_path, monkeypatch)
    metric = next(iter(evidence.headlines(files.read_json(artefacts.evaluate_metrics(task)))))
    evidence.collect(task, metric)
    content = files.read_json(place)
    files.write_json(place, as_before(content))
    for table in ("predictions.parquet", "rows.npz", "confusions.npz"):
        (place.parent / table).unlink(missing_ok=True)
    reads = (lambda: run(audit, task), lambda: evidence.collect(task, metric))
    for read in reads:
        with pytest.raises(DataError, match=rf"^data/evaluated/{task} says no form.*evaluate again \(dvc repro\)$"):
            read()
    for other in (evaluators.FORM - 1, evaluators.FORM + 1):
        files.write_json(place, content | {"form": other})
        for read in reads:
            with pytest.raises(
                DataError, match=rf"has form {other}; this code reads form {evaluators.FORM}: evaluate again"
            ):
                read()


def test_parameters_that_the_code_before_did_not_know_are_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evaluation without ``max_detections`` is old; params.yaml, which has it, is not blamed."""
    place = evaluated("detect", tmp_path, monkeypatch)
    files.write_json(place, {"min_score": 0.5})
    with pytest.raises(DataError, match="data/evaluated/detect says no form"):
        run(audit, "detect")


@pytest.mark.parametrize("part", ["pictures", "low", "n"])
def test_figures_without_a_part_are_refused(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A metrics file from git beside a newer folder names the figure and what it lacks."""
    evaluated("classify", tmp_path, monkeypatch)
    where = artefacts.evaluate_metrics("classify")
    content = files.read_json(where)
    del content["accuracy"][part]
    files.write_json(where, content)
    with pytest.raises(
        DataError, match=rf"^{where}: accuracy lacks {part}; other code wrote it: evaluate again \(dvc repro\)$"
    ):
        run(audit, "classify")


def test_a_table_of_groups_without_a_column_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card's worst groups are read from the audit's table; one of other code is named."""
    evaluated("classify", tmp_path, monkeypatch)
    assert evidence.worst_groups("classify", "accuracy")
    where = artefacts.audited("classify") / "groups.csv"
    pd.read_csv(where).drop(columns=["compared", "low"]).to_csv(where, index=False)
    with pytest.raises(DataError, match=rf"^{where} lacks the columns compared, low; .*audit again \(dvc repro\)$"):
        evidence.worst_groups("classify", "accuracy")
