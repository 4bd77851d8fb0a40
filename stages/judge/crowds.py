"""What a mean over classes may vary where pictures hold unequal numbers of objects.

What makes a picture hard, blur or poor light, makes it hard for all of its classes. Errors that are added up class by class
take these for independent. Here the objects of a picture count together, whichever class they are of.
"""

import numpy as np
from numpy.typing import NDArray

from stages.judge import statistics

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
_ROUNDING = 1e-9  # of an object's share of its class: less is the last digits of sums, and nothing varies


class Crowds:
    """Sums over the objects of each row of several classes, added class by class.

    An object counts as a multiple of the standard deviation of those of its class in its group. So rare classes, of which
    each object moves the mean a lot, and common ones tell alike how much the objects of a picture have in common.
    """

    def __init__(self, num_rows: int, num_groups: int) -> None:
        """Begin with no class.

        Args:
            num_rows: R.
            num_groups: G.
        """
        self._num_groups = num_groups
        # Of each row: objects, sum and sum of squares of their multiples, sum of deviations and of variances, and the rest.
        self._sizes, self._moves, self._squares, self._reach, self._own, self._beside = np.zeros((6, num_rows))

    def add(self, at: NDArray[np.intp], moves: Floats, squares: Floats, sizes: Floats, codes: Codes) -> None:
        """Add a class; what ``units.spread_of_objects`` takes of it.

        Args:
            at: (P,) the rows that speak of it, each once.
            moves: (P,) of each on the mean of its own group.
            squares: (P,) of the objects of each, the sum of squares of theirs.
            sizes: (P,) objects of each.
            codes: (P,) the group of each, -1 for none.
        """
        held = np.where(sizes > 0, codes, -1)
        total, whole = (statistics.sums(of, held, self._num_groups) for of in (sizes, squares))
        deviation = np.sqrt(np.divide(whole, total, out=np.zeros(total.size), where=total > 0))
        deviation[deviation * total <= _ROUNDING] = 0.0
        own = np.where(held >= 0, deviation[np.maximum(held, 0)], 0.0)
        some = own > 0
        rows, own = at[some], own[some]
        self._sizes[rows] += sizes[some]
        self._moves[rows] += moves[some] / own
        self._squares[rows] += squares[some] / own**2
        self._reach[rows] += sizes[some] * own
        self._own[rows] += sizes[some] * own**2
        rest = (sizes <= 0) & (codes >= 0)
        self._beside[at[rest]] += moves[rest]

    def spread(self, codes: Codes) -> Floats:
        """Return the variance of the mean whose objects are as alike inside a row as they are on average.

        Args:
            codes: (R,) the group of each row, -1 for none.

        Returns:
            (G,), 0 where all rows of a group that hold any hold equally many; of one class ``units.spread_of_objects``.
        """
        held = np.where(self._sizes > 0, codes, -1)
        inside = np.maximum(self._squares - self._moves**2 / np.maximum(self._sizes, 1.0), 0.0)
        within, number, total, squares, single, pairs = (
            statistics.sums(of, held, self._num_groups)
            for of in (
                inside,
                np.ones(held.size),
                self._sizes,
                self._sizes**2,
                self._own,
                self._reach**2 - self._own,
            )
        )
        left = np.divide(within, total - number, out=np.zeros(total.size), where=total > number)
        found = single + (1 - left.clip(0, 1)) * np.maximum(pairs, 0.0)
        beside = statistics.sums(self._beside**2, codes, self._num_groups)
        return np.where(total**2 == squares * number, 0.0, found + beside)
