"""Answers that do not look at the picture, and what a model gains over them.

Of labels and pixels it is the class with the most units, always: no other single class has a higher accuracy, macro F1 or
mIoU. Whatever else a model may say unseen, it says of other pictures, too: its own answers dealt out anew (``judge.dealt``).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from stages.judge import degenerate, paired, statistics
from stages.judge.classes import Counts
from stages.judge.draws import Draws
from stages.judge.measures import Measure
from stages.judge.units import Units

Floats = NDArray[np.float64]
_DIGITS = 9  # a mean of three equal figures differs from them by its last bits, which are no gain


def of_classes(held: Counts) -> tuple[int, Counts]:
    """Return the class with the most units, and what always saying it comes to.

    Args:
        held: units by picture and class; whatever was said is not looked at.
    """
    units = np.asarray(held.real.sum(axis=0)).ravel()
    label, shape = int(units.argmax()), held.real.shape
    totals = np.asarray(held.real.sum(axis=1), np.float64).ravel()
    rows = np.arange(shape[0])
    at = (rows, np.full(rows.size, label))
    hit = np.asarray(held.real[:, [label]].sum(axis=1), np.float64).ravel()
    return label, Counts(sparse.csr_array((hit, at), shape=shape), held.real, sparse.csr_array((totals, at), shape=shape))


def gains(model: Sequence[Measure], others: Sequence[Sequence[Measure]], draws: Draws) -> list[degenerate.Gain]:
    """Compare figures of the model with the mean of those of other answers under the same bootstrap draws.

    Args:
        model: the figures of the model's answers, over units (``Measure.merged``).
        others: the same figures of each set of other answers, over the same units; none gives no gains.
        draws: of the units.
    """
    if not others:
        return []

    def both(weights: Floats) -> Floats:
        """Return the model's figures (M, F) and the mean of the others', beside each other: (M, 2, F)."""
        own, *rest = (np.stack([one.values(weights) for one in figures], axis=1) for figures in (model, *others))
        return np.stack([own, np.mean(rest, axis=0)], axis=1)

    one, other = both(np.ones((1, draws.num_units)))[0].tolist()
    found = draws.of(lambda weights: np.subtract(*both(weights).swapaxes(0, 1)).round(_DIGITS))
    lows = [statistics.percentile_interval(gain)[0] for gain in found.T]
    return [degenerate.Gain(m.name, m.title, one[i], other[i], lows[i]) for i, m in enumerate(model)]


def gain_of_shares(model: Measure, right: Floats, constant: Floats, units: Units | None = None) -> degenerate.Gain:
    """Compare shares of pictures, given whether each picture was right, (N,) 0 or 1; see ``paired.difference``."""
    low = paired.difference(right.tolist(), constant.tolist(), units=units)[1]
    return degenerate.Gain(model.name, model.title, float(right.mean()), float(constant.mean()), low)
