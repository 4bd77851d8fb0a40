"""A model that was registered before the champion takes its place only where it is shown to be better."""

import pytest

from tests.unit.pipelines.test_register_gate import evidence, failed


@pytest.mark.parametrize(("tied", "expected"), [(0, []), (10, ["champion"])])
def test_a_gain_whose_interval_ends_at_zero_is_none_of_an_older_model(tied, expected):
    """A tenth of the bootstraps that show no gain bring its low end to exactly 0; without them all show the whole gain."""
    model = evidence(0.92, replicates=[0.90] * tied + [0.92] * (100 - tied))
    assert failed(model, evidence(0.90, replicates=[0.90] * 100), older=True) == expected
