"""Compares two models on the same items."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stages.judge.units import Units

COVERS = "the interval covers the test pictures alone, not other training seeds"
"""What the interval of every gain of one model over another says; each was trained once."""

Floats = NDArray[np.float64]


def difference(
    new: Sequence[float], old: Sequence[float], confidence: float = 0.95, units: Units | None = None
) -> tuple[float, float, float]:
    """Return the mean of ``new - old`` over paired items and its interval.

    For outcomes of 0 and 1 the interval is Agresti and Min's (2005, Statistics in Medicine 24, "Simple improved
    confidence intervals for comparing matched proportions"): half an item is added to each cell of the two by two
    table, so that it holds for few items and for models that never differ. Other outcomes take Student's t. Where items are
    drawn together, the table is that of as many independent items as would give the same standard error (as many as there
    are units where models never differ), and the quantile is Student's; other outcomes take the standard error by units.

    Args:
        new: outcomes of one model, 0 to 1, N of them.
        old: outcomes of the other on the same items in the same order.
        confidence: coverage of the interval.
        units: which items are drawn together; None where each is drawn for itself.

    Returns:
        The mean difference, the interval's low and its high end, each from -1 to 1.

    Raises:
        ValueError: the lengths differ or are zero.

    Example:
        >>> difference([1, 1, 1, 0], [1, 1, 1, 0])[0]
        0.0
    """
    one, two = np.asarray(new, dtype=np.float64), np.asarray(old, dtype=np.float64)
    if one.shape != two.shape or one.size == 0:
        raise ValueError(f"{one.size} new and {two.size} old outcomes; expected equally many, at least one")
    gain = one - two
    mean = float(gain.mean())
    if units is not None and not units.single:
        middle, half = _by_unit(gain, units, confidence)
    elif set(np.unique(np.concatenate([one, two]))) <= {0.0, 1.0}:
        quantile = float(stats.norm.ppf(0.5 + confidence / 2))
        middle, half = _agresti_min(int((gain > 0).sum()), int((gain < 0).sum()), gain.size, quantile)
    else:
        middle, half = mean, _student(gain, confidence)
    return mean, max(-1.0, middle - half), min(1.0, middle + half)


def _by_unit(gain: Floats, units: Units, confidence: float) -> tuple[float, float]:
    """Return the middle and half the width of the interval where a unit's items are drawn together."""
    left = np.bincount(units.codes, gain - gain.mean(), units.num)
    variance = float(left @ left) * units.num / max(units.num - 1, 1) / gain.size**2
    quantile = float(stats.t.ppf(0.5 + confidence / 2, max(units.num - 1, 1)))
    if not set(np.unique(gain)) <= {-1.0, 0.0, 1.0}:
        return float(gain.mean()), quantile * sqrt(variance)
    alone = float(gain.var())
    num = alone / variance if variance > 0 and alone > 0 else float(units.num)
    better, worse = (float(np.where(gain * sign > 0, gain * sign, 0.0).mean()) * num for sign in (1, -1))
    return _agresti_min(better, worse, num, quantile)


def _agresti_min(better: float, worse: float, num: float, quantile: float) -> tuple[float, float]:
    total = num + 2
    middle = (better - worse) / total
    spread = (better + worse + 1) - (better - worse) ** 2 / total
    return middle, quantile * sqrt(spread) / total


def _student(gain: Floats, confidence: float) -> float:
    if gain.size == 1:
        return 2.0
    return float(stats.t.ppf(0.5 + confidence / 2, gain.size - 1) * gain.std(ddof=1) / sqrt(gain.size))
