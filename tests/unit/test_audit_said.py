"""What an audit says of each finding, in its metrics file and in words, belongs to that finding and to all of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages import audit
from stages.core import artefacts, files
from stages.judge import degenerate, groups, units, verdicts
from stages.judge.columns import sort_into_groups
from stages.judge.measures import proportion
from stages.judge.verdicts import PASS, UNDECIDED, Finding, Limits
from stages.parts import reports
from stages.parts.reports import _words
from tests import judging


def _found(right: dict[str, tuple[int, int]], limits: Limits, size: int = 1) -> Finding:
    """Judge the accuracy of one column whose groups have so many right of so many pictures, told as units of a size."""
    outcomes = np.concatenate([np.arange(size) < num for num, size in right.values()]).astype(float)
    names = np.repeat(list(right), [size for _, size in right.values()])
    way = groups.groupings(sort_into_groups({"g": names}, 20)[0], 10)[0]
    measure = proportion("accuracy", "accuracy", "pictures", outcomes, np.ones(outcomes.size))
    compared = groups.compare(measure, way, min_group=10, num_bootstraps=100, random=np.random.default_rng(0))
    told = tuple(replace(e, num_units=e.num_pictures // size) for e in compared.estimates)
    owner = units.of([str(place // size) for place in range(outcomes.size)])
    return verdicts.judge([replace(compared, estimates=told, units=owner)], limits)[0]


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


@pytest.mark.parametrize("right", [20, 17, 0])
def test_equal_figures_are_those_of_two_groups(right: int) -> None:
    """A pair is two groups, also where there is no gap: in the metrics file, in words, and as the worst group."""
    for names in ("AB", "ABC"):
        found = _found(dict.fromkeys(names, (right, 20)), Limits(0.1, 0.1, 0.05))
        entry = audit.summary(found.verdict, [], [found])["by_group"]["accuracy"]["g"]
        assert (entry["pair"], entry["worst_group"]["name"]) == (["A", "B"], "B")
        assert (entry["gap"]["value"], entry["gap"]["low"]) == (0, 0)
        (reason,) = reports.reasons([found], found.limits)
        figure = f"{5 * right:.1f} for"
        assert f"accuracy is {figure} B and {figure} A" in reason or f"(lowest: {figure} B)" in reason
        assert len(set(found.pair)) == 2


def test_of_equal_groups_at_an_end_the_first_is_named() -> None:
    """Beside a group that differs both ends stay what they were: the first of the highest, the first of the lowest."""
    for rights, pair in (((20, 10, 10), (0, 1)), ((10, 20, 20), (1, 0)), ((10, 10, 20), (2, 0)), ((20, 20, 10), (0, 2))):
        found = _found({name: (right, 20) for name, right in zip("ABC", rights, strict=True)}, Limits(0.1, 0.1, 0.05))
        assert (found.comparison.best, found.comparison.worst) == pair


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


def test_what_would_tell_is_counted_in_what_is_drawn_and_sensible() -> None:
    """Units where units are drawn; where it takes more than twenty times as many, no number."""
    far, limits = {"a": (90, 100), "b": (80, 100)}, Limits(0.15, 0.0, 0.05)
    alone, held = _found(far, limits), _found(far, limits, size=5)
    assert alone.more == held.more == alone.more_units
    assert held.more_units == -(-(held.more or 0) // 5) > 0
    assert f"about {alone.more:,} more labelled test pictures" in reports.reasons([alone], limits)[0]
    assert f"about {held.more_units:,} more units of labelled test pictures" in reports.reasons([held], limits)[0]
    few = _found({"a": (90, 100), "b": (88, 100)}, Limits(0.114, 0.0, 0.05), size=5)
    assert (few.more, few.more_units) == (5, 1)
    assert "about 1 more unit of labelled test pictures would" in reports.reasons([few], few.limits)[0]
    for max_gap in (0.101, 0.11, 0.12, 0.15, 0.2):
        found = _found(far, Limits(max_gap, 0.0, 0.05))
        assert found.more is None or found.more <= 20 * 200
    close = _found(far, Limits(0.105, 0.0, 0.05))
    (reason,) = reports.reasons([close], close.limits)
    assert close.more is None
    assert "no reasonable number of further pictures would tell: allow a larger max_gap" in reason


def _told(values: list[float], sizes: list[int], names: str = "abc") -> tuple[list[str], list[str]]:
    """Return the reasons, and what was left open, of an audit of groups with given figures and numbers of pictures."""
    right = np.concatenate([np.full(size, value) for value, size in zip(values, sizes, strict=True)])
    known = np.isfinite(right)
    measure = proportion("accuracy", "accuracy", "pictures", np.where(known, right, 0.0), known.astype(float))
    way = groups.Grouping(("g",), tuple(names), np.repeat(np.arange(len(sizes)), sizes))
    found = groups.compare(measure, way, min_group=10, num_bootstraps=100, random=np.random.default_rng(0))
    limits = Limits(0.2, 0.5, 0.05)
    findings = verdicts.judge([found], limits)
    return reports.reasons(findings, limits), reports.left_open(findings, {}, [], {}, 10, reports.Drawn())


def test_a_pass_says_every_group_only_where_every_one_was_compared() -> None:
    """A small group, or one without a figure, is none of those that the sentence speaks of, and is named by its reason."""
    assert "every group above the floor" in _told([1, 1], [99, 99], "ab")[0][0]
    for values, sizes, line in (
        ([1, 1, 0], [99, 99, 9], "groups of fewer than 10 pictures: g c"),
        ([1, 1, np.nan], [99, 99, 30], "groups whose figure is not defined: accuracy of g c"),
    ):
        reasons, left = _told(values, sizes)
        assert "every compared group above the floor" in reasons[0]
        assert left == [line]
    assert _told([1, np.nan], [99, 99], "ab")[1] == ["fewer than two groups whose figure is defined: accuracy by g"]


@pytest.mark.parametrize("held_up", ["degenerate", "unasked", "column", ""])
def test_words_decide_nothing(held_up: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict is the same where reports have no sentence for what holds a pass up: judge decides, reports word it."""
    data = judging.project(tmp_path, monkeypatch)
    if held_up == "column":
        table = data.manifest.assign(group_id=[f"x{n}" for n in range(len(data.manifest))])
        table.to_parquet(data.root / "manifest.parquet", index=False)
    judging.judged("classify", data, monkeypatch, judging.answer("classify", data))
    place = artefacts.evaluate_metrics("classify")
    content = files.read_json(place)
    if held_up == "degenerate":
        content[degenerate.KEY] = [{"kind": "few_units", "reason": "six", "figures": []}]
    if held_up == "unasked":
        del content[degenerate.KEY]
    files.write_json(place, content)
    told = []
    for _ in range(2):
        judging.run(audit, "classify", max_gap=1.0, min_worst_group=0.0)
        told.append(files.read_json(artefacts.audit_metrics("classify"))["verdict"])
        for name in ("nothing", "refusals", "remarks", "left_open"):
            monkeypatch.setattr(reports, name, lambda *_: [])
    assert told == [UNDECIDED if held_up else PASS] * 2
