"""Groups of few pictures: intervals hold the truth about as often as they say, and are no wider than that takes."""

import numpy as np
import pytest

from tests.simulations.tiny_groups import WORLDS, shares, tried


@pytest.mark.parametrize("world", ["three classes", "six rare classes, whole pictures"])
def test_a_class_in_a_single_picture_leaves_something_to_say(world: str) -> None:
    """Of ten pictures one holds the class: the interval holds the truth, and is not all there is between 0 and 100."""
    held = tried(WORLDS[world], 10, 0.8, 200)
    lone = held.rarest == 1
    assert np.count_nonzero(lone) >= 20
    share, width = shares(held, lone)[:2]
    assert share >= 0.95
    assert width <= 0.7


@pytest.mark.parametrize("world", ["three classes", "three classes, whole pictures"])
def test_ten_pictures_are_seldom_off(world: str) -> None:
    """Whatever the classes: the truth lies within in nearly 95 % of the groups, where a normal quantile has it in 85."""
    held = tried(WORLDS[world], 10, 0.8, 300)
    told, _, plain, _ = shares(held, held.rarest > 1)
    assert told >= 0.90 - 0.04  # two standard errors of some 240 groups
    assert plain < told
