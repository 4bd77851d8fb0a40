"""Evaluation and audit say what they rest on: the test data as they read them, and the code that made the figures."""

from pathlib import Path

import pandas as pd
import pytest

from pipelines.register import behaviour, evidence
from stages.core import artefacts, dataset, files, measuring
from tests import judging


def _said(task: str) -> tuple[dict[str, str], dict[str, str]]:
    """Run evaluation and audit; return what each says."""
    judging.run(judging.evaluate, task)
    judging.run(judging.audit, task)
    places = (artefacts.evaluate_metrics(task), artefacts.audit_metrics(task))
    one, two = ({k: v for k, v in files.read_json(place).items() if k.endswith("_digest")} for place in places)
    return one, two


@pytest.mark.parametrize(("task", "column"), [("classify", "label"), ("segment", "mask")])
def test_pictures_that_a_task_has_no_truth_for_are_test_data_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, column: str
) -> None:
    """The evaluation passes them over, and says of the whole split what registration finds there."""
    data = judging.project(tmp_path, monkeypatch, num_images=60)
    judging.judged(task, data, monkeypatch, judging.answer(task, data))
    table = pd.read_parquet(data.root / "manifest.parquet")
    table.loc[table.index[table["split"] == "test"][0], column] = None
    table.to_parquet(data.root / "manifest.parquet")
    evaluation, audit = _said(task)
    assert evaluation[measuring.TEST] == evidence.test_data()
    assert (evaluation[measuring.CODE], audit[measuring.CODE]) == (behaviour.measuring(task), behaviour.deciding(task))


@pytest.mark.parametrize(("column", "split", "changed"), [
    ("label", "test", {measuring.TEST, measuring.AUDITED}),
    ("group_setting", "test", {measuring.AUDITED}),
    ("group_setting", "train", set[str]()),
])  # fmt: skip
def test_both_say_what_they_read_and_by_which_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, split: str, changed: set[str]
) -> None:
    """What registration finds for itself, of data and code as they lie there, is what both say; an edit is seen by it."""
    data = judging.project(tmp_path, monkeypatch, num_images=60)
    judging.judged("classify", data, monkeypatch, judging.answer("classify", data))
    evaluation, audit = _said("classify")
    assert evaluation[measuring.TEST] == evidence.test_data()
    assert audit[measuring.AUDITED] == measuring.audited(dataset.read(artefacts.PREPROCESSED).subset("test"))
    assert evaluation[measuring.CODE] != audit[measuring.CODE] == behaviour.deciding("classify")
    table = pd.read_parquet(data.root / "manifest.parquet")
    value = "disc" if column == "label" else "other"
    row = table.index[(table["split"] == split) & (table[column] != value)][0]
    table.loc[row, column] = value
    table.to_parquet(data.root / "manifest.parquet")
    again, anew = _said("classify")
    pairs = [(measuring.TEST, evaluation, again), (measuring.CODE, evaluation, again)]
    pairs += [(measuring.AUDITED, audit, anew), (measuring.CODE, audit, anew)]
    assert {key for key, before, after in pairs if before[key] != after[key]} == changed


def test_a_group_of_another_name_is_another_ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same values under another column: reasons and tables would speak of a column that is not there."""
    data = judging.project(tmp_path, monkeypatch, num_images=30)
    before = measuring.audited(data.subset("test"))
    table = pd.read_parquet(data.root / "manifest.parquet")
    table.rename(columns={"group_ink": "group_pen"}).to_parquet(data.root / "manifest.parquet")
    assert measuring.audited(dataset.read(data.root).subset("test")) != before
