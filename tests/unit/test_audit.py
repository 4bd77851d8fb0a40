"""The audit's table and page say what was found."""

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from stages import audit
from stages.core import artefacts, files
from tests.judging import answer, judged, project, run


class Links(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep sources and addresses."""
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset")]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Audit a biased classifier and return its page."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data, bias=0.5), answer("classify", data, bias=0.6))
    return (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")


def test_the_page_is_self_contained(page: str) -> None:
    """The page loads nothing from elsewhere and runs no script."""
    links = Links()
    links.feed(page)
    assert links.found
    assert all(link.startswith("data:image/png;base64,") for link in links.found)
    assert "script" not in links.tags
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_says_verdict_and_reason_first(page: str) -> None:
    """Verdict, plain reason, every group with its count, figures and method stand on the page, in that order."""
    order = ["FAIL</strong>", "setting: accuracy is", "How good it is overall", "Verdict by column", "Every group", "Method"]
    at = [page.index(text) for text in order]
    assert at == sorted(at)
    for group in ("usual", "unusual", "dark", "light", "dark, unusual"):
        assert f"<td>{group}</td>" in page


def test_the_table_lists_every_group(page: str) -> None:
    """The CSV has each measure by group and intersection; counts of a column add up to the pictures; values are right."""
    assert page
    table = pd.read_csv(artefacts.audited("classify") / "groups.csv")
    predictions = pd.read_parquet(artefacts.evaluated("classify") / "predictions.parquet")
    manifest = pd.read_parquet(artefacts.PREPROCESSED / "manifest.parquet").merge(predictions, on="image_id")
    right = manifest["predicted"] == manifest["label_x"]
    rows = table[(table["measure"] == "accuracy") & (table["columns"] == "setting")].set_index("group")
    assert rows["n"].sum() == len(predictions)
    assert rows["value"].to_dict() == pytest.approx(right.groupby(manifest["group_setting"]).mean().to_dict(), abs=1e-6)
    assert set(table["columns"]) == {"ink", "setting", "ink x setting"}
    assert {"accuracy", "macro_f1", "recall/disc"} <= set(table["measure"])


def test_text_from_data_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group named like a tag stands on the page as text."""
    data = project(tmp_path, monkeypatch, num_images=60)
    file = artefacts.PREPROCESSED / "manifest.parquet"
    manifest = pd.read_parquet(file)
    manifest["group_ink"] = manifest["group_ink"].replace("dark", "<script>x</script>")
    manifest.to_parquet(file, index=False)
    judged("classify", data, monkeypatch, answer("classify", data))
    text = (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_looser_limit_changes_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same model no longer fails when larger gaps are allowed, without being evaluated anew."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data, bias=0.3))
    assert files.read_json(artefacts.audit_metrics("classify"))["verdict"] == "FAIL"
    run(audit, "classify", max_gap=1.0, min_worst_group=0.0)
    assert files.read_json(artefacts.audit_metrics("classify"))["verdict"] == "PASS"


def test_a_poor_model_is_told_in_one_sentence_for_each_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is below the floor everywhere gets one sentence per figure, not one per column."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data))
    run(audit, "classify", max_gap=1.0, min_worst_group=1.0)
    reasons = files.read_json(artefacts.audit_metrics("classify"))["reasons"]
    assert len(reasons) <= 2
    assert all("below the floor of 100 beyond doubt in a group of" in reason for reason in reasons)
