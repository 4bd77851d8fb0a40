"""An audit exposes a planted bias, invents none, and says when it cannot tell."""

from collections.abc import Callable

import numpy as np
import pytest

from stages.judge import groups, measures, permutations, units, verdicts
from stages.judge.columns import sort_into_groups
from stages.judge.groups import Comparison
from stages.judge.measures import Measure
from stages.judge.verdicts import FAIL, PASS, UNDECIDED, Limits

LIMITS = Limits(max_gap=0.1, min_worst_group=0.7, alpha=0.05)


def compared(measure: Measure, columns: dict[str, np.ndarray], random: np.random.Generator) -> list[Comparison]:
    """Compare a figure over text columns and their pairs."""
    ways = groups.groupings(sort_into_groups(columns, 20)[0], 10)
    return [groups.compare(measure, way, min_group=10, num_bootstraps=100, random=random) for way in ways]


def audit(
    right: np.ndarray, columns: dict[str, np.ndarray], random: np.random.Generator, limits: Limits = LIMITS
) -> list[verdicts.Finding]:
    """Audit the accuracy of (N,) bool outcomes over text columns and their pairs."""
    measure = measures.proportion("accuracy", "accuracy", "pictures", right.astype(float), np.ones(right.size))
    return verdicts.judge(compared(measure, columns, random), limits)


def within(classes: np.ndarray) -> Callable[[Comparison], permutations.Dealer]:
    """Return what deals groups out anew within classes, (N,)."""

    def deal(comparison: Comparison) -> permutations.Dealer:
        return permutations.Dealer(
            comparison, classes, num_deals=400, allowed=0.1, random=lambda *at: np.random.default_rng([5, *np.abs(at)])
        )

    return deal


def drawn(random: np.random.Generator, num: int, **names: str) -> dict[str, np.ndarray]:
    """Draw columns of two or more groups each, given as letters."""
    return {name: random.choice(list(letters), num) for name, letters in names.items()}


def test_no_bias_is_not_invented() -> None:
    """Of 200 audits of models that treat all groups alike, at most 5 % (and sampling error) fail."""
    random, failed = np.random.default_rng(0), 0
    for _ in range(200):
        columns = drawn(random, 160, setting="uv", ink="dl", light="abc")
        failed += verdicts.overall(audit(random.random(160) < 0.9, columns, random)) == FAIL
    assert failed <= 17  # the 97.5 % point of Binomial(200, 0.05)


def test_a_planted_bias_is_exposed() -> None:
    """Of 100 audits (600 pictures) of a model that errs 30 points more in one setting, 90 % fail, by that column."""
    random, failed, named = np.random.default_rng(1), 0, 0
    for _ in range(100):
        columns = drawn(random, 600, setting="uv", ink="dl", light="abc")
        right = random.random(600) < np.where(columns["setting"] == "v", 0.65, 0.95)
        findings = audit(right, columns, random)
        failed += verdicts.overall(findings) == FAIL
        named += any(f.verdict == FAIL and f.comparison.grouping.columns == ("setting",) for f in findings)
    assert failed >= 90
    assert named >= 88


def test_a_bias_hidden_in_an_intersection_is_exposed() -> None:
    """Dark women alone fare badly, neither all dark nor all women do by much: the intersection fails the audit."""
    random = np.random.default_rng(2)
    columns = {"shade": np.repeat(["d", "l"], 400), "sex": np.tile(["f", "m"], 400)}
    right = random.random(800) < np.where((columns["shade"] == "d") == (columns["sex"] == "f"), 0.74, 0.97)
    findings = audit(right, columns, random, Limits(0.1, 0.3, 0.05))
    assert [f.verdict for f in findings][:2] != [FAIL, FAIL]
    assert findings[2].verdict == FAIL
    assert verdicts.overall(findings) == FAIL


