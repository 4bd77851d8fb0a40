"""Numbers of things agree with their nouns, of one thing too."""

from pathlib import Path
from typing import Any

import pytest

from stages import evaluate
from stages.core import artefacts, dataset
from tests.fake_models import other, scores
from tests.judging import judged, project, run


def test_one_picture_is_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a group's cell, above its strip, and in the note of an evaluation."""
    data = project(tmp_path, monkeypatch, num_images=60)
    rows = data.manifest.copy()
    test = rows.index[rows["split"] == "test"]
    rows["group_site"] = "many"
    rows.loc[test[0], "group_site"] = "one"
    rows.to_parquet(data.root / "manifest.parquet", index=False)
    data = dataset.read(data.root)
    wrong = rows["image_id"][test[1]]

    def answered(row: Any) -> dict[str, Any]:
        names = data.info.labels
        return scores(other(row.label, names) if row.image_id == wrong else row.label, names)

    judged("classify", data, monkeypatch, answered)
    page = (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    assert ", 1 picture<" in page
    assert ", 1 pictures" not in page
    assert "(1 pictures" not in page
    assert "(1 picture with mistakes)" in page
    assert any("; 1 picture with mistakes" in getattr(record, "text", "") for record in run(evaluate, "classify"))
