"""The gate lets a model become champion only when floor, audit and comparison all allow it, and says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.register import Params
from pipelines.register.gate import decide
from pipelines.register.judgement import Code, Evidence, Figure, Former, Unjudged

RULES = {
    "name": "shapes",
    "metric": "accuracy",
    "min_quality": 0.8,
    "judged_by": "low",
    "max_drop": 0.01,
    "max_class_drop": 0.1,
    "allow_degenerate": False,
}


def params(**changes) -> Params:
    return Params(**{**RULES, "allow_undecided": False, "code": "clean", "incomparable_champion": "refuse", **changes})


def evidence(value=0.9, half=0.03, **changes) -> Evidence:
    figure = Figure(value, value - half, value + half, 200)
    return Evidence(
        **{"metric": "accuracy", "figure": figure, "verdict": "PASS", "test_data": "t" * 64, "degenerate": {}, **changes}
    )


def answers(right: int, num: int = 100) -> dict[str, float]:
    return {f"{index:03d}": float(index < right) for index in range(num)}


CLEAN = Code(clean=True, reason="all 9 files of code equal the commit")
EDITED = Code(clean=False, reason="the code has uncommitted changes")


def failed(model, champion=None, code=CLEAN, older=False, former=None, **changes) -> list[str]:
    decision = decide(model, champion, params(**changes), code, older=older, former=former)
    return [check.name for check in decision.checks if not check.holds]


def reason(check, *models, **changes) -> str:
    return decide(*models, params(**changes), CLEAN).lines()[check]


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


def test_what_was_not_audited_stands_beside_the_permission():
    """Whoever allows UNDECIDED reads what that was, and why."""
    model = evidence(verdict="UNDECIDED", left_open=["everything: the data set has no group column"])
    line = decide(model, None, params(allow_undecided=True), CLEAN).lines()["audit"]
    assert line == (
        "yes: the audit says UNDECIDED, which is allowed (allow_undecided); "
        "not audited: everything: the data set has no group column"
    )


@pytest.mark.parametrize("other", [{"test_data": "u" * 64}, {"measured": {"settings": {"min_score": 0.9}}}])
def test_figures_on_other_test_data_are_never_compared(other):
    """Figures on other pictures, or by another score, say nothing: whoever asks must have judged the champion as now."""
    with pytest.raises(ValueError, match="measured alike on the same test data"):
        failed(evidence(0.99), evidence(0.85, **other))


@pytest.mark.parametrize(("policy", "older", "expected"), [
    ("refuse", False, ["champion"]), ("replace", False, []), ("replace", True, ["champion"]), ("refuse", True, ["champion"]),
])  # fmt: skip
def test_a_champion_that_cannot_be_judged_is_replaced_by_policy_alone(policy, older, expected):
    """The reason names why and what a person can do; an older model never replaces one it was not compared with."""
    champion = Unjudged("version 1: it knows other classes")
    decision = decide(evidence(0.99), champion, params(incomparable_champion=policy), CLEAN, older=older)
    assert [c.name for c in decision.checks if not c.holds] == expected
    assert "it knows other classes" in decision.lines()["champion"]
    if expected:
        assert "by hand" in decision.lines()["champion"]


@pytest.mark.parametrize(("code", "policy", "expected"), [
    (CLEAN, "clean", []), (CLEAN, "any", []), (EDITED, "clean", ["code"]), (EDITED, "any", []),
])  # fmt: skip
def test_the_gate_asks_for_known_and_clean_code(code, policy, expected):
    """Edited or unknown code keeps a model a challenger, unless the rules say that this is exploration."""
    decision = decide(evidence(), None, params(code=policy), code)
    assert [c.name for c in decision.checks if not c.holds] == expected
    assert code.reason in decision.lines()["code"]


@pytest.mark.parametrize(("right", "expected"), [(88, ["champion"]), (90, ["champion"]), (91, ["champion"]), (99, [])])
def test_an_older_model_must_be_better(right, expected):
    """What was registered before the champion comes back only when the interval shows a gain; one picture is chance."""
    old, champion = evidence(right / 100, outcomes=answers(right)), evidence(0.90, outcomes=answers(90))
    assert failed(old, champion, older=True) == expected
    assert failed(champion, champion, older=False) == []


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
    decision = decide(worse, old, params(), CLEAN)
    assert [c.name for c in decision.checks if not c.holds] == ["classes"]
    assert "dog by 0.200" in decision.lines()["classes"]
    assert failed(worse, old, max_class_drop=None) == []
    assert failed(evidence(0.95, classes={"cat": Figure(0.95)}), old) == ["classes"]


def test_small_losses_do_not_add_up_from_champion_to_champion():
    """Each loses two of 200 pictures to the one before, which no interval shows; two in a row are more than 0.01."""
    models = [evidence((190 - 2 * k) / 200, outcomes=answers(190 - 2 * k, 200)) for k in range(4)]
    assert failed(models[1], models[0]) == []
    assert failed(models[2], models[1]) == []
    decision = decide(models[2], models[1], params(), CLEAN, former=Former("7", models[0]))
    assert [one.name for one in decision.checks if not one.holds] == ["former"]
    told = decision.lines()["former"]
    assert told.startswith("no: worse than version 7, the best former champion by 0.020, more than 0.010: paired over 200 ")


def test_losses_of_one_class_do_not_add_up_from_champion_to_champion():
    """While the headline rises, cat falls by what is allowed each time: the second such step is one too many."""
    past: list = []
    for step in range(4):
        model = evidence(0.8 + 0.01 * step, classes={"cat": Figure(0.9 - 0.1 * step), "dog": Figure(0.7 + 0.05 * step)})
        former = Former("1", past[-2], tuple(past[:-2])) if len(past) > 1 else None
        decision = decide(model, past[-1] if past else None, params(min_quality=0.5), CLEAN, former=former)
        refused = [one.name for one in decision.checks if not one.holds]
        assert refused == (["former"] if step > 1 else [])
        if step > 1:
            told = f"no: of those that a former champion was better in, fell by more than 0.100: cat by 0.{step}00"
            assert decision.lines()["former"] == told
        past.append(model)
    assert failed(past[3], past[2], min_quality=0.5) == []


@pytest.mark.parametrize(("right", "expected"), [(94, ["former"]), (95, [])])
def test_a_champion_that_cannot_be_judged_and_is_replaced_leaves_the_former_ones_as_marks(right, expected):
    """Who replaces it must still hold against the best before it."""
    former = Former("1", evidence(0.96, outcomes=answers(96)))
    model = evidence(right / 100, outcomes=answers(right))
    assert failed(model, Unjudged("other"), former=former, incomparable_champion="replace") == expected


def test_each_class_is_held_against_the_best_of_any_former_champion():
    """Neither the best by headline nor the present one was the best in every class; a class that none knows asks nothing."""
    best = evidence(0.95, classes={"cat": Figure(0.5), "rare": Figure(None)})
    other = evidence(0.85, classes={"cat": Figure(0.9)})
    now = evidence(0.96, classes={"cat": Figure(0.75), "dog": Figure(0.9)})
    former = Former("1", best, (other,))
    for cat, holds in ((0.8, True), (0.79, False)):
        model = evidence(0.97, classes={"cat": Figure(cat), "dog": Figure(0.9)})
        decision = decide(model, now, params(), CLEAN, former=former)
        assert [one.name for one in decision.checks if not one.holds] == ([] if holds else ["former"])
    assert "former" not in decide(model, now, params(max_class_drop=None), CLEAN, former=former).lines()


@given(st.integers(150, 200), st.integers(150, 200), st.integers(150, 200))
def test_a_former_champion_is_asked_only_where_it_is_better_than_the_present_one(new, now, before):
    """What it asks for is what the present champion asks for, and where it is no better it asks for nothing more."""
    model, champion, former = (evidence(right / 200, outcomes=answers(right, 200)) for right in (new, now, before))
    own = {one.name: one.holds for one in decide(model, champion, params(), CLEAN, former=Former("1", former)).checks}
    asked = {one.name: one.holds for one in decide(model, former, params(), CLEAN).checks}
    assert ("former" in own) == (before > now)
    assert own.get("former", True) == (asked["champion"] or before <= now)


def test_no_class_pays_for_what_champions_gained_and_lost():
    """Against the former champion the classes count as they do against the present one."""
    models = [evidence(0.92 - 0.005 * k, classes={"a": Figure(0.9 - 0.08 * k)}) for k in range(3)]
    assert failed(models[2], models[1]) == []
    told = decide(models[2], models[1], params(), CLEAN, former=Former("1", models[0])).lines()["former"]
    assert told.startswith("no: ")
    assert told.endswith("fell by more than 0.100: a by 0.160")


def test_no_reason_claims_that_a_model_is_as_good():
    """One picture of a hundred lost shows nothing: the reason says that it was not shown, not that it is not so."""
    old, new = evidence(0.9, outcomes=answers(90)), evidence(0.89, outcomes=answers(89))
    assert reason("champion", new, old).startswith("yes: not shown to be worse than the champion: paired over 100 ")
    lost = evidence(0.82, outcomes=answers(82))
    assert reason("champion", lost, old, max_drop=0.5).startswith("no: shown to be worse than the champion: paired over ")


FAULT = {"constant_answer": "always saying cat is as good"}


def test_evidence_reads_back():
    """What is stored with a version is what a later gate compares with."""
    full = evidence(
        classes={"a": Figure(0.5, n=3)}, outcomes=answers(2, 3), replicates=[0.1, None], figures={"f1": Figure(0.7)}
    )
    assert Evidence.from_json(full.to_json()) == full
    by = {"degenerate": [{"kind": "exact", "reason": "all right", "figures": ["f1"]}], "degenerate_asked": ["f1"]}
    faulty = evidence(degenerate=FAULT, left_open=["one group alone: site"], degenerate_by=by)
    assert Evidence.from_json(faulty.to_json()) == faulty
    before = {key: value for key, value in full.to_json().items() if not key.startswith("degenerate")}
    assert (Evidence.from_json(before).degenerate, Evidence.from_json(before).degenerate_by) == (None, {})
