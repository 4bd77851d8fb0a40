"""Sorts pictures into groups by the columns of a table, and says which columns hold no groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.core.cells import is_missing

BINS = 4
NO_VALUE = "no value"  # the group of the pictures of which a column says nothing
_DIGITS, _ENOUGH = 6, 17  # of the ends of a bin; the latter tell any two numbers apart
_SHOWN = 3  # values that are no numbers
_WHOLE = 1e16  # below it all digits of a whole number are shown rather than its power of ten


@dataclass(frozen=True)
class Column:
    """Groups by one column.

    Attributes:
        name: of the column.
        names: what each group is called, in the order of the codes; no two alike.
        codes: (N,) the group of each picture, -1 where it has none; the smallest kind of whole number that holds them.
        binned: how many different numbers were sorted into these groups by quantile; 0 where each value is a group.
    """

    name: str
    names: tuple[str, ...]
    codes: NDArray[Any]
    binned: int = 0

    def __post_init__(self) -> None:
        """Refuse two groups of one name: where figures stand by name, one would take the other's place."""
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"groups of {self.name} share a name: {', '.join(self.names)}")


def sort_into_groups(columns: Mapping[str, Any], max_groups: int) -> tuple[list[Column], dict[str, int]]:
    """Make a group of each value of a column, numbers in their order; numbers of many values are sorted by quantile.

    Pictures without a value are a group like any other, the last one: what nobody knows of them must not hide how they fare.

    Args:
        columns: name to the value of each picture, (N,) text, missing where unknown (``stages.core.cells.is_missing``).
        max_groups: different values from which on a column's values are no groups.

    Returns:
        The columns that hold groups, and by name how many different values the others have, whose texts are no groups:
        an id, a file name, a time.

    Example:
        >>> found, others = sort_into_groups({"age": [str(n) for n in range(40)], "id": [f"x{n}" for n in range(40)]}, 20)
        >>> found[0].names, others
        (('0 to 9', '10 to 19', '20 to 29', '30 to 39'), {'id': 40})
    """
    found, others = [], {}
    for name, given in columns.items():
        codes, texts = _values(given)
        numbers = _numbers(texts)
        if len(texts) <= max_groups:
            found.append(_column(name, *_ordered(texts, numbers, codes)))
        elif np.isfinite(numbers).all() and np.unique(numbers).size > 1:
            found.append(_binned(name, numbers, codes))
        else:
            others[name] = len(texts)
    return found, others


def _values(given: Any) -> tuple[NDArray[np.intp], list[str]]:
    """Return the different values of a column, sorted, and the place of each picture's among them, -1 where it has none."""
    known = [None if value is pd.NA or is_missing(value) else str(value) for value in given]
    codes, values = pd.factorize(pd.Series(known, dtype="string"), sort=True)
    return codes, [str(value) for value in values]


def _numbers(texts: list[str]) -> NDArray[np.float64]:
    return np.asarray(pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce"), np.float64)


def strays(columns: Mapping[str, Any]) -> dict[str, str]:
    """Say of columns of numbers which values keep them from being sorted by quantile: words, ``89+``, decimal commas.

    Args:
        columns: name to the value of each picture, as in ``sort_into_groups``.

    Returns:
        A clause by name, of the columns of whose different values at least half are numbers, with a point or a comma.

    Example:
        >>> strays({"age": [*map(str, range(62)), "89+"], "id": ["x1", "y2"]})
        {'age': "62 numbers and 1 other value ('89+')"}
    """
    found = {}
    for name, given in columns.items():
        texts = _values(given)[1]
        others = [text for text, number in zip(texts, _numbers(texts), strict=True) if not np.isfinite(number)]
        commas = np.isfinite(_numbers([text.replace(",", ".") for text in others])).sum()
        if others and 2 * (len(texts) - len(others) + commas) >= len(texts):
            shown = ", ".join(map(repr, others[:_SHOWN])) + (" ..." if len(others) > _SHOWN else "")
            what = f"{len(others):,} other value{'s' if len(others) > 1 else ''} ({shown})"
            found[name] = f"{len(texts) - len(others):,} numbers and {what}"
    return found


def _ordered(texts: list[str], numbers: NDArray[np.float64], codes: NDArray[np.intp]) -> tuple[list[str], NDArray[np.intp]]:
    """Put values that are all numbers in the order of the numbers: 2 before 10."""
    if not np.isfinite(numbers).all():
        return texts, codes
    order = np.argsort(numbers, kind="stable")
    place = np.append(np.argsort(order), -1)  # the last place stays -1: pictures without a value
    return [texts[at] for at in order], place[codes]


def _column(name: str, names: list[str], codes: NDArray[np.intp], binned: int = 0) -> Column:
    unknown = codes < 0
    if unknown.any():
        names = names if NO_VALUE in names else [*names, NO_VALUE]
        codes = np.where(unknown, names.index(NO_VALUE), codes)
    return Column(name, tuple(names), codes.astype(np.min_scalar_type(-max(len(names), 1))), binned)


def _binned(name: str, numbers: NDArray[np.float64], codes: NDArray[np.intp]) -> Column:
    """Sort the numbers of a column into at most four groups of about equally many pictures."""
    known = numbers[codes[codes >= 0]]
    distinct = np.unique(numbers)
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="lower"))
    edges = edges[edges < distinct[-1]]
    edges = edges if edges.size else distinct[-2:-1]
    bins = np.searchsorted(edges, numbers, side="left")
    taken = np.unique(bins, return_inverse=True)[1]
    ends = [(numbers[taken == b].min(), numbers[taken == b].max()) for b in range(int(taken.max()) + 1)]
    names = [" to ".join(pair) for pair in _told_apart(ends)]
    return _column(name, names, np.where(codes >= 0, taken[codes], -1), len(numbers))


def _told_apart(ends: list[tuple[float, float]]) -> list[tuple[str, str]]:
    """Write the ends of bins with as few digits as tell all of them apart."""
    num, written = len({end for pair in ends for end in pair}), [("", "")]
    for digits in range(_DIGITS, _ENOUGH + 1):
        written = [(_written(low, digits), _written(high, digits)) for low, high in ends]
        if len({end for pair in written for end in pair}) == num:
            break
    return written


def _written(number: float, digits: int) -> str:
    text = f"{number:.{digits}g}"
    return f"{number:.0f}" if digits > _DIGITS and "e+" in text and abs(number) < _WHOLE else text
