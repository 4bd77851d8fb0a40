"""The older of two models is the one whose weights were registered first, under whatever version."""

import pytest

from pipelines.register.ages import Ages


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
    assert Ages(weights).older(model, champion) == older
