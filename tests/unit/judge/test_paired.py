"""The paired difference of two models covers the truth as often as it says, and agrees with references."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stages.judge.paired import difference


def test_agresti_and_min_by_hand():
    """Ten gained, two lost of a hundred, half an item added to each cell, worked out from the paper's formula."""
    new = [1] * 80 + [1] * 10 + [0] * 2 + [0] * 8
    old = [1] * 80 + [0] * 10 + [1] * 2 + [0] * 8
    mean, low, high = difference(new, old)
    b, c, n = 10.5, 2.5, 102
    middle = (b - c) / n
    half = 1.959964 * np.sqrt((b + c) - (b - c) ** 2 / n) / n
    assert mean == pytest.approx(0.08)
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-6)


def test_other_outcomes_take_students_t():
    """The interval of real-valued outcomes is scipy's one-sample t interval of the differences."""
    random = np.random.default_rng(1)
    new, old = random.random(30), random.random(30)
    reference = stats.ttest_1samp(new - old, 0).confidence_interval(0.95)
    assert difference(new.tolist(), old.tolist())[1:] == pytest.approx((reference.low, reference.high))


@pytest.mark.parametrize("n", [20, 100])
def test_it_covers_small_samples(n):
    """At n = 20 and a few discordant pictures at least 93 % of the intervals hold the truth (the bootstrap's do not)."""
    random = np.random.default_rng(2)
    inside = 0
    for _ in range(1000):
        kind = random.choice(3, size=n, p=(0.06, 0.02, 0.92))
        _, low, high = difference((kind == 0).astype(int).tolist(), (kind == 1).astype(int).tolist())
        inside += low <= 0.04 <= high
    assert inside >= 930


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=50))
def test_swapping_the_models_turns_the_sign(pairs):
    """The difference is antisymmetric and its interval holds it or lies half an item beside it."""
    new, old = [a for a, _ in pairs], [b for _, b in pairs]
    mean, low, high = difference(new, old)
    assert difference(old, new) == pytest.approx((-mean, -high, -low))
    assert -1 <= low <= high <= 1


def test_unequal_lengths_are_refused():
    """Outcomes that are not paired are an error."""
    with pytest.raises(ValueError, match="2 new and 1 old"):
        difference([1, 0], [1])
