"""The older of two models is the one whose weights were registered first, under whatever version."""

import pytest

from pipelines.register.ages import UNKNOWN, Ages, Model

OURS = Model("a", "a1")
OTHER = Model("b", "b1")


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
    assert Ages(known).older(_model(model), champion) == older


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
    champion = Model("c", "c1")
    assert Ages({1: first, 2: champion}).older(OURS, 2) == older
    assert not Ages({2: champion, 3: first}).older(OURS, 2)
    assert not Ages({1: first, 2: Model("a", "a2")}).older(OURS, 2)
