"""What a mean over classes may vary where pictures hold unequal numbers of objects, or classes that no other holds.

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
        # Of classes that no other row holds: how many, sum and sum of squares of figures, of deviations and of variances.
        self._number, self._figures, self._powers, self._single, self._apart = np.zeros((5, num_rows))

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

    def add_lone(self, at: NDArray[np.intp], sizes: Floats, codes: Codes, each: Floats, lone: Floats) -> None:
        """Add a class to those that one row alone of a group holds.

        Args:
            at: (P,) the rows that speak of it, each once.
            sizes: (P,) objects of each.
            codes: (P,) the group of each, -1 for none.
            each: (G,) its figure.
            lone: (G,) what this is taken to vary where one row alone of a group holds it, 0 in other groups.
        """
        mine = (sizes > 0) & (codes >= 0)
        mine[mine] = lone[codes[mine]] > 0
        rows, figure, variance = at[mine], each[codes[mine]], lone[codes[mine]]
        self._number[rows] += 1
        self._figures[rows] += figure
        self._powers[rows] += figure**2
        self._single[rows] += np.sqrt(variance)
        self._apart[rows] += variance

    def lone(self, codes: Codes) -> Floats:
        """Return what lone classes add to the variance of the sum over classes where they fare as their row does.

        Each for itself they vary as ``add_lone`` was told; this comes on top, and none does where no row holds such a
        class beside another. How alike they fare is told by the figures of those of a row, and by its other objects; where
        neither tells, or one row holds them all, they are taken to fare as one.

        Args:
            codes: (R,) the group of each row, -1 for none.

        Returns:
            (G,).
        """
        if not self._number.any():
            return np.zeros(self._num_groups)
        number, total, squares = self._sums(codes, self._number, self._figures, self._powers)
        rows = self._sums(codes, np.asarray(self._number > 0, np.float64))[0]
        mean = np.divide(total, number, out=np.zeros(total.size), where=number > 0)
        variance = np.divide(squares, number, out=np.zeros(total.size), where=number > 0) - mean**2
        variance[(variance <= _ROUNDING) | (rows <= 1)] = 0.0
        own = np.where(codes >= 0, variance[np.maximum(codes, 0)], 0.0)
        some, mine = own > 0, mean[np.maximum(codes, 0)]
        moves, powers, sizes = self._moves.copy(), self._squares.copy(), self._sizes + np.where(some, self._number, 0.0)
        moves[some] += (self._figures - self._number * mine)[some] / np.sqrt(own[some])
        powers[some] += (self._powers - 2 * mine * self._figures + self._number * mine**2)[some] / own[some]
        alike = self._alike(codes, moves, powers, sizes)
        alike += (1 - alike) / np.maximum(rows, 1.0) ** 2  # few rows hardly tell
        pairs = (self._reach + self._single) ** 2 - self._reach**2 - self._apart
        return alike * np.maximum(self._sums(codes, pairs)[0], 0.0)

    def spread(self, codes: Codes) -> Floats:
        """Return the variance of the mean whose objects are as alike inside a row as they are on average.

        Args:
            codes: (R,) the group of each row, -1 for none.

        Returns:
            (G,), 0 where all rows of a group that hold any hold equally many; of one class ``units.spread_of_objects``.
        """
        held = np.where(self._sizes > 0, codes, -1)
        number, total, squares, single, pairs = self._sums(
            held, np.ones(held.size), self._sizes, self._sizes**2, self._own, self._reach**2 - self._own
        )
        found = single + self._alike(codes, self._moves, self._squares, self._sizes) * np.maximum(pairs, 0.0)
        beside = self._sums(codes, self._beside**2)[0]
        return np.where(total**2 == squares * number, 0.0, found + beside)

    def _alike(self, codes: Codes, moves: Floats, squares: Floats, sizes: Floats) -> Floats:
        """Return the correlation of the objects of a row, whichever class they are of, (G,); 1 where nothing tells.

        Args:
            codes: (R,) the group of each row, -1 for none.
            moves: (R,) sum of multiples of each row's objects.
            squares: (R,) sum of their squares.
            sizes: (R,) how many.
        """
        held = np.where(sizes > 0, codes, -1)
        inside = np.maximum(squares - moves**2 / np.maximum(sizes, 1.0), 0.0)
        within, number, total = self._sums(held, inside, np.ones(held.size), sizes)
        found: Floats = 1 - np.divide(within, total - number, out=np.zeros(total.size), where=total > number).clip(0, 1)
        return found

    def _sums(self, codes: Codes, *of: Floats) -> list[Floats]:
        return [statistics.sums(one, codes, self._num_groups) for one in of]


def least_of_mean(  # noqa: PLR0913, PLR0917 - what is known of the classes, and of all together
    each: Floats, variances: Floats, least: Floats, influence: Floats, codes: Codes, together: Floats
) -> Floats:
    """Return the variance that a mean over classes has at least; see ``ratio_slope.Moves``.

    Class by class, what one lacks another does not have over. But classes of a picture are no independent evidence: what
    they have in common is told by all its objects together.

    Args:
        each: (G, K) figure of each class, NaN where it does not count.
        variances: (G, K) what influences show of it.
        least: (G, K) what it has at least.
        influence: (N,) of each picture on the mean of its own group.
        codes: (N,) the group of each picture, -1 for none.
        together: (G,) what the sum over classes has at least by all objects of a picture (``Crowds.spread``).
    """
    num = np.maximum(np.isfinite(each).sum(1), 1)
    lacking = np.maximum(least - variances, 0.0).sum(1) / num**2
    apart = np.where(lacking > 0, statistics.sums(influence**2, codes, num.size) + lacking, least.sum(1) / num**2)
    found: Floats = np.maximum(apart, together / num**2)
    return found
