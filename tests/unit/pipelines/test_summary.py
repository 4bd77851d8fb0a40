"""The summary says what there is and leaves open what there is not."""

from pathlib import Path

import pytest

from pipelines import summary
from stages.core import artefacts, files


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with two tasks of which one is done."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("tasks: {classify: {}, detect: {}}\nregister: {classify: {metric: macro_f1}}\n")
    figures = {
        "accuracy": {"value": 0.9, "low": 0.85, "high": 0.94, "n": 160},
        "macro_f1": {"value": 0.88, "low": 0.8, "high": 0.92, "n": 160},
        "per_class": {"a": {"f1": 1.0}},
    }
    files.write_json(artefacts.evaluate_metrics("classify"), figures)
    files.write_json(artefacts.audit_metrics("classify"), {"verdict": "FAIL", "reasons": ["night is 12 points worse"]})
    files.write_json(artefacts.receipt("classify"), {"name": "x-classify", "version": 3, "aliases": ["challenger"]})
    artefacts.evaluate_metrics("detect").write_text("{half")
    return tmp_path


def test_figures_verdict_and_version_stand_together(capsys: pytest.CaptureFixture[str]) -> None:
    """The figure that the gate judges comes first, each with interval and count."""
    summary.show()
    text = capsys.readouterr().out
    assert text.index("macro_f1 0.880 [0.800, 0.920], n = 160") < text.index("accuracy 0.900 [0.850, 0.940], n = 160")
    assert "audit FAIL: night is 12 points worse" in text
    assert "x-classify version 3 (challenger)" in text
    assert "rawline predict models:/x-classify@challenger PICTURE" in text


def test_what_is_missing_or_broken_is_left_open() -> None:
    """A half-written file of another run does not end the summary."""
    done, absent = summary.lines()
    assert done.verdict == "FAIL"
    assert (absent.figures, absent.verdict, absent.model) == ([], "-", "-")
