"""What small groups beside large ones, and classes, make of a gap, from evaluation to metrics file and page."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.core import artefacts, dataset, files
from tests.fake_models import other, scores
from tests.judging import judged, project

SMALL = 8  # sites of twelve pictures


def _audited(
    folder: Path, monkeypatch: pytest.MonkeyPatch, share: tuple[float, float, float], right: Callable[[Any], float]
) -> tuple[dict[str, Any], str]:
    """Judge a model; the test pictures are in eight small sites and two large ones.

    Args:
        folder: the project.
        monkeypatch: of the test.
        share: of the pictures of each class outside small sites, that which is in site A.
        right: how often the answer to a picture is right.

    Returns:
        The metrics of the audit, and its page.
    """
    data = project(folder, monkeypatch, num_images=510, size_px=24)
    labels, random = data.info.labels, np.random.default_rng(0)
    rows = data.manifest.drop(columns=data.groups()).assign(group_site="A")
    test = random.permutation(rows.index[rows["split"] == "test"].to_numpy())
    for site in range(SMALL):
        rows.loc[test[12 * site : 12 * (site + 1)], "group_site"] = f"small {site}"
    rest = test[12 * SMALL :]
    for label, part in zip(labels, share, strict=True):
        own = rest[(rows.loc[rest, "label"] == label).to_numpy()]
        rows.loc[own[round(part * own.size) :], "group_site"] = "B"
    rows.to_parquet(data.root / "manifest.parquet", index=False)

    def answered(row: Any) -> Any:
        fares = np.random.default_rng([3, int(row.image_id, 16)]).random() < right(row)
        return scores(row.label if fares else other(row.label, labels), labels, 0.9)

    judged("classify", dataset.read(data.root), monkeypatch, answered)
    page = (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    return dict(files.read_json(artefacts.audit_metrics("classify"))), html.unescape(page)


def test_small_groups_beside_large_ones_hide_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two large sites 35 points apart, alike in their classes, fail, whatever small ones stand beside them."""
    rate = {"A": 0.97, "B": 0.62}
    metrics, page = _audited(tmp_path, monkeypatch, (0.5,) * 3, lambda row: rate.get(row.group_site, 0.9))
    found = metrics["by_group"]["accuracy"]["site"]
    assert (metrics["verdict"], found["verdict"], found["decisive"]["pair"]) == ("FAIL", "FAIL", ["A", "B"])
    assert found["gap"]["p"] < 0.05
    assert "larger than the 10 allowed" in metrics["reasons"][0]
    assert "for B and" in metrics["reasons"][0]
    assert metrics["reasons"][0].split(", a gap of ")[1] in page


def test_an_extreme_small_group_fails_no_pair_that_classes_explain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Site B holds the difficult class, a small site is wrong in the others: the gap of A over B stays explained."""
    rate = {"disc": 0.99, "square": 0.99, "triangle": 0.45}

    def right(row: Any) -> float:
        return 0.3 if row.group_site == "small 0" and row.label != "triangle" else rate[row.label]

    metrics, page = _audited(tmp_path, monkeypatch, (0.9, 0.9, 0.1), right)
    found = metrics["by_group"]["accuracy"]["site"]
    assert (metrics["verdict"], found["verdict"], "decisive" in found) == ("UNDECIDED", "UNDECIDED", False)
    assert "for B and" in metrics["reasons"][0]
    assert (found["gap"]["p"], found["more_pictures"]) == (1.0, None)
    assert "not shown to be larger than the 10 allowed: they explain it in whole or in part" in metrics["reasons"][0]
    assert any("explained by the classes in whole or in part" in line for line in metrics["left_open"])
    assert metrics["reasons"][0].split(", a gap of ")[1] in page
