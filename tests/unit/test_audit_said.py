"""What an audit says of each finding, in its metrics file and in words, belongs to that finding and to all of it."""

import numpy as np
import pytest

from stages import audit
from stages.judge import groups, verdicts
from stages.judge.columns import sort_into_groups
from stages.judge.measures import proportion
from stages.judge.verdicts import Finding, Limits
from stages.parts import reports
from stages.parts.reports import _words


def _found(right: dict[str, tuple[int, int]], limits: Limits) -> Finding:
    """Judge the accuracy of one column whose groups have so many right of so many pictures."""
    outcomes = np.concatenate([np.arange(size) < num for num, size in right.values()]).astype(float)
    names = np.repeat(list(right), [size for _, size in right.values()])
    way = groups.groupings(sort_into_groups({"g": names}, 20)[0], 10)[0]
    measure = proportion("accuracy", "accuracy", "pictures", outcomes, np.ones(outcomes.size))
    compared = groups.compare(measure, way, min_group=10, num_bootstraps=100, random=np.random.default_rng(0))
    return verdicts.judge([compared], limits)[0]


@pytest.mark.parametrize("max_gap", [0.1, 0.5])
def test_the_pair_is_that_of_the_gap_and_the_decisive_one_has_its_own(max_gap: float) -> None:
    """A tiny group is the best by chance; what fails lies between two large ones, and stands only where it fails."""
    found = _found({"tiny": (11, 11), "large": (480, 500), "poor": (400, 500)}, Limits(max_gap, 0.0, 0.05))
    entry = audit.summary(found.verdict, [], [found])["by_group"]["accuracy"]["g"]
    assert entry["pair"] == ["tiny", "poor"]
    assert (entry["gap"]["value"], entry["gap"]["n"]) == (pytest.approx(0.2), 1011)
    assert ("decisive" in entry) == (max_gap == 0.1)
    if "decisive" in entry:
        gap = entry["decisive"]["gap"]
        assert entry["decisive"]["pair"] == ["large", "poor"]
        assert (gap["value"], gap["n"], gap["pictures"]) == (pytest.approx(0.16), 1000, 1000)
        assert 0.1 < gap["low"] < 0.16 < gap["high"] < 0.22


@pytest.mark.parametrize(
    ("limits", "by", "told"),
    [
        (Limits(0.1, 0.6, 0.05), "by gap and floor", ["site: accuracy", "site x ward: accuracy"]),
        (Limits(0.1, 0.0, 0.05), "by gap", ["site: accuracy", "site x ward: accuracy"]),
        (
            Limits(0.9, 0.6, 0.05), "by floor",
            ["in a group of site (lowest: 50.0 for south), site x ward (lowest: 50.0 for south, a)."],
        ),
    ],
)  # fmt: skip
def test_every_fail_is_told_with_what_fails(limits: Limits, by: str, told: list[str]) -> None:
    """A FAIL by the floor may stand beside any p: row and sentence say what fails, also of an intersection."""
    site, ward, place = np.repeat(["north", "south"], 800), np.tile(["a", "b"], 800), np.arange(1600) % 20
    outcomes = np.where(site == "north", place > 0, place > 9).astype(float)
    measure = proportion("accuracy", "accuracy", "pictures", outcomes, np.ones(outcomes.size))
    ways = groups.groupings(sort_into_groups({"site": site, "ward": ward}, 20)[0], 10)
    random = np.random.default_rng(0)
    findings = verdicts.judge(
        [groups.compare(measure, way, min_group=10, num_bootstraps=100, random=random) for way in ways], limits
    )
    assert [_words.fails_by(f) for f in findings] == [by, "", by]
    reasons = reports.reasons(findings, limits)
    assert len(reasons) == len(told)
    for reason, words in zip(reasons, told, strict=True):
        assert words in reason
        assert ("below the floor of 60" in reason) == ("floor" in by)
        assert ("larger than the 10 allowed" in reason) == ("gap" in by)
