"""What makes an evaluation say nothing, rule by rule, against answers known by construction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stages.judge import classes, constants, degenerate, labels, panels, regions
from stages.judge.draws import Draws
from stages.judge.estimate import Estimate
from stages.judge.measures import proportion


def draws(number: int) -> Draws:
    return Draws(number, 400, lambda: np.random.default_rng(3))


def test_the_least_number_of_units_follows_from_students_t():
    """1.96 standard errors that N units estimate themselves cover 92 % or more from ``LEAST`` on, and not below."""
    covered = {n: 1 - 2 * stats.t.sf(stats.norm.ppf(0.975), n - 1) for n in range(2, 40)}
    assert min(n for n, share in covered.items() if share >= 0.92) == degenerate.LEAST
    least = degenerate.LEAST
    assert [bool(degenerate.of_units(n, n)) for n in (1, least - 1, least, 1000)] == [1, 1, 0, 0]
    assert [bool(degenerate.of_units(n, 1000)) for n in (1, least - 1, least, 1000)] == [1, 1, 0, 0]


def test_absent_and_ignored_classes_are_told_apart():
    """A class without a unit is absent; where the truth hides some, that is said instead."""
    found = degenerate.of_classes({"sky": 5, "road": 0, "car": 0}, "pixel", {"car": "half is 255"})
    assert [fault.kind for fault in found] == ["ignored_class", "absent_class"]
    assert "car has no pixel that counts in the test split: half is 255" in found[0].reason
    assert "the test split has no pixel of 1 of the model's 3 classes (road)" in found[1].reason
    assert "params.yaml: classes or mask_classes of acquire.<source>)" in found[1].reason
    assert not degenerate.of_classes({"sky": 5, "road": 1}, "pixel")
    many = degenerate.of_classes({f"c{n}": 0 for n in range(9)} | {"x": 1}, "object")
    assert "(c0, c1, c2 and 6 more)" in many[0].reason


@pytest.mark.parametrize(("units", "expected"), [({"a": 3, "b": 0}, 1), ({"a": 3}, 1), ({"a": 0}, 1), ({"a": 3, "b": 1}, 0)])
def test_one_class_alone_is_nothing_to_tell_apart(units, expected):
    """Whether the model knows others or not."""
    assert len(degenerate.of_variety(units, "picture")) == expected


def held(truth: list[int], said: list[int], number: int) -> classes.Counts:
    return labels.counts(truth, said, number)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_the_most_frequent_class_is_the_best_constant(truth):
    """By accuracy, macro F1 and mIoU, over all constants, counted with a confusion matrix each."""
    number = 4
    label, constant = constants.of_classes(held(truth, truth, number))
    ones = np.ones((1, len(truth)))
    for read in (classes.share, classes.f1, classes.iou):
        best = [
            float(panels.mean("x", "x", "pictures", held(truth, [k] * len(truth), number), read).values(ones)[0])
            for k in range(number)
        ]
        own = float(panels.mean("x", "x", "pictures", constant, read).values(ones)[0])
        assert own == pytest.approx(max(best), abs=1e-12)
        assert own == pytest.approx(best[label], abs=1e-12)


def test_the_constant_of_pixels_is_a_mask_of_one_class():
    """Its table is that of observing a mask of the class, picture by picture; ignored pixels count for nobody."""
    random = np.random.default_rng(0)
    truths = [random.choice([0, 0, 0, 1, 2, 255], (6, 5)).astype(np.uint8) for _ in range(4)]
    rows = regions.gather([regions.observe(t, np.minimum(t, 2), 3) for t in truths], 3).by_class()
    label, constant = constants.of_classes(rows)
    expected = regions.gather([regions.observe(t, np.full_like(t, label), 3) for t in truths], 3).by_class()
    assert label == 0
    for name in ("hit", "real", "said"):
        assert np.array_equal(getattr(constant, name).toarray(), getattr(expected, name).toarray())


@pytest.mark.parametrize(
    ("better", "worse", "named"), [(0, 0, True), (3, 0, True), (5, 0, False), (60, 55, True), (0, 9, True)]
)
def test_a_constant_ties_until_the_paired_interval_says_otherwise(better, worse, named):
    """Of 288 pictures: how many the model alone has right, and how many the constant alone."""
    right, constant = np.ones(288), np.ones(288)
    constant[:better] = 0
    right[better : better + worse] = 0
    measure = proportion("accuracy", "accuracy", "pictures", right, np.ones(288))
    found = degenerate.of_constant("always saying cat", [constants.gain_of_shares(measure, right, constant)])
    assert [fault.figures for fault in found] == ([("accuracy",)] if named else [])
    if named:
        assert "always saying cat is not shown to be worse: accuracy" in found[0].reason


def test_gains_under_draws_are_those_of_the_pairs():
    """The difference of two means over the same draws; an undefined figure names nothing."""
    one = proportion("recall", "recall", "objects", np.array([2.0, 2, 1, 2] * 10), np.full(40, 2.0))
    two = proportion("recall", "recall", "objects", np.array([0.0, 1, 0, 0] * 10), np.full(40, 2.0))
    (found,) = constants.gains([one], [[two]], draws(40))
    assert (found.model, found.constant) == (0.875, 0.125)
    assert 0.6 < found.low < 0.75
    both, none_of_them = constants.gains([one, two], [[one, two]] * 3, draws(40))
    assert (both.low, none_of_them.low) == (0.0, 0.0)
    assert constants.gains([one], [], draws(40)) == []
    none = proportion("recall", "recall", "objects", np.zeros(40), np.zeros(40))
    assert not degenerate.of_constant("x", constants.gains([none], [[two]], draws(40)))


def test_the_model_is_held_against_the_mean_of_all_other_answers():
    """Two sets of other answers that are always wrong and one that is as good: two thirds of the figure are gained."""
    right, wrong = (proportion("recall", "recall", "objects", np.full(40, hits), np.ones(40)) for hits in (0.9, 0.0))
    for others in ([right, wrong, wrong], [wrong, wrong, right]):
        (found,) = constants.gains([right], [[one] for one in others], draws(40))
        assert (found.model, found.constant, found.low) == pytest.approx((0.9, 0.3, 0.6))


def test_exact_figures_are_named_where_nothing_varies():
    """A figure that no picture moves, or one of pixels that is exactly 1; not one that an interval shows narrowly."""
    alike = Estimate(0.5, 0.4, 0.6, 100, 100, 100, 100, alike=True)
    perfect, narrow = (Estimate(value, value, value, 100, 1e6, 100, 100) for value in (1.0, 0.99))
    none = Estimate(float("nan"), float("nan"), float("nan"), 0, 0, 0, 0)
    assert [f.figures for f in degenerate.of_exact({"a": alike, "b": perfect, "c": narrow, "d": none})] == [("a",)]
    assert [f.figures for f in degenerate.of_exact({"miou": perfect}, ["miou"])] == [("miou",)]
    assert not degenerate.of_exact({"miou": narrow, "x": none}, ["miou", "x"])


def test_what_is_written_reads_back_by_figure():
    """The gate asks for its own figure: faults of others are not its; what nobody asked is unknown, never sound."""
    faults = [degenerate.Fault("few_units", "six"), degenerate.Fault("constant_answer", "ties", ("accuracy",))]
    asked = [degenerate.Gain(name, name, 0.9, 0.2, 0.6) for name in ("accuracy", "macro_f1")]
    evaluation = degenerate.content(faults, asked)
    assert degenerate.of(evaluation, "accuracy") == {"few_units": "six", "constant_answer": "ties"}
    assert degenerate.of(evaluation, "macro_f1") == {"few_units": "six"}
    assert degenerate.of({"accuracy": 1}, "accuracy") is None
    sound = degenerate.content([], asked)
    assert (degenerate.of(sound, "accuracy"), degenerate.of(sound, "gain"), degenerate.of(sound)) == ({}, None, {})
    assert degenerate.of(evaluation, "gain") == {"few_units": "six"}
    assert [degenerate.words(degenerate.of(e, "macro_f1")) for e in (evaluation, sound, {"degenerate": []})] == [
        "few_units", "no", "unknown",
    ]  # fmt: skip
