"""An audit exposes a planted bias, invents none, and says when it cannot tell."""

import numpy as np
import pytest

from stages.maths import groups, measures, verdicts
from stages.maths.verdicts import FAIL, PASS, UNDECIDED, Limits

LIMITS = Limits(max_gap=0.1, min_worst_group=0.7, alpha=0.05)


def audit(
    right: np.ndarray, columns: dict[str, np.ndarray], random: np.random.Generator, limits: Limits = LIMITS
) -> list[verdicts.Finding]:
    """Audit the accuracy of (N,) bool outcomes over text columns and their pairs."""
    measure = measures.proportion("accuracy", "accuracy", "pictures", right.astype(float), np.ones(right.size))
    ways = groups.groupings({name: list(values) for name, values in columns.items()})
    found = [
        groups.compare(measure, way, np.ones((1, right.size)), min_group=10, num_permutations=400, random=random)
        for way in ways
    ]
    return verdicts.judge(found, limits)


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
    """Of 100 audits (160 pictures) of a model that errs 30 points more in one setting, 90 % fail, by that column."""
    random, failed, named = np.random.default_rng(1), 0, 0
    for _ in range(100):
        columns = drawn(random, 160, setting="uv", ink="dl", light="abc")
        right = random.random(160) < np.where(columns["setting"] == "v", 0.65, 0.95)
        findings = audit(right, columns, random)
        failed += verdicts.overall(findings) == FAIL
        named += any(f.verdict == FAIL and f.comparison.grouping.columns == ("setting",) for f in findings)
    assert failed >= 90
    assert named >= 88


def test_a_bias_hidden_in_an_intersection_is_exposed() -> None:
    """Dark women alone fare badly, neither all dark nor all women do by much: the intersection fails the audit."""
    random = np.random.default_rng(2)
    columns = {"shade": np.repeat(["d", "l"], 200), "sex": np.tile(["f", "m"], 200)}
    right = random.random(400) < np.where((columns["shade"] == "d") == (columns["sex"] == "f"), 0.80, 0.97)
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
        both = groups.groupings({k: list(v) for k, v in columns.items()})[-1]
        measure = measures.proportion("accuracy", "accuracy", "pictures", right.astype(float), np.ones(800))
        strata = classes if right is hard else (np.arange(800) % 2)
        found = groups.compare(
            measure, both, np.ones((1, 800)), min_group=10, num_permutations=400, random=random, strata=strata
        )
        assert verdicts.judge([found], verdicts.Limits(0.99, 0.8, 0.05))[0].floor_fails == fails
