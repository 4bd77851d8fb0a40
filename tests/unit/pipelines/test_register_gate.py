"""The gate lets a model become champion only when floor, audit and comparison all allow it, and says why."""

from dataclasses import replace

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


BIT = 1e-6  # more than rounding leaves, less than anybody allows


def reason(check, *models, **changes) -> str:
    return decide(*models, params(**changes), CLEAN).lines()[check]


@given(st.floats(0.4, 1), st.floats(0, 0.3))
def test_a_drop_of_exactly_what_is_allowed_passes_and_a_bit_more_does_not(before, drop):
    """0.90 - 0.89 is more than 0.01 by the last bit: that bit decides nothing."""
    rules = {"max_drop": drop, "max_class_drop": drop, "min_quality": 0.0, "judged_by": "value"}
    old = evidence(before, 0.5, classes={"a": Figure(before)})
    for down, expected in ((drop, []), (drop + BIT, ["champion", "classes"])):
        new = evidence(before - down, 0.5, classes={"a": Figure(before - down)})
        assert failed(new, old, **rules) == expected


def test_a_drop_is_told_with_the_digits_that_tell_it_from_what_is_allowed():
    """No reason says that something fell by 0.200 and by more than 0.200."""
    old = evidence(0.9, classes={"a": Figure(0.9)})
    assert reason("champion", evidence(0.89), old).startswith("yes: ")
    assert reason("classes", evidence(0.9, classes={"a": Figure(0.7)}), old, max_class_drop=0.2).startswith("yes: ")
    low = evidence(0.8897, classes={"a": Figure(0.6997)})
    assert reason("champion", low, old).startswith("no: worse than the champion by 0.0103, more than 0.0100: ")
    assert reason("classes", low, old, max_class_drop=0.2) == "no: fell by more than 0.200: a by 0.2003"


def test_a_figure_exactly_at_the_floor_passes():
    """The floor is part of what is good enough; 0.1 + 0.7 is 0.8 but for its last bit."""
    for judged_by in ("value", "low"):
        at = Figure(0.1 + 0.7, 0.1 + 0.7, 0.9, 200)
        assert failed(evidence(figure=at), judged_by=judged_by) == []
        assert reason("quality", evidence(figure=at), None, judged_by=judged_by).endswith("is 0.800 >= 0.800")
        below = Figure(0.8 - BIT, 0.8 - BIT, 0.9, 200)
        assert failed(evidence(figure=below), judged_by=judged_by) == ["quality"]
        assert reason("quality", evidence(figure=below), None, judged_by=judged_by).endswith("is 0.799999 < 0.800000")


def test_an_interval_that_ends_at_zero_shows_no_loss():
    """Its high end is part of it; replicates that lie a little below zero throughout are a loss."""
    base = [0.5 + 0.001 * index for index in range(200)]
    old = evidence(0.65, 0.15, replicates=base)
    assert failed(evidence(0.65, 0.15, replicates=[b - 1e-12 for b in base]), old, min_quality=0.2) == []
    assert failed(evidence(0.65, 0.15, replicates=[b - BIT for b in base]), old, min_quality=0.2) == ["champion"]


@pytest.mark.parametrize(("policy", "older", "expected"), [
    ("refuse", False, ["champion"]), ("replace", False, []), ("replace", True, ["champion"]),
])  # fmt: skip
def test_what_no_bootstrap_can_compare_is_decided_by_the_policy(policy, older, expected):
    """Where in no bootstrap both figures are defined nobody can tell, and the reason says that, not an interval of nan."""
    new, old = evidence(replicates=[None, 0.9, None]), evidence(replicates=[0.9, None, None])
    assert failed(new, old, older=older, incomparable_champion=policy) == expected
    told = reason("champion", new, old, incomparable_champion=policy)
    assert "it cannot be told" in told
    assert "in 0 bootstraps, fewer than 95% of 3, are both figures defined" in told
    assert "nan" not in told


@pytest.mark.parametrize(("defined", "known"), [(1, False), (94, False), (95, True), (100, True)])
def test_a_handful_of_bootstraps_is_no_comparison(defined, known):
    """One of a hundred draws in which both figures are defined shows an older model neither better nor anything else."""
    new = evidence(0.9, replicates=[0.9] * defined + [None] * (100 - defined))
    old = evidence(0.5, replicates=[0.5] * 100)
    assert failed(new, old, older=True) == ([] if known else ["champion"])
    assert failed(new, old) == ([] if known else ["champion"])


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
    plain = evidence(value, half, replicates=[value, value / 2, None, *[value] * 17])
    assert set(failed(plain, plain)) <= {"quality"}


FAULT = {"constant_answer": "always saying cat is as good"}


