"""The published levels are the published ones."""

import pytest

from stages.maths import noise


def test_the_relation_is_the_published_one() -> None:
    """At the ends of the range: variances of 6.3e-9 and 2.2e-4 (2.18 log(shot) + 1.20, natural logarithms)."""
    assert noise.LEVELS["darmstadt_low"].read == pytest.approx(6.34e-9, rel=0.01)
    assert noise.LEVELS["darmstadt_high"].read == pytest.approx(2.16e-4, rel=0.01)
