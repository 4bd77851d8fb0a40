"""Columns become groups; what holds too many values is binned or refused by name."""

from itertools import pairwise

import numpy as np
import pytest

from stages.judge.columns import NO_VALUE, Column, sort_into_groups, strays
from stages.parts.reports import refusals


def test_values_are_groups_in_order() -> None:
    """Each value is a group, by name."""
    (column,), others = sort_into_groups({"light": ["low", "zero", "high", "low"]}, 3)
    assert (column.names, column.codes.tolist(), column.binned, others) == (("high", "low", "zero"), [1, 2, 0, 1], 0, {})


def test_pictures_without_a_value_are_a_group() -> None:
    """Also of binned numbers, where nobody has a value, and where somebody wrote the group's name for one."""
    for values, names, codes in (
        (["low", None, "high", "low"], ("high", "low", NO_VALUE), [1, 2, 0, 1]),
        ([None, None], (NO_VALUE,), [0, 0]),
        ([None, NO_VALUE, "z"], (NO_VALUE, "z"), [0, 0, 1]),
    ):
        (column,), _ = sort_into_groups({"light": values}, 2)
        assert (column.names, column.codes.tolist()) == (names, codes)
    (column,), _ = sort_into_groups({"age": [*map(str, range(40)), None, None]}, 20)
    assert column.names[-1] == NO_VALUE
    assert np.bincount(column.codes).tolist() == [10, 10, 10, 10, 2]


@pytest.mark.parametrize(
    "numbers",
    [
        np.arange(400) * 10 + 1_700_000_000,
        1 + np.arange(400) * 1e-9,
        1e20 * (1 + np.arange(400) * 2.0**-50),
        -1_700_000_000 - np.arange(400) * 0.5,
    ],
)
def test_bins_of_numbers_that_lie_close_have_names_of_their_own(numbers: np.ndarray) -> None:
    """Seconds since 1970 and their like: each end of a bin is written with as many digits as tell it from the others."""
    (column,), _ = sort_into_groups({"time": [repr(float(v)) for v in numbers]}, 20)
    ends = [end for name in column.names for end in name.split(" to ")]
    assert len(column.names) == 4
    assert len(set(ends)) == 8
    for group, name in enumerate(column.names):
        held = numbers[column.codes == group]
        assert [float(end) for end in name.split(" to ")] == pytest.approx([held.min(), held.max()], rel=1e-6)


def test_times_are_written_in_full() -> None:
    """A whole number is not cut to a power of ten."""
    (column,), _ = sort_into_groups({"time": [str(1_700_000_000 + 10 * n) for n in range(400)]}, 20)
    assert column.names[0] == "1700000000 to 1700000990"


def test_two_groups_of_one_name_are_refused() -> None:
    """Whatever made them: figures are told by name."""
    with pytest.raises(ValueError, match="groups of a share a name"):
        Column("a", ("x", "x"), np.array([0, 1]))


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


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([str(n) for n in range(13)], [str(n) for n in range(13)]),  # 2 before 10
        (["10", "-2", "3", "-10"], ["-10", "-2", "3", "10"]),
        (["0.5", "1e-3", "0.25", "8", "1e2", "7.75", "-0.1", "2"], ["-0.1", "1e-3", "0.25", "0.5", "2", "7.75", "8", "1e2"]),
        (["1", "1.0", "0"], ["0", "1", "1.0"]),  # told apart as they are written
        (["10", "9", "b"], ["10", "9", "b"]),
    ],
)
def test_few_numbers_are_groups_by_value_in_their_order(values: list[str], names: list[str]) -> None:
    """Whole or not, as many as are allowed: a group each, named as written; where one is no number all are texts."""
    given = [*np.random.default_rng(0).permutation(values * 3).tolist(), None]
    (column,), others = sort_into_groups({"count": given}, len(names))
    assert (list(column.names), column.binned, others) == ([*names, NO_VALUE], 0, {})
    assert [column.names[code] for code in column.codes] == [*given[:-1], NO_VALUE]


def test_one_value_too_many_is_sorted_by_quantile_or_named() -> None:
    """Thirteen numbers where twelve are allowed are four bins that say their ends; thirteen texts are an id, by count."""
    numbers = [str(n % 13) for n in range(130)]
    (column,), others = sort_into_groups({"rings": numbers}, 12)
    assert (column.names, column.binned, others) == (("0 to 3", "4 to 6", "7 to 9", "10 to 12"), 13, {})
    assert np.bincount(column.codes).tolist() == [40, 30, 30, 30]
    assert sort_into_groups({"kind": [f"k{text}" for text in numbers]}, 12) == ([], {"kind": 13})
    assert sort_into_groups({"size": [*numbers, "inf"]}, 12) == ([], {"size": 14})  # no number that has a place


def test_a_number_that_nearly_all_pictures_have_is_a_bin() -> None:
    """Where nearly all pictures have one number, the quantiles are that number: it is a bin, and the others are one."""
    (column,), _ = sort_into_groups({"faults": ["0"] * 400 + [str(n) for n in range(1, 31)]}, 20)
    assert (column.names, np.bincount(column.codes).tolist()) == (("0 to 0", "1 to 30"), [400, 30])


def test_one_number_among_texts_is_no_number() -> None:
    """A column of texts of which one is no number is refused, not binned."""
    assert sort_into_groups({"a": [*map(str, range(99)), "old"]}, 20) == ([], {"a": 100})


@pytest.mark.parametrize("word", ["N/A", "NA", "nan", "null", "unknown", "None", "-", " ", None])
def test_a_word_for_nothing_is_no_value(word: str | None) -> None:
    """Of many numbers and of few values alike it is the group of those without one, as an empty cell is."""
    ages = [*map(str, range(18, 80)), word]
    (column,), others = sort_into_groups({"age": ages}, 20)
    assert (column.names[-1], np.bincount(column.codes).tolist(), others) == (NO_VALUE, [16, 15, 15, 16, 1], {})
    (column,), _ = sort_into_groups({"sex": ["f", "m", word, None, "f"]}, 20)
    assert (column.names, column.codes.tolist()) == (("f", "m", NO_VALUE), [0, 1, 2, 2, 0])
    assert strays({"age": ages}) == {}


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["89+"], "62 numbers and 1 other value ('89+')"),
        (["0,5", "old"], "62 numbers and 2 other values ('0,5', 'old')"),
        (["a", "b", "c", "d"], "62 numbers and 4 other values ('a', 'b', 'c' ...)"),
        ([f"{n},5" for n in range(100)], "62 numbers and 100 other values ('0,5', '1,5', '10,5' ...)"),
        ([f"x{n}" for n in range(63)], None),
        ([], None),
    ],
)
def test_what_keeps_a_column_of_numbers_from_its_ranges_is_named(others: list[str], said: str | None) -> None:
    """Words, open ends and decimal commas among mostly numbers; ids of which some are numbers are not taken for any."""
    values = [*map(str, range(62)), *others, "N/A"]
    assert strays({"age": values}).get("age") == said
    assert sort_into_groups({"age": values}, 20)[1] == ({"age": 62 + len(others)} if others else {})
    (line,) = refusals({"age": 62 + len(others)}, "audit.detect", strays({"age": values}))
    assert (said or "no groups") in line
    assert ("write these as numbers" in line) == (said is not None)
