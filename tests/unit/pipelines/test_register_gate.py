"""The gate lets a model become champion only when floor, audit and comparison all allow it, and says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.register import Params
from pipelines.register.gate import Evidence, Figure, decide

RULES = {
    "name": "shapes",
    "metric": "accuracy",
    "min_quality": 0.8,
    "judged_by": "low",
    "max_drop": 0.01,
    "max_class_drop": 0.1,
}


def params(**changes) -> Params:
    return Params(**{**RULES, "allow_undecided": False, **changes})


def evidence(value=0.9, half=0.03, **changes) -> Evidence:
    figure = Figure(value, value - half, value + half, 200)
    return Evidence(**{"metric": "accuracy", "figure": figure, "verdict": "PASS", "test_data": "t" * 64, **changes})


def answers(right: int, num: int = 100) -> dict[str, float]:
    return {f"{index:03d}": float(index < right) for index in range(num)}


def failed(model, champion=None, **changes) -> list[str]:
    return [check.name for check in decide(model, champion, params(**changes)).checks if not check.holds]


def test_the_first_good_model_becomes_champion():
    """Without a champion the floor and the audit decide."""
    assert failed(evidence()) == []


def test_the_floor_is_judged_on_what_the_parameter_says():
    """0.82 with a low end of 0.79 passes by its value and not by its interval."""
    assert failed(evidence(0.82)) == ["quality"]
    assert failed(evidence(0.82), judged_by="value") == []


@pytest.mark.parametrize(("verdict", "allowed", "expected"), [
    ("FAIL", True, ["audit"]), ("FAIL", False, ["audit"]),
    ("UNDECIDED", True, []), ("UNDECIDED", False, ["audit"]), ("PASS", False, []),
])  # fmt: skip
def test_the_audit_must_not_fail(verdict, allowed, expected):
    """FAIL never passes; UNDECIDED passes where it is allowed."""
    assert failed(evidence(verdict=verdict), allow_undecided=allowed) == expected


def test_other_test_data_is_not_compared():
    """Figures on other pictures say nothing: the model stays challenger, however good, and the reason says so."""
    decision = decide(evidence(0.99), evidence(0.85, test_data="u" * 64), params())
    assert not decision.champion
    assert "other test data" in decision.lines()["champion"]


def test_a_paired_loss_is_found_where_two_intervals_overlap():
    """Eight of a hundred pictures lost and none won is a loss, although each interval contains the other's value."""
    old, new = evidence(0.95, outcomes=answers(95)), evidence(0.87, 0.06, outcomes=answers(87))
    assert "champion" in failed(new, old, max_drop=0.2, min_quality=0.5)
    without = failed(evidence(0.89, 0.06), evidence(0.95, 0.06), max_drop=0.2, min_quality=0.5)
    assert "champion" not in without


def test_a_drop_within_the_allowance_that_no_interval_shows_is_no_loss():
    """One picture of a hundred less is allowed by max_drop 0.01."""
    assert failed(evidence(0.94, outcomes=answers(94)), evidence(0.95, outcomes=answers(95)), min_quality=0.5) == []
    assert failed(evidence(0.93, outcomes=answers(93)), evidence(0.95, outcomes=answers(95)), min_quality=0.5) == [
        "champion"
    ]


def test_replicates_are_paired():
    """A small loss in every bootstrap is a loss, though the replicates of both spread widely."""
    base = [0.5 + 0.001 * (index % 300) for index in range(1000)]
    old = evidence(0.65, 0.15, replicates=[b + 0.02 for b in base])
    new = evidence(0.63, 0.15, replicates=base)
    assert failed(new, old, max_drop=0.05, min_quality=0.2) == ["champion"]
    assert failed(evidence(0.63, 0.15), evidence(0.65, 0.15), max_drop=0.05, min_quality=0.2) == []


def test_no_class_may_pay_for_the_mean():
    """A class that falls by more than max_class_drop, or is gone, keeps the model a challenger."""
    old = evidence(classes={"cat": Figure(0.9), "dog": Figure(0.8), "rare": Figure(None)})
    worse = evidence(0.95, classes={"cat": Figure(0.95), "dog": Figure(0.6), "rare": Figure(None)})
    decision = decide(worse, old, params())
    assert [c.name for c in decision.checks if not c.holds] == ["classes"]
    assert "dog by 0.200" in decision.lines()["classes"]
    assert failed(worse, old, max_class_drop=None) == []
    assert failed(evidence(0.95, classes={"cat": Figure(0.95)}), old) == ["classes"]


def test_an_undefined_figure_never_passes():
    """Undefined is null: it is neither above the floor nor not worse."""
    undefined = evidence(figure=Figure(None, None, None, 0))
    assert failed(undefined) == ["quality"]
    assert failed(undefined, evidence()) == ["quality", "champion"]
    assert failed(evidence(), undefined) == ["champion"]


@given(st.floats(0, 1), st.floats(0, 0.5))
def test_a_model_is_never_worse_than_itself(value, half):
    """Registering the champion's equal passes every comparison."""
    model = evidence(value, half, classes={"a": Figure(value)}, outcomes=answers(round(value * 100)))
    assert set(failed(model, model)) <= {"quality"}
    plain = evidence(value, half, replicates=[value, None, value / 2])
    assert set(failed(plain, plain)) <= {"quality"}


def test_evidence_reads_back():
    """What is stored with a version is what a later gate compares with."""
    full = evidence(
        classes={"a": Figure(0.5, n=3)}, outcomes=answers(2, 3), replicates=[0.1, None], figures={"f1": Figure(0.7)}
    )
    assert Evidence.from_json(full.to_json()) == full
