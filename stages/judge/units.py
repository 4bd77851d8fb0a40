"""Which pictures are drawn together: those of one unit (a patient, a video, a burst of near copies).

All figures here are read from sums over pictures, so pictures that are drawn together are added up first: a unit is then a
row like any other, and bootstrap, standard error and degrees of freedom need no rule of their own. Of a group of pictures a
unit's part inside it is the row.

Units of unequal size count for fewer than they are: the few large ones decide (``Units.worth``; L. Kish, "Survey
Sampling", 1965). How much they decide is told by how alike the pictures of a unit are (``spread``), not by whether the large
ones happen to have fared alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
TORN, TORN_COPIES = "torn_units", "torn_near_copies"  # of the metrics file


@dataclass(frozen=True)
class Units:
    """Pictures by unit.

    Attributes:
        codes: (N,) the unit of each picture, from 0, in the order in which they come.
        num: U.
    """

    codes: Ints
    num: int

    @property
    def single(self) -> bool:
        """Tell whether each picture is a unit of its own."""
        return self.num == self.codes.size

    def within(self, groups: NDArray[Any]) -> tuple[Ints, Ints]:
        """Return a row for each unit's part of a group.

        Args:
            groups: (N,) the group of each picture, -1 for none.

        Returns:
            (N,) the row of each picture; (R,) the group of each row. Where each picture is a unit of its own, rows are the
            pictures in their order.
        """
        if self.single:
            return self.codes, groups.astype(np.int64)
        pairs = (groups.astype(np.int64) + 1) * self.num + self.codes
        found, rows = np.unique(pairs, return_inverse=True)
        return rows.ravel().astype(np.int64), found // self.num - 1

    def worth(self, groups: NDArray[Any] | None = None, num_groups: int = 1, sizes: NDArray[Any] | None = None) -> Floats:
        """Return how many units of equal size the units of each group are worth, (G,).

        Args:
            groups: (N,) the group of each picture, -1 for none; None where all are one.
            num_groups: G.
            sizes: (N,) how much each picture counts; None where all count alike.

        Example:
            >>> [of(list(names)).worth().tolist() for names in ("abcabc", "abcccc")]
            [[3.0], [2.0]]
        """
        rows, codes = self.within(np.zeros(self.codes.size, np.int64) if groups is None else groups)
        return worth(np.bincount(rows, sizes, minlength=codes.size), codes, num_groups)

    def worth_of(self, holding: NDArray[np.bool_]) -> float:
        """Return how many units of equal size those of some pictures are worth, by these pictures alone.

        Args:
            holding: (N,) which pictures hold what a figure is read from.

        Example:
            >>> of(list("abbb")).worth_of(np.array([True, True, False, False]))
            2.0
        """
        return float(self.worth(np.where(holding, 0, -1))[0])

    def behind(self, holding: NDArray[np.bool_]) -> tuple[int, int, float]:
        """Return how many units and pictures hold something, and what these units are worth; see ``worth_of``.

        Example:
            >>> of(list("abbb")).behind(np.array([True, True, True, False]))
            (2, 3, 1.8)
        """
        return int(np.unique(self.codes[holding]).size), int(holding.sum()), self.worth_of(holding)


def worth(sizes: NDArray[Any], codes: Ints, num_groups: int) -> Floats:
    """Return Kish's effective number of rows of each group: their sum squared over the sum of squares.

    Args:
        sizes: (R,) pictures, or objects, of each row; a row of none does not count.
        codes: (R,) the group of each row, -1 for none.
        num_groups: G.

    Returns:
        (G,), the number of rows itself where they are of one size.
    """
    own = np.asarray(sizes, np.float64)
    number, total, squares = (_sums(of, codes, num_groups) for of in (np.asarray(own > 0, np.float64), own, own**2))
    found = np.divide(total**2, squares, out=np.zeros(num_groups), where=squares > 0)
    return np.where(total**2 == squares * number, number, found)


def spread(influence: Floats, rows: Ints, codes: Ints, num_groups: int) -> Floats:
    """Return the variance of a figure whose pictures are as alike inside a unit as they are on average; see ``alike``.

    The sum of squares over units, which a standard error usually is, is nearly nothing where the few large units
    happen to fare alike. It agrees with this one where units are of one size.

    Args:
        influence: (N,) of each picture on the figure of its own group.
        rows: (N,) the row of each picture, 0 to R - 1.
        codes: (R,) the group of each row, -1 for none.
        num_groups: G.

    Returns:
        (G,), 0 where all rows of a group are of one size.
    """
    sizes = np.bincount(rows, minlength=codes.size).astype(np.float64)
    means = np.bincount(rows, influence, minlength=codes.size) / np.maximum(sizes, 1)
    inside = _sums((influence - means[rows]) ** 2, codes[rows], num_groups)
    whole = _sums(influence**2, codes[rows], num_groups)
    return _spread(inside, whole, sizes, codes, num_groups)


def spread_of_share(hits: Floats, totals: Floats) -> float:
    """Return ``spread`` of a share of pictures, given hits and pictures of each row, (R,)."""
    return float(spread_of_shares(hits, totals, np.zeros(totals.size, np.int64), 1)[0])


def spread_of_shares(hits: Floats, totals: Floats, codes: Ints, num_groups: int) -> Floats:
    """Return ``spread`` of a share of pictures, or of objects, in each of several groups.

    Args:
        hits: (R,) of each row.
        totals: (R,) of each row.
        codes: (R,) the group of each row, -1 for none.
        num_groups: G.

    Returns:
        (G,), 0 where all rows of a group that hold any are of one size.
    """
    there = totals > 0
    hits, totals, codes = hits[there], totals[there], codes[there]
    right, num = (_sums(of, codes, num_groups) for of in (hits, totals))
    num = np.maximum(num, 1.0)
    inside, whole = _sums(hits - hits**2 / totals, codes, num_groups) / num**2, right * (1 - right / num) / num**2
    return _spread(inside, whole, totals, codes, num_groups)


def spread_of_objects(influence: Floats, squares: Floats, sizes: Floats, codes: Ints, num_groups: int) -> Floats:
    """Return ``spread`` of a figure whose objects are as alike inside a picture, or unit, as they are on average.

    Args:
        influence: (R,) of each row on the figure of its own group.
        squares: (R,) of the objects of each row, the sum of squares of theirs.
        sizes: (R,) objects of each row; what a row without any moves is added.
        codes: (R,) the group of each row, -1 for none.
        num_groups: G.

    Returns:
        (G,), 0 where all rows of a group that hold any are of one size.
    """
    held, beside = (np.where(there, codes, -1) for there in (sizes > 0, sizes <= 0))
    inside = np.maximum(squares - influence**2 / np.maximum(sizes, 1.0), 0.0)
    within, whole = (_sums(of, held, num_groups) for of in (inside, squares))
    found = _spread(within, whole, sizes, held, num_groups)
    return np.where(found > 0, found + _sums(influence**2, beside, num_groups), 0.0)


def _sums(values: Floats, codes: Ints, num_groups: int) -> Floats:
    """Sum by group, as ``statistics.sums`` does, which training should not depend on."""
    inside = codes >= 0
    return np.bincount(codes[inside], values[inside], minlength=num_groups).astype(np.float64)


def _spread(inside: Floats, whole: Floats, sizes: Floats, codes: Ints, num_groups: int) -> Floats:
    """Return ``spread``, given sums of squares inside units and in all."""
    number, total, squares = (_sums(sizes**n, codes, num_groups) for n in (0, 1, 2))
    each = np.divide(whole, total, out=np.zeros(num_groups), where=total > 0)
    within = np.divide(inside, total - number, out=np.zeros(num_groups), where=total > number)
    alike = 1 - np.divide(within, each, out=np.zeros(num_groups), where=each > 0).clip(0, 1)
    design = 1 + alike * (np.divide(squares, total, out=np.ones(num_groups), where=total > 0) - 1)
    return np.where(total**2 == squares * number, 0.0, whole * design)


def of(names: Sequence[str]) -> Units:
    """Return the units of pictures, given the name of each one's.

    Example:
        >>> of(["p1", "p2", "p1"])
        Units(codes=array([0, 1, 0]), num=2)
    """
    codes, found = pd.factorize(np.asarray(names, dtype=object))
    return Units(codes.astype(np.int64), len(found))


def alone(num_pictures: int) -> Units:
    """Return units of one picture each."""
    return Units(np.arange(num_pictures), num_pictures)


def torn(evaluation: Mapping[str, Any]) -> list[str]:
    """Say that units, or copies of pictures, stand in the test split and elsewhere, a line each; nothing where none does.

    Args:
        evaluation: content of the metrics file.

    Example:
        >>> torn({"torn_units": {"units": 2, "pictures": 8}})[0][:63]
        '8 test pictures belong to 2 units whose other pictures are lear'
        >>> torn({"torn_near_copies": {"pictures": 6}})[0][:51]
        'of 6 test pictures a copy or near copy is learnt fr'
        >>> torn({})
        []
    """
    lines = []
    if found := evaluation.get(TORN):
        what = f"{found['pictures']} test pictures belong to {found['units']} units whose other pictures are learnt from"
        lines.append(f"{what}: the figures are too good for new units (acquire.unit, gate.md: torn_unit, torn_near_copy)")
    if found := evaluation.get(TORN_COPIES):
        what = f"of {found['pictures']} test pictures a copy or near copy is learnt from"
        lines.append(f"{what}: the figures are too good for new pictures (acquire.gate.torn_near_copy, gate.md)")
    return lines


def added(table: Any, rows: Ints, num_rows: int) -> Any:
    """Add the rows of a sparse (N, K) table up: (R, K)."""
    return sparse.csr_array((np.ones(rows.size), (rows, np.arange(rows.size))), shape=(num_rows, rows.size)) @ table
