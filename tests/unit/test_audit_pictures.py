"""Which pictures of mistakes the page of an audit shows: of the worst groups, else of all."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages import audit
from stages.core import artefacts
from tests import judging
from tests.fake_models import other, scores

GALLERY = "The worst of all test pictures: data/evaluated/classify/worst.png."


def _shown(**changes: int) -> tuple[str, int]:
    """Audit; return what the page says of mistakes, and how many pictures it shows there."""
    judging.run(audit, "classify", **changes)
    page = (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    part = page[page.find("<h2>What goes wrong") : page.index("<h2>Method</h2>")] if "<h2>What goes wrong" in page else ""
    return part, part.count("data:image/png")


@pytest.mark.parametrize("groups", [True, False])
def test_mistakes_are_shown_where_no_column_is_compared(
    groups: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the worst group of each column that is compared; where none is, or no column is there, the worst of all."""
    data = judging.project(tmp_path, monkeypatch, groups=groups)
    names = data.info.labels

    def answered(row: Any) -> judging.Prediction:
        return scores(other(row.label, names) if int(row.image_id, 16) % 4 == 0 else row.label, names)

    judging.judged("classify", data, monkeypatch, answered)
    found = pd.read_parquet(artefacts.evaluated("classify") / "predictions.parquet")
    num = int((found["label"] != found["predicted"]).sum())
    assert num > 2
    for min_group in (10, 1000):
        part, pictures = _shown(min_group=min_group)
        titles = re.findall("<h3>(.*?)</h3>", part)
        assert GALLERY in part
        if groups and min_group == 10:
            assert titles
            assert all(", the worst group (" in title for title in titles)
        else:
            assert titles == [f"all test pictures ({num} pictures with mistakes)"]
            assert pictures == judging.AUDIT["num_pictures"]
    part, pictures = _shown(min_group=1000, num_pictures=0)
    assert (GALLERY in part, pictures) == (True, 0)
    (artefacts.evaluated("classify") / "worst.png").unlink()
    assert _shown(min_group=1000, num_pictures=0) == ("", 0)


def test_without_a_mistake_nothing_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without a mistake has no such part, compared or not."""
    data = judging.project(tmp_path, monkeypatch)
    names = data.info.labels
    judging.judged("classify", data, monkeypatch, lambda row: scores(row.label, names))
    assert [_shown(min_group=least) for least in (10, 1000)] == [("", 0)] * 2
