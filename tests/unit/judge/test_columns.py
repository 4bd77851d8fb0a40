"""Columns become groups; what holds too many values is binned or refused by name."""

from itertools import pairwise

import numpy as np
import pytest

from stages.judge.columns import sort_into_groups


def test_values_are_groups_in_order() -> None:
    """Each value is a group, by name; missing values belong to none."""
    (column,), others = sort_into_groups({"light": ["low", None, "high", "low"]}, 2)
    assert (column.names, column.codes.tolist(), column.binned, others) == (("high", "low"), [1, -1, 0, 1], 0, {})


def test_an_id_is_no_group() -> None:
    """A column of as many texts as pictures is named with its count, and makes no group; 20 values are groups."""
    ids = [f"x{n}" for n in range(500)]
    found, others = sort_into_groups({"id": ids, "light": ["a", "b"] * 250}, 20)
    assert [c.name for c in found] == ["light"]
    assert others == {"id": 500}
    assert len(sort_into_groups({"id": ids[:20] * 25}, 20)[0][0].names) == 20


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_sorted_by_quantile(seed: int) -> None:
    """Many numbers become at most four groups in the order of the numbers, which do not overlap and miss nobody."""
    random = np.random.default_rng(seed)
    numbers = [random.normal(0, 40, 300).round(1), random.poisson(30, 300) * 1.0, np.r_[np.zeros(270), np.arange(30)]][
        seed % 3
    ]
    (column,), others = sort_into_groups({"age": [f"{v:g}" for v in numbers]}, 10)
    ends = [(numbers[column.codes == g].min(), numbers[column.codes == g].max()) for g in range(len(column.names))]
    assert others == {}
    assert 2 <= len(column.names) <= 4
    assert (column.codes >= 0).all()
    assert all(low <= high for low, high in ends)
    assert all(high < low for (_, high), (low, _) in pairwise(ends))
    assert list(column.names) == [f"{low:g} to {high:g}" for low, high in ends]
    assert column.binned == np.unique(numbers).size
    if seed % 3 == 0:
        assert np.bincount(column.codes).min() >= 60


def test_one_number_among_texts_is_no_number() -> None:
    """A column of texts of which one is no number is refused, not binned."""
    assert sort_into_groups({"a": [*map(str, range(99)), "unknown"]}, 20) == ([], {"a": 100})
