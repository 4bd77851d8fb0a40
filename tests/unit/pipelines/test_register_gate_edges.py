"""On the gate's borders: exactly what is allowed, nothing to compare, nothing defined, an evaluation that says nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.register.gate import decide
from pipelines.register.judgement import Figure, Former
from tests.unit.pipelines.test_register_gate import CLEAN, FAULT, answers, evidence, failed, params, reason

BIT = 1e-6  # more than rounding leaves, less than anybody allows


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


@pytest.mark.parametrize("champion", [None, 0.5, 0.99])
def test_a_degenerate_evaluation_crowns_nobody(champion):
    """However good the figure, whoever it is compared with; one line says why, and the policy lets it pass."""
    rival = None if champion is None else evidence(champion, outcomes=answers(round(100 * champion)))
    model = evidence(1.0, 0.0, outcomes=answers(100), degenerate=FAULT)
    assert failed(model, rival) == ["evaluation"]
    assert failed(model, rival, allow_degenerate=True) == []
    line = decide(model, rival, params(), CLEAN).lines()["evaluation"]
    told = "no: degenerate by accuracy: constant_answer: always saying cat is as good"
    assert line == f"{told}; which is not allowed (allow_degenerate)"
    allowed = decide(model, rival, params(allow_degenerate=True), CLEAN).lines()["evaluation"]
    assert allowed.startswith("yes: degenerate by accuracy: constant_answer")


def test_what_does_not_say_whether_it_is_degenerate_crowns_nobody():
    """An evaluation of before the question was asked: the line names the remedy."""
    unknown = evidence(degenerate=None)
    assert failed(unknown) == ["evaluation"]
    line = decide(unknown, None, params(), CLEAN).lines()["evaluation"]
    assert "does not say whether it is degenerate by accuracy; make it again (dvc repro evaluate)" in line


@pytest.mark.parametrize("found", [{}, None, FAULT])
def test_what_is_degenerate_by_other_figures_alone_is_told_and_decides_nothing(found):
    """The line never says that there was nothing where there was: it names kinds and figures, whatever the judged one is."""
    faults = [
        {"kind": "constant_answer", "reason": "saying sky is as good", "figures": ["pixel_accuracy", "iou"]},
        {"kind": "exact", "reason": "all right", "figures": ["accuracy", "iou"]},
    ]
    by = {"degenerate": faults, "degenerate_asked": ["accuracy", "iou"]}
    plain, beside = evidence(degenerate=found), evidence(degenerate=found, degenerate_by=by)
    assert failed(beside) == failed(plain) == ([] if found == {} else ["evaluation"])
    assert failed(beside, evidence(degenerate_by=by)) == failed(plain, evidence())
    told = "; by other figures: constant_answer (pixel_accuracy, iou)"
    assert reason("evaluation", beside, None) == reason("evaluation", plain, None) + told
    assert "nothing degenerate was found" not in reason("evaluation", plain, None)
    assert reason("evaluation", evidence(), None) == "yes: nothing degenerate by accuracy was found in it"


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