@pytest.mark.parametrize("champion", [None, 0.5, 0.99])
def test_a_degenerate_evaluation_crowns_nobody(champion):
    """However good the figure, whoever it is compared with; one line says why, and the policy lets it pass."""
    rival = None if champion is None else evidence(champion, outcomes=answers(round(100 * champion)))
    model = evidence(1.0, 0.0, outcomes=answers(100), degenerate=FAULT)
    assert failed(model, rival) == ["evaluation"]
    assert failed(model, rival, allow_degenerate=True) == []
    line = decide(model, rival, params(), CLEAN).lines()["evaluation"]
    assert line == "no: degenerate: constant_answer: always saying cat is as good; which is not allowed (allow_degenerate)"
    allowed = decide(model, rival, params(allow_degenerate=True), CLEAN).lines()["evaluation"]
    assert allowed.startswith("yes: degenerate: constant_answer")


def test_what_does_not_say_whether_it_is_degenerate_crowns_nobody():
    """An evaluation of before the question was asked: the line names the remedy."""
    unknown = evidence(degenerate=None)
    assert failed(unknown) == ["evaluation"]
    line = decide(unknown, None, params(), CLEAN).lines()["evaluation"]
    assert "does not say whether it is degenerate by accuracy; make it again (dvc repro evaluate)" in line


def test_a_champion_that_may_answer_a_constant_is_no_yardstick_in_the_constants_class():
    """Its own class has recall 1, which must not keep a sound model out; each other class, and the headline, count.

    Faults that both have are those of the test split: then every class counts.
    """
    classes = {"cat": Figure(1.0), "dog": Figure(0.4)}
    constant = evidence(0.9, outcomes=answers(90), classes=classes, degenerate=FAULT)
    for change, expected in (({}, []), ({"dog": Figure(0.2)}, ["classes"]), ({"dog": None}, ["classes"])):
        kept = {name: one for name, one in {"cat": Figure(0.6), "dog": Figure(0.4), **change}.items() if one}
        assert failed(evidence(0.9, outcomes=answers(90), classes=kept), constant) == expected
    sound = evidence(0.9, outcomes=answers(90), classes={"cat": Figure(0.6), "dog": Figure(0.4)})
    assert "without cat, the constant answer" in reason("classes", sound, constant)
    assert failed(sound, constant, older=True) == ["champion", "classes"]
    assert failed(evidence(0.9, outcomes=answers(90), classes=sound.classes, degenerate=FAULT), constant) == [
        "evaluation", "classes",
    ]  # fmt: skip
    boxes = evidence(0.9, classes=classes, degenerate={"constant_answer": "finding nothing is not shown to be worse"})
    assert failed(sound, boxes) == ["classes"]  # it names no class
    for cat, expected in ((0.65, []), (0.75, ["former"])):  # in cat a former champion that said something is a yardstick
        said = Former("1", evidence(0.9, outcomes=answers(90), classes={"cat": Figure(cat)}))
        assert failed(sound, constant, former=said) == expected
        assert failed(sound, constant, former=replace(said, evidence=constant, others=(said.evidence,))) == expected
    few = {"few_units": "six"}
    both = evidence(0.9, outcomes=answers(90), degenerate=few), evidence(0.99, outcomes=answers(99), degenerate=few)
    assert failed(*both, allow_degenerate=True) == ["champion"]


@pytest.mark.parametrize("fault", ["constant_answer", "exact"])
def test_no_fault_of_a_champion_lifts_the_comparison_by_the_headline(fault):
    """320 cats and 80 dogs: 50 dogs found at 33 cats lost shows no gain over saying cat, 8 found at none lost does.

    The first is better by two points and finds six times as many dogs: the second must not take its place.
    """
    first = evidence(
        0.8425, outcomes=answers(337, 400), classes={"dog": Figure(0.61)}, degenerate={fault: "always saying cat is"}
    )
    second = evidence(0.82, outcomes=answers(328, 400), classes={"dog": Figure(0.18)})
    rules = {"judged_by": "value", "max_class_drop": 0.2}
    assert failed(second, first, **rules) == ["champion", "classes"]
    assert failed(second, evidence(0.82, outcomes=answers(328, 400)), former=Former("1", first), **rules) == ["former"]
    assert failed(evidence(0.84, outcomes=answers(336, 400), classes={"dog": Figure(0.5)}), first, **rules) == []


def test_evidence_reads_back():
    """What is stored with a version is what a later gate compares with."""
    full = evidence(
        classes={"a": Figure(0.5, n=3)}, outcomes=answers(2, 3), replicates=[0.1, None], figures={"f1": Figure(0.7)}
    )
    assert Evidence.from_json(full.to_json()) == full
    faulty = evidence(degenerate=FAULT, left_open=["one group alone: site"])
    assert Evidence.from_json(faulty.to_json()) == faulty
    before = {key: value for key, value in full.to_json().items() if key != "degenerate"}
    assert Evidence.from_json(before).degenerate is None
