"""Compares two models on the same items."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy import stats


def difference(new: Sequence[float], old: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of ``new - old`` over paired items and its interval.

    For outcomes of 0 and 1 the interval is Agresti and Min's (2005, Statistics in Medicine 24, "Simple improved
    confidence intervals for comparing matched proportions"): half an item is added to each cell of the two by two
    table, so that it holds for few items and for models that never differ. Other outcomes take Student's t.

    Args:
        new: outcomes of one model, 0 to 1, N of them.
        old: outcomes of the other on the same items in the same order.
        confidence: coverage of the interval.

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
    if set(np.unique(np.concatenate([one, two]))) <= {0.0, 1.0}:
        middle, half = _agresti_min(int((gain > 0).sum()), int((gain < 0).sum()), gain.size, confidence)
    else:
        middle, half = mean, _student(gain, confidence)
    return mean, max(-1.0, middle - half), min(1.0, middle + half)


def _agresti_min(better: int, worse: int, num: int, confidence: float) -> tuple[float, float]:
    total = num + 2
    middle = (better - worse) / total
    spread = (better + worse + 1) - (better - worse) ** 2 / total
    return middle, float(stats.norm.ppf(0.5 + confidence / 2)) * sqrt(spread) / total


def _student(gain: "np.ndarray[tuple[int], np.dtype[np.float64]]", confidence: float) -> float:
    if gain.size == 1:
        return 2.0
    return float(stats.t.ppf(0.5 + confidence / 2, gain.size - 1) * gain.std(ddof=1) / sqrt(gain.size))
