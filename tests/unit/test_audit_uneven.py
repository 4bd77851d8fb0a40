"""What an audit says of groups whose units are too unequal to compare, in table and words: not that they are too few."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages import audit
from stages.core import artefacts, dataset, files
from stages.judge import groups, units, verdicts
from stages.judge.measures import proportion
from stages.parts import reports
from stages.parts.reports import _open
from tests import judging

CLIPS = [5] * 3 + [1] * 12  # 15 units, worth 27^2 / (3 * 25 + 12) = 8.4
EVEN = [2] * 12
WORTH = "15 units worth 8.4 of equal size, about 3 more units like them needed"  # 15 * 10 / 8.4 is 17.9
UNEVEN = "nothing passes, units of very unequal size, worth fewer than 10"


def _left_open(sizes: dict[str, list[int]], undefined: str = "") -> tuple[str, list[str]]:
    """Return what the table says of one column, and what is left open, where groups have units of these sizes."""
    names = [f"{group}{n}" for group, own in sizes.items() for n, size in enumerate(own) for _ in range(size)]
    codes = np.repeat(np.arange(len(sizes)), [sum(own) for own in sizes.values()])
    known = np.array([name[0] != undefined for name in names], np.float64)
    measure = proportion("accuracy", "accuracy", "pictures", known, known)
    way = groups.Grouping(("site",), tuple(sizes), codes)
    one = groups.compare(
        measure, way, min_group=10, num_bootstraps=10, random=np.random.default_rng(0), units=units.of(names)
    )
    found = verdicts.judge([one], verdicts.Limits(0.1, 0.5, 0.05))
    return _open.not_compared(one, 10), reports.left_open(found, {}, [], {}, 10, reports.Drawn("units"))


def test_what_keeps_two_groups_from_being_compared_is_told_by_its_name() -> None:
    """Each reason alone, and the units of a group beside one that is too small, or whose figure is not defined."""
    uneven, worth = f"{UNEVEN}: site ", f" ({WORTH})"
    few, undefined = (
        "fewer than two groups of 10 units: site",
        "fewer than two groups whose figure is defined: accuracy by site",
    )
    assert _left_open({"n": CLIPS, "s": CLIPS}) == (_open.UNEVEN, [f"{uneven}n{worth}, site s{worth}"])
    assert _left_open({"n": CLIPS, "s": EVEN}) == (_open.UNEVEN, [f"{uneven}n{worth}"])
    assert _left_open({"n": CLIPS, "s": EVEN[:9]}) == (_open.FEW, [f"{uneven}n{worth}", few])
    assert _left_open({"n": EVEN[:9], "s": EVEN}) == (_open.FEW, [few])
    close = "10 units worth 9.3 of equal size, about 1 more unit like them needed"
    assert _left_open({"n": [2] + [1] * 9, "s": EVEN}) == (_open.UNEVEN, [f"{uneven}n ({close})"])
    assert _left_open({"n": CLIPS, "s": EVEN}, "s") == (_open.UNDEFINED, [f"{uneven}n{worth}", undefined])


def test_the_page_says_that_units_are_too_unequal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sites of clips worth 8.4 each, 16.8 together: the column's row says so, no line that they are few."""
    data = judging.project(tmp_path, monkeypatch, num_images=84, groups=False)
    rows = data.manifest.copy()
    test = rows.index[rows["split"] == "test"]
    rows.loc[test[2 * sum(CLIPS) :], "split"] = "train"
    names = [f"{site}{n}" for site in "ns" for n, size in enumerate(CLIPS) for _ in range(size)]
    rows["unit"] = rows["image_id"]
    rows.loc[test[: len(names)], "unit"] = names
    rows["group_site"] = "n"
    rows.loc[test[: len(names)], "group_site"] = [name[0] for name in names]
    rows.to_parquet(data.root / "manifest.parquet", index=False)
    data = dataset.read(data.root)
    judging.judged("classify", data, monkeypatch, judging.answer("classify", data))
    judging.run(audit, "classify")
    content = files.read_json(artefacts.audit_metrics("classify"))
    assert content["left_open"] == [f"{UNEVEN}: site n ({WORTH}), site s ({WORTH})"]
    told = f"count for fewer than they are, and a group must be worth 10 to be compared: n ({WORTH}), s ({WORTH})"
    start = "site: fewer than two groups can be compared by accuracy, for units of very unequal size "
    assert content["reasons"][0].startswith(f"{start}{told}")
    one = content["by_group"]["accuracy"]["site"]
    assert one["uneven"]["n"] == {"holders": 15, "worth": pytest.approx(27**2 / 87, abs=1e-6), "more": 3}
    assert (
        f"; about {one['more_units']:,} more units of labelled test pictures in all would probably tell."
        in (content["reasons"][0])
    )
    table = pd.read_csv(artefacts.audited("classify") / "groups.csv")
    whole = table[(table["measure"] == "accuracy") & (table["columns"] == "site")]
    assert whole["worth"].tolist() == pytest.approx([27**2 / 87] * 2, abs=1e-6)
    page = (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    table = page[page.index("Verdict by column") : page.index("Every group")]
    assert table.count(_open.UNEVEN) == len(content["by_group"])
    assert page[page.index("Every group") :].count(f"({_open.UNEVEN}: {WORTH})") == 2
    assert _open.FEW not in page
    assert _open.UNDEFINED not in table
