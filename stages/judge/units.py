"""Which pictures are drawn together: those of one unit (a patient, a video, a burst of near copies).

All figures here are read from sums over pictures, so pictures that are drawn together are added up first: a unit is then a
row like any other, and bootstrap, standard error, degrees of freedom and deals need no rule of their own. Of a group of
pictures a unit's part inside it is the row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]
TORN = "torn_units"  # of the metrics file


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
    """Say in a line that units stand in the test split and elsewhere; nothing where none does.

    Args:
        evaluation: content of the metrics file.

    Example:
        >>> torn({"torn_units": {"units": 2, "pictures": 8}})[0][:63]
        '8 test pictures belong to 2 units whose other pictures are lear'
        >>> torn({})
        []
    """
    if not (found := evaluation.get(TORN)):
        return []
    what = f"{found['pictures']} test pictures belong to {found['units']} units whose other pictures are learnt from"
    return [f"{what}: the figures are too good for new units (acquire.unit, gate.md: torn_unit, torn_near_copy)"]


def added(table: Any, rows: Ints, num_rows: int) -> Any:
    """Add the rows of a sparse (N, K) table up: (R, K)."""
    return sparse.csr_array((np.ones(rows.size), (rows, np.arange(rows.size))), shape=(num_rows, rows.size)) @ table


def most_frequent(values: Ints, rows: Ints, num_rows: int) -> Ints:
    """Return the value (N, whole, from 0) that most pictures of each row have, (R,); of equally many the lowest."""
    width = int(values.max(initial=0)) + 1
    pairs, counts = np.unique(rows * width + values, return_counts=True)
    order = np.lexsort((pairs, -counts, pairs // width))
    first = np.unique(pairs[order] // width, return_index=True)
    found = np.zeros(num_rows, np.int64)
    found[first[0]] = pairs[order][first[1]] % width
    return found
