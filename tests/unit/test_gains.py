"""Every gain of one model over another says what its interval covers, in one wording."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import flow_artifacts, summary
from pipelines.record import headline
from pipelines.register import card, evidence
from stages import evaluate
from stages.core import artefacts, files
from stages.core.stage import Note, Tags
from stages.judge import paired
from tests.judging import answer, judged, project, run
from tests.unit.pipelines.test_register_card import facts
from tests.unit.pipelines.test_register_gate import CLEAN, answers, decide, params
from tests.unit.pipelines.test_register_gate import evidence as made

ROOT = Path(__file__).parents[2]
NAME = "gain_over_scratch"


def test_the_twin_s_gain_says_it_wherever_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics file, the run's tags and note, the execution's tags, Prefect's table, summary, report, card and version."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data), answer("classify", data, bias=0.6, seed=1))
    file = artefacts.evaluate_metrics("classify")
    content = files.read_json(file)
    assert content[NAME]["covers"] == paired.COVERS
    records = run(evaluate, "classify")
    assert any(isinstance(r, Tags) and r.values.get(f"{NAME}.covers") == paired.COVERS for r in records)
    assert any(isinstance(r, Note) and paired.COVERS in r.text for r in records)
    noted = headline._read(file.read_bytes())
    assert noted
    assert noted["tags"][f"{NAME}.covers"] == paired.COVERS
    assert [row["covers"] for row in flow_artifacts.figures(content) if "covers" in row] == [paired.COVERS]
    assert paired.COVERS in " ".join(summary._figures(content, "accuracy"))
    assert paired.COVERS in (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    figures = evidence.headlines(content)
    told = facts()
    told = replace(told, evidence=replace(told.evidence, figures=figures))
    assert paired.COVERS in card.render(told)
    assert paired.COVERS in card.tags(told, {})[f"metric.{NAME}"]
    assert not [name for name, figure in figures.items() if figure.covers and name != NAME]


@pytest.mark.parametrize("how", ["outcomes", "replicates", "figure"])
def test_the_comparison_with_the_champion_says_it(how: str) -> None:
    """However the gain over the champion was found, the gate's reason says what its interval covers."""
    given = {"outcomes": {"outcomes": answers(90)}, "replicates": {"replicates": [0.88, 0.9, 0.92]}, "figure": {}}[how]
    decision = decide(made(**given), made(**given), params(), CLEAN)
    assert decision.lines()["champion"].endswith(paired.COVERS)


def test_documents_that_show_a_gain_say_it() -> None:
    """README, results and registry use the same words."""
    for name in ("README.md", "docs/results.md", "docs/registry.md", "docs/data.md"):
        assert paired.COVERS in " ".join((ROOT / name).read_text(encoding="utf-8").split()), name