def test_few_pictures_are_undecided_and_many_pass() -> None:
    """The same model is UNDECIDED on 60 pictures, with the number still needed, and PASS on about that many."""
    random = np.random.default_rng(3)

    def once(num: int) -> verdicts.Finding:
        codes = np.tile(["a", "b"], num // 2)
        right = np.ones(num, bool)
        right[: num // 25] = False
        return audit(right, {"g": codes}, random)[0]

    few = once(60)
    assert (few.verdict, verdicts.overall([few])) == (UNDECIDED, UNDECIDED)
    assert few.more is not None
    assert once(2 * (60 + few.more)).verdict == PASS
    assert once(60 + few.more // 6 * 2).verdict == UNDECIDED


def test_an_intersection_that_is_not_shown_to_be_within_the_limit_holds_a_pass_up() -> None:
    """Columns that pass do not pass for their intersection, whose cells may differ more than either."""
    random = np.random.default_rng(7)
    columns = {"a": np.repeat(["x", "y"], 700), "b": np.tile(["u", "v"], 700)}
    cell = np.flatnonzero((columns["a"] == "x") & (columns["b"] == "u"))
    right = np.ones(1400, bool)
    right[cell[:28]] = False
    findings = audit(right, columns, random)
    assert [f.verdict for f in findings] == [PASS, PASS, UNDECIDED]
    assert verdicts.overall(findings) == UNDECIDED


def test_a_group_below_the_floor_fails_without_a_gap() -> None:
    """Groups that are equally bad fail the floor, and only beyond doubt."""
    random = np.random.default_rng(4)
    columns = {"g": np.tile(["a", "b"], 200)}
    bad = audit(np.arange(400) // 2 % 10 < 5, columns, random)[0]
    assert (bad.verdict, bad.floor_fails, bad.gap_fails) == (FAIL, True, False)
    close = audit(np.arange(400) // 2 % 3 > 0, columns, random)[0]
    assert close.verdict == UNDECIDED


def test_nothing_to_audit_is_no_pass() -> None:
    """No column, a single group, or groups too small give UNDECIDED."""
    random = np.random.default_rng(5)
    assert verdicts.overall([]) == UNDECIDED
    assert verdicts.overall(audit(np.ones(50, bool), {"g": np.repeat("a", 50)}, random)) == UNDECIDED
    both = {"g": np.tile(["a", "b"], 300), "lone": np.repeat("a", 600)}
    assert verdicts.overall(audit(np.ones(600, bool), both, random)) == PASS  # a lone group holds nothing up
    assert verdicts.overall(audit(np.ones(12, bool), {"g": np.tile(["a", "b"], 6)}, random)) == UNDECIDED


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (["x"] * 591 + [None] * 9, PASS),  # nothing to compare with: nine pictures that nobody can place
        (["x"] * 590 + [None] * 10, UNDECIDED),  # ten are a group, and too few to be shown to be within
        (["x"] * 300 + [None] * 300, PASS),
        (["x"] * 591 + ["y"] * 9, UNDECIDED),  # two values, of which one is too small to tell
        (["x"] * 591 + ["y"] * 8 + [None], UNDECIDED),
        (["x"] * 9 + [None] * 591, UNDECIDED),
        ([None] * 600, PASS),
    ],
)
def test_few_pictures_without_a_value_make_no_comparison_of_one_value(values: list[str | None], verdict: str) -> None:
    """Beside a column that passes: one value and few unknown hold nothing up, whatever could be compared does."""
    columns = {"g": np.tile(["a", "b"], 300), "lone": np.array(values, dtype=object)}
    findings = audit(np.ones(600, bool), columns, np.random.default_rng(5))
    assert verdicts.overall(findings) == verdict
    assert [f.verdict for f in findings if f.comparison.grouping.columns == ("g",)] == [PASS]


def test_a_column_that_parts_nothing_is_crossed_with_none() -> None:
    """A pair with it would be the other column once more, as further claims: by pictures, or by units of them."""
    columns = {"g": np.tile(["a", "b"], 20), "lone": np.array(["x"] * 28 + [None] * 12, dtype=object)}
    found = sort_into_groups(columns, 20)[0]
    ways = [("g",), ("lone",)]
    clips = units.of([str(n // 2) for n in range(40)])
    for min_group, held, crossed in ((12, None, True), (13, None, False), (6, clips, True), (7, clips, False)):
        named = [way.columns for way in groups.groupings(found, min_group, held)]
        assert named == [*ways, *([("g", "lone")] if crossed else [])]


def test_what_lies_exactly_on_a_limit_is_within() -> None:
    """Where every gap and every figure are allowed all groups pass, also those whose bounds are 0 and 1 themselves."""
    columns = {"g": np.repeat(["a", "b"], 300)}
    loosest = Limits(max_gap=1.0, min_worst_group=0.0, alpha=0.05)
    for right in (np.arange(600) < 300, np.zeros(600, bool)):
        finding = audit(right, columns, np.random.default_rng(0), loosest)[0]
        assert 0.0 in finding.comparison.bounds(exact=True)[1]
        assert finding.verdict == PASS


def test_a_gap_at_the_limit_names_no_number() -> None:
    """Where no sensible number of pictures would settle it, none is named."""
    random = np.random.default_rng(6)
    right = np.r_[np.arange(100) < 95, np.arange(100) < 85]
    found = audit(right, {"g": np.repeat(["a", "b"], 100)}, random)[0]
    assert (found.verdict, found.more) == (UNDECIDED, None)
    assert found.comparison.gap()[0] == pytest.approx(0.1)


def test_an_intersection_of_difficult_classes_does_not_fail_the_floor() -> None:
    """A cell that lies below the floor because its class is difficult fails nothing; one that is treated worse does."""
    random = np.random.default_rng(8)
    columns = {"a": np.tile(np.repeat(["x", "y"], 100), 4), "b": np.repeat(["u", "v"], 400)}
    cell = (columns["a"] == "x") & (columns["b"] == "u")
    classes = np.where(cell & (np.arange(800) % 10 > 0), 1, 0)
    hard = random.random(800) < np.where(classes == 1, 0.5, 0.99)
    treated = random.random(800) < np.where(cell, 0.5, 0.99)
    for right, fails in ((hard, False), (treated, True)):
        measure = measures.proportion("accuracy", "accuracy", "pictures", right.astype(float), np.ones(800))
        strata = classes if right is hard else (np.arange(800) % 2)
        found = compared(measure, columns, random)[-1]
        finding = verdicts.judge([found], Limits(0.99, 0.8, 0.05), within(strata))[0]
        assert (finding.floor_fails, finding.explained) == (fails, not fails)


def _asked(columns: dict[str, np.ndarray], right: np.ndarray) -> list[str]:
    """Return the groupings whose deals an audit asks for."""
    asked: list[str] = []
    measure = measures.proportion("accuracy", "accuracy", "pictures", right.astype(float), np.ones(right.size))

    def deal(comparison: Comparison) -> permutations.Asked:
        asked.append(" x ".join(comparison.grouping.columns))
        return lambda *_: None

    verdicts.judge(compared(measure, columns, np.random.default_rng(0)), LIMITS, deal)
    return asked


def test_classes_are_asked_only_where_the_bounds_say_fail() -> None:
    """A wide gap is asked about once, what is within the limit never."""
    wide = np.r_[np.ones(300, bool), np.arange(300) % 2 > 0]
    assert _asked({"wide": np.repeat(["a", "b"], 300)}, wide) == ["wide"]
    assert _asked({"even": np.tile(["c", "d"], 300)}, np.ones(600, bool)) == []


def test_a_gap_that_classes_explain_fails_nothing() -> None:
    """A group of a difficult class has a gap above the limit beyond doubt, and no verdict of its own."""
    random, limits = np.random.default_rng(9), Limits(0.1, 0.3, 0.05)
    classes = np.repeat([0, 1], 400)
    codes = np.where(random.random(800) < 0.9, classes, 1 - classes)
    right = random.random(800) < np.where(classes == 1, 0.6, 0.98)
    measure = measures.proportion("accuracy", "accuracy", "pictures", right.astype(float), np.ones(800))
    found = compared(measure, {"g": codes.astype(str)}, random)
    blind = verdicts.judge(found, limits)[0]
    aware = verdicts.judge(found, limits, within(classes))[0]
    apart = verdicts.judge(found, limits, within(codes))[0]
    assert (blind.verdict, aware.verdict, apart.verdict) == (FAIL, UNDECIDED, UNDECIDED)
    assert (blind.explained, aware.explained, apart.explained) == (False, True, True)
    assert (apart.p, aware.more) == (1.0, None)


def test_p_is_the_smallest_alpha_that_fails() -> None:
    """A little above p the gap fails, a little below it does not; with more claims in the audit p grows alike."""
    random = np.random.default_rng(10)
    right = np.r_[np.arange(200) < 190, np.arange(200) < 140]
    columns = {"g": np.repeat(["a", "b"], 200)}
    p = audit(right, columns, random)[0].p
    assert 1e-6 < p < 0.4
    above, below = (audit(right, columns, random, Limits(0.1, 0.0, p * f))[0].verdict for f in (1.01, 0.99))
    assert (above, below) == (FAIL, UNDECIDED)
    twice = audit(right, columns | {"h": np.tile(["c", "d"], 200)}, random)
    assert twice[0].p == pytest.approx(p * (4 + 4 + 16) / 4, rel=1e-3)
    assert audit(np.ones(400, bool), columns, random)[0].p == 1.0


def test_the_pair_that_fails_need_not_be_the_widest() -> None:
    """A tiny group without errors is the best by chance; the gap that is shown lies between two large groups."""
    right = np.r_[np.ones(11, bool), np.arange(500) < 480, np.arange(500) < 400]
    names = np.repeat(["tiny", "large", "poor"], [11, 500, 500])
    found = audit(right, {"g": names}, np.random.default_rng(11), Limits(0.1, 0.0, 0.05))[0]
    assert found.gap_fails
    assert [found.comparison.grouping.names[g] for g in found.pair] == ["large", "poor"]
    assert found.comparison.grouping.names[found.comparison.best] == "tiny"


def test_nothing_passes_while_a_column_is_not_audited() -> None:
    """An id column that was refused holds a PASS up, and no FAIL."""
    random = np.random.default_rng(12)
    good = audit(np.ones(600, bool), {"g": np.tile(["a", "b"], 300)}, random)
    assert (verdicts.overall(good), verdicts.overall(good, complete=False)) == (PASS, UNDECIDED)
    bad = audit(np.arange(600) % 2 > 0, {"g": np.tile(["a", "b"], 300)}, random)
    assert verdicts.overall(bad, complete=False) == FAIL


def test_a_small_group_in_the_middle_holds_a_pass_up() -> None:
    """Best and worst are shown to be within the limit, a group between them is too small for that: no PASS."""
    names, right = np.repeat(["a", "b", "c"], [2000, 2000, 40]), np.r_[np.arange(4000) % 2000 < 1960, np.arange(40) < 39]
    right[2000:2020] = False
    random = np.random.default_rng(13)
    findings = audit(right, {"g": names}, random)[0], audit(right[:4000], {"g": names[:4000]}, random)[0]
    assert findings[0].comparison.worst != 2 != findings[0].comparison.best
    assert [f.verdict for f in findings] == [UNDECIDED, PASS]


def test_what_says_nothing_by_one_figure_passes_by_another() -> None:
    """Of two figures that would pass the one that is named is left undecided, with no number of pictures; a FAIL stands."""
    random = np.random.default_rng(5)
    right, columns = random.random(2000) < 0.95, drawn(random, 2000, setting="uv")
    (good,), faults = audit(right, columns, random), {"accuracy": {"constant_answer": "cat is as good"}}
    (poor,) = audit(right & (columns["setting"] == "v"), columns, random)
    assert (good.verdict, poor.verdict) == (PASS, FAIL)
    held = verdicts.withheld([good, poor], faults)
    assert [one.verdict for one in held] == [UNDECIDED, FAIL]
    assert held[0].more is None
    assert [one.verdict for one in verdicts.withheld([good, poor], {"macro_f1": {"exact": "all"}})] == [PASS, FAIL]
