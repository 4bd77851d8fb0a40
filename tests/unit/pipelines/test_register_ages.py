"""The older of two models is the one whose weights were registered first, under whatever version."""

import pytest

from pipelines.register.ages import UNKNOWN, Ages, Model, Registration

OURS = Model("a", "a1")
OTHER = Model("b", "b1")
CHAMPION = Model("c", "c1")
MADE = {number: 10.0 + number for number in range(1, 5)}
NOW, GONE, LATER = 10.0, 1.0, 99.0  # when registered models of one name were made: that of now, one of before, a clock ahead


def _model(weights: str | None) -> Model:
    return UNKNOWN if weights is None else Model(weights, f"{weights}1")


@pytest.mark.parametrize(("weights", "model", "champion", "older"), [
    ({}, "new", 1, False),
    ({1: "a"}, "new", 1, False),
    ({1: "a", 2: "b"}, "a", 2, True),
    ({1: "a", 2: "b"}, "b", 1, False),
    ({1: "a", 2: "b", 3: "a"}, "b", 3, False),  # the champion's weights came first, its version last
    ({1: "a", 2: "b", 3: "a"}, "a", 2, True),
    ({1: "a", 2: "a"}, "a", 2, False),  # the champion's own weights again
    ({1: None, 2: "b"}, "new", 2, True),  # version 1 may have been this one
    ({1: "b", 2: None, 3: "b"}, "new", 3, False),
    ({1: None}, "new", 1, False),
    ({1: "a"}, "new", 2, False),  # another tool's champion
    ({1: "a"}, "a", 2, True),
    ({3: "a"}, "a", 2, False),
])  # fmt: skip
def test_the_first_registration_of_the_weights_counts(weights, model, champion, older):
    """Neither the number of the candidate's version nor that of the champion's says how old its model is."""
    known = {number: _model(one) for number, one in weights.items()}
    assert Ages(known, MADE, NOW).older(_model(model), champion) == older


@pytest.mark.parametrize(("first", "older"), [
    (OURS, True),
    (Model("a", "a2"), True),  # another card
    (OTHER, False),
    (Model("", "a1"), True),  # of before, and its files are gone: weights and card tell
    (Model("", "b1"), False),
    (UNKNOWN, True),
])  # fmt: skip
def test_weights_tell_where_they_are_known_else_weights_and_card(first, older):
    """The model is older where version 1 is it, or may be, whatever its card; after the champion, or as it, it is not."""
    assert Ages({1: first, 2: CHAMPION}, MADE, NOW).older(OURS, 2) == older
    assert not Ages({2: CHAMPION, 3: first}, MADE, NOW).older(OURS, 2)
    assert not Ages({1: first, 2: Model("a", "a2")}, MADE, NOW).older(OURS, 2)


@pytest.mark.parametrize(("made", "older"), [({1: 99.0, 2: 12.0}, True), ({1: 12.0, 2: 12.0}, True)])
def test_of_one_registered_model_the_number_tells_whatever_the_clock_said(made, older):
    """Version 1 was made by a clock that was ahead, or within the same millisecond: it is the older one."""
    assert Ages({1: OURS, 2: CHAMPION}, made, NOW).older(OURS, 2) == older
    assert not Ages({1: CHAMPION, 2: OURS}, made, NOW).older(OURS, 1)
    assert Ages({2: CHAMPION}, made, NOW, (Registration(OURS, 1, made[1], NOW),)).older(OURS, 2) == older  # it was deleted
    assert not Ages({1: CHAMPION}, made, NOW, (Registration(OURS, 2, made[2], NOW),)).older(OURS, 1)
    assert Ages({1: OURS}, made, NOW).older(OURS, 2) == older  # another tool's champion


@pytest.mark.parametrize(("before", "older"), [
    ([(OURS, 7, 5.0, GONE)], True),  # of a registered model that was deleted
    ([(OURS, 7, 99.0, GONE)], True),  # likewise, by a clock that was ahead
    ([(OURS, 7, 99.0, LATER)], True),
    ([(OURS, 2, 15.0, NOW)], False),  # it came after the champion, and was deleted
    ([(OURS, 7, 5.0, GONE), (CHAMPION, 6, 3.0, GONE)], False),  # the champion's weights came before, in the deleted one
    ([(OURS, 7, 3.0, GONE), (CHAMPION, 6, 5.0, GONE)], False),
    ([(OURS, 6, 5.0, GONE), (CHAMPION, 7, 3.0, GONE)], True),
    ([(OURS, 6, 5.0, GONE), (CHAMPION, 7, 3.0, 0.5)], False),  # in one that was deleted before that one
    ([(OTHER, 1, 5.0, GONE)], False),
])  # fmt: skip
def test_between_registered_models_of_one_name_time_tells(before, older):
    """The champion is version 1 of a registered model that was made anew: what was there before was before."""
    told = tuple(Registration(*one) for one in before)
    assert Ages({1: CHAMPION}, {1: 11.0}, NOW, told).older(OURS, 1) == older
    assert Ages({1: CHAMPION, 2: OURS}, {1: 11.0, 2: 20.0}, NOW, told).older(OURS, 1) == older


@pytest.mark.parametrize(("when", "older"), [(10.5, True), (99.0, False)])
def test_of_one_that_had_another_name_time_alone_tells(when, older):
    """Others may have had its name after it was made, so that what is there now did not come last."""
    told = (Registration(OURS, 7, when, LATER),)
    assert Ages({1: CHAMPION}, MADE, NOW, told).older(OURS, 1)
    assert Ages({1: CHAMPION}, MADE, NOW, told, renamed=True).older(OURS, 1) == older


@pytest.mark.parametrize(
    ("number", "when", "older"),
    [
        (1, 11.0, True),
        (1, 99.0, True),  # number and time contradict each other
        (4, 11.0, True),
        (4, 99.0, False),
        (2, 99.0, True),  # the champion's own number: of another registered model, of before
        (0, 99.0, True),  # nobody knows its number
    ],
)
def test_a_registration_of_nobody_knows_which_registered_model_counts_as_older_where_anything_says_so(number, when, older):
    """A LoggedModel of before names version and time alone: that one may have been deleted from this model, or another."""
    assert Ages({2: CHAMPION}, MADE, NOW, (Registration(OURS, number, when, None),)).older(OURS, 2) == older
    theirs = Registration(CHAMPION, number, when, None)
    by_number_and_time = 0 < number < 3 and when < MADE[3]
    assert Ages({3: OURS, 4: CHAMPION}, MADE, NOW, (theirs,)).older(OURS, 4) != by_number_and_time
