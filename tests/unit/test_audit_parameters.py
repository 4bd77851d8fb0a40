"""Each parameter of the audit reaches the rule that it is named for, and pictures of one unit stay one in all of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import audit
from stages.core import artefacts, dataset, files
from stages.core.dataset import Dataset
from stages.judge import groups, permutations
from tests.fake_models import other, scores
from tests.judging import judged, project, run

LOOSE = {"max_gap": 0.1, "min_worst_group": 0.0}


def _judged(folder: Path, monkeypatch: pytest.MonkeyPatch, wrong: float, **columns: Any) -> Dataset:
    """Judge a classifier that is right but in so large a share of the unusual pictures of the test split."""
    data = project(folder, monkeypatch)
    if columns:
        data.manifest.assign(**columns).to_parquet(data.root / "manifest.parquet", index=False)
        data = dataset.read(data.root)
    rows = data.subset("test").manifest
    unusual = rows["image_id"][rows["group_setting"] == "unusual"].tolist()
    bad, labels = set(unusual[: round(wrong * len(unusual))]), data.info.labels

    def answered(row: Any) -> Any:
        return scores(other(row.label, labels) if row.image_id in bad else row.label, labels, 0.8)

    judged("classify", data, monkeypatch, answered)
    return data


def _audited(**changes: Any) -> dict[str, Any]:
    run(audit, "classify", **(LOOSE | changes))
    return dict(files.read_json(artefacts.audit_metrics("classify")))


def test_alpha_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest alpha at which the gap fails is p: with a little more it does, with a little less it does not."""
    _judged(tmp_path, monkeypatch, 0.5)
    p = _audited(alpha=0.49)["by_group"]["accuracy"]["setting"]["gap"]["p"]
    assert 1e-6 < p < 0.4
    told = [_audited(alpha=p * factor)["by_group"]["accuracy"]["setting"]["verdict"] for factor in (1.02, 0.98)]
    assert told == ["FAIL", "UNDECIDED"]


def test_as_many_deals_are_made_as_were_asked_for_and_within_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All wrong in one group, all right in the other: no deal explains it, so all are made, of pictures of each class."""
    _judged(tmp_path, monkeypatch, 1.0)
    made: list[tuple[int, int]] = []
    deal = permutations.dealt_figures

    def dealt(*args: Any) -> Any:
        figures = np.concatenate(list(deal(*args)), axis=1)
        made.append((figures.shape[1], int(args[3].max()) + 1))
        yield figures

    monkeypatch.setattr(permutations, "dealt_figures", dealt)
    for number in (100, 500):
        made.clear()
        assert _audited(num_permutations=number, num_bootstraps=300)["verdict"] == "FAIL"
        assert set(made) == {(number, 3)}


def test_max_groups_decides_what_is_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five texts are groups where five are allowed, and an id where four are."""
    _judged(tmp_path, monkeypatch, 0.0, group_site=[f"site {n % 5}" for n in range(120)])
    assert _audited(max_groups=5)["not_audited"] == {}
    assert _audited(max_groups=4)["not_audited"] == {"site": 5}


def test_comparisons_and_deals_are_by_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every comparison and every deal of an audit is told which pictures belong together."""
    _judged(tmp_path, monkeypatch, 1.0, unit=[f"clip {n // 2}" for n in range(120)])
    given: dict[str, list[Any]] = {"compare": [], "deal": []}
    compare, deal = groups.compare, permutations.Dealer

    def compared(*args: Any, **kwargs: Any) -> groups.Comparison:
        given["compare"].append(kwargs["units"])
        return compare(*args, **kwargs)

    def dealt(*args: Any, **kwargs: Any) -> Any:
        given["deal"].append(kwargs["units"])
        return deal(*args, **kwargs)

    monkeypatch.setattr(groups, "compare", compared)
    monkeypatch.setattr(permutations, "Dealer", dealt)
    assert _audited()["verdict"] == "FAIL"
    for found in given.values():
        assert found
        assert all(np.bincount(held.codes).max() == 2 for held in found)
