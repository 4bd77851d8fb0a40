"""What the pictures of a group weigh in a mean over classes, and so how many of them it rests on.

A picture weighs the more the fewer others hold its classes. Where few pictures hold many classes the mean is theirs,
however many others there are; the classes are no independent evidence then.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.judge import statistics

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Together:
    """What it comes to that classes stand in the same pictures, (G,) each; see ``rare_classes.pooled``.

    Attributes:
        freedom: degrees of freedom of what pictures show of a mean over the classes that several hold.
        trials: pictures of equal weight that all are worth (L. Kish, "Survey Sampling", 1965).
        right: likewise, by those classes that several hold of which all is right.
        wrong: by those of which all is wrong.
        common: what classes that one picture holds add to the variance of the sum by faring alike (``Crowds.lone``).
    """

    freedom: Floats
    trials: Floats
    right: Floats
    wrong: Floats
    common: Floats

    @classmethod
    def apart(cls, num_groups: int) -> "Together":
        """Return what it comes to where each picture holds one class: nothing that their numbers do not tell."""
        free = np.full(num_groups, np.inf)
        return cls(free, free, free, free, np.zeros(num_groups))


class Weights:
    """Sums over the classes of each row of what it weighs in the mean over them: its share of those that hold the class."""

    def __init__(self, num_rows: int, num_groups: int) -> None:
        """Begin with no class.

        Args:
            num_rows: R.
            num_groups: G.
        """
        self._num_groups = num_groups
        self._number, self._all, self._several, self._right, self._wrong = (np.zeros(num_rows) for _ in range(5))

    def add(self, at: NDArray[np.intp], codes: Codes, each: Floats, holders: Floats) -> None:
        """Add rows that hold a class, or several classes' rows.

        Args:
            at: (P,) the rows.
            codes: (P,) the group of each, -1 for none.
            each: (P,) the class's figure in this group, NaN where it does not count.
            holders: (P,) rows of the group that hold the class.
        """
        inside = (codes >= 0) & np.isfinite(each)
        at, each, holders = at[inside], each[inside], holders[inside]
        weights, several = 1 / np.maximum(holders, 1.0), holders > 1
        np.add.at(self._number, at, 1.0)
        np.add.at(self._all, at, weights)
        kinds = several, several & (each >= 1 - _ROUNDING), several & (each <= _ROUNDING)
        for sums, some in zip((self._several, self._right, self._wrong), kinds, strict=True):
            np.add.at(sums, at[some], weights[some])

    def together(self, codes: Codes, common: Floats) -> Together:
        """Return what the mean over the classes rests on.

        Degrees of freedom are Satterthwaite's of variances that the rows' weights show where a row's classes fare alike.
        Where no row holds more than one class nothing is said that the classes' numbers do not tell.

        Args:
            codes: (R,) the group of each row, -1 for none.
            common: see ``Together``.
        """
        crowded = self._sums(np.asarray(self._number > 1, np.float64), codes) > 0
        squares, fourths = (self._sums(self._several**power, codes) for power in (2, 4))
        freedom = np.divide(squares**2, fourths, out=np.full(squares.size, np.inf), where=fourths > 0) - 1
        worth = [self._worth(weights, codes) for weights in (self._all, self._right, self._wrong)]
        free, trials, right, wrong = (np.where(crowded, one, np.inf) for one in (np.maximum(freedom, 1.0).round(9), *worth))
        return Together(free, trials, right, wrong, common)

    def _worth(self, weights: Floats, codes: Codes) -> Floats:
        total, squares = self._sums(weights, codes), self._sums(weights**2, codes)
        found: Floats = np.divide(total**2, squares, out=np.full(total.size, np.inf), where=squares > 0).round(9)
        return found

    def _sums(self, values: Floats, codes: Codes) -> Floats:
        return statistics.sums(values, codes, self._num_groups)
