"""A number of each picture, held for those pictures alone that have one: of a thousand classes a picture holds a few."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp] | slice
ALL = slice(None)


@dataclass(frozen=True)
class Tally:
    """A number of each of N pictures.

    Attributes:
        rows: (P,) positions of the pictures that have one, each once; ``ALL`` where all have.
        numbers: (P,) of these; that of every other picture is 0.
        size: N.
    """

    rows: Rows
    numbers: NDArray[Any]
    size: int

    def dense(self) -> NDArray[Any]:
        """Return the number of each picture, (N,)."""
        if isinstance(self.rows, slice):
            return self.numbers
        found = np.zeros(self.size, self.numbers.dtype)
        found[self.rows] = self.numbers
        return found


def whole(numbers: NDArray[Any]) -> Tally:
    """Return the tally of a number of each picture, (N,)."""
    return Tally(ALL, numbers, numbers.size)


def of(numbers: NDArray[Any]) -> Tally:
    """Return the tally of a number of each picture, (N,), in the shorter of both forms.

    Example:
        >>> of(np.array([0.0, 0, 0, 5])).rows, of(np.array([1.0, 2, 0])).rows
        (array([3]), slice(None, None, None))
    """
    rows = np.flatnonzero(numbers)
    return whole(numbers) if 2 * rows.size > numbers.size else Tally(rows, numbers[rows], numbers.size)
