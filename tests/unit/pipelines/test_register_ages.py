"""The older of two models is the one whose weights were registered first, under whatever version."""

import pytest

from pipelines.register.ages import UNKNOWN, Ages, Model

OURS = Model("a", "a1")
OTHER = Model("b", "b1")
CHAMPION = Model("c", "c1")
MADE = {number: float(number) for number in range(1, 5)}


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
    assert Ages(known, MADE).older(_model(model), champion) == older


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
    assert Ages({1: first, 2: CHAMPION}, MADE).older(OURS, 2) == older
    assert not Ages({2: CHAMPION, 3: first}, MADE).older(OURS, 2)
    assert not Ages({1: first, 2: Model("a", "a2")}, MADE).older(OURS, 2)


@pytest.mark.parametrize(("before", "older"), [
    (((5.0, OURS),), True),  # version 1 of a registered model that was deleted
    (((15.0, OURS),), False),  # it came after the champion, and was deleted
    (((5.0, OURS), (3.0, CHAMPION)), False),  # the champion's weights came before, under a version of the deleted one
    (((3.0, OURS), (5.0, CHAMPION)), True),
    (((5.0, OTHER),), False),
])  # fmt: skip
def test_time_tells_what_numbers_that_begin_anew_do_not(before, older):
    """The champion is version 1 of a registered model that was made anew at 10; what was there before tells when."""
    assert Ages({1: CHAMPION}, {1: 10.0}, before).older(OURS, 1) == older
    assert Ages({1: CHAMPION, 2: OURS}, {1: 10.0, 2: 20.0}, before).older(OURS, 1) == older
