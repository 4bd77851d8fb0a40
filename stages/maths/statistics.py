"""Intervals and tests that stay honest with few pictures.

Sources: Wilson (1927); Newcombe (1998), Statistics in Medicine 17, 873-890, method 10 for a difference of two
    proportions, and Zou
and Donner (2008) for the same construction with any two intervals (MOVER); Kish (1965) for effective sizes; Holm (1979).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]


def quantile(level: float) -> float:
    """Return the normal quantile of a two-sided interval.

    Example:
        >>> round(quantile(0.95), 4)
        1.96
    """
    return float(ndtri(0.5 + level / 2))


def wilson(value: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return Wilson's score interval of a proportion.

    Args:
        value: the observed proportion(s), 0 to 1; NaN gives NaN.
        n: how many independent trials stand behind it; need not be whole (an effective size).
        level: coverage.

    Returns:
        Lower and upper bound, of the common shape; (0, 1) where ``n`` is 0.

    Example:
        >>> [round(float(b), 3) for b in wilson(1.0, 6)]
        [0.61, 1.0]
    """
    p, size = np.broadcast_arrays(np.asarray(value, np.float64), np.asarray(n, np.float64))
    z2 = quantile(level) ** 2
    middle = size * p + z2 / 2
    half = np.sqrt(z2) * np.sqrt(np.maximum(size * p * (1 - p) + z2 / 4, 0))
    low, high = (middle - half) / (size + z2), (middle + half) / (size + z2)
    return np.where(p <= 0, 0.0, low.clip(0, 1)), np.where(p >= 1, 1.0, high.clip(0, 1))


def effective_size(value: float, spread: float, num_pictures: float) -> float:
    """Return the number of independent trials that would give a proportion the same standard error.

    With it Wilson's interval serves any figure between 0 and 1 (an average precision, a mean IoU, a recall of objects
    that share pictures) and never shrinks to a point as the percentile bootstrap of a flawless group does.

    Args:
        value: the figure.
        spread: its standard error, for instance of bootstrap replicates.
        num_pictures: pictures behind it; the answer where the spread says nothing (all right, all wrong, one picture).

    Example:
        >>> round(effective_size(0.5, 0.05, 80))
        100
    """
    if not 0 < value < 1 or not np.isfinite(spread) or spread <= 0:
        return num_pictures
    return float(value * (1 - value) / spread**2)


def difference(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return ``first - second`` with its interval, for two independent figures given as (value, low, high) (MOVER).

    Example:
        >>> [round(d, 4) for d in difference((0.8, 0.7, 0.9), (0.5, 0.4, 0.6))]
        [0.3, 0.1586, 0.4414]
    """
    (p, p_low, p_high), (q, q_low, q_high) = first, second
    gap = p - q
    return gap, gap - float(np.hypot(p - p_low, q_high - q)), gap + float(np.hypot(p_high - p, q - q_low))


def resamples(num_pictures: int, num_bootstraps: int, random: np.random.Generator) -> Floats:
    """Draw bootstrap weights: how often each picture is taken.

    Args:
        num_pictures: N.
        num_bootstraps: M.
        random: where the draws come from.

    Returns:
        (M, N) float64, whole numbers, each row sums to N.
    """
    return random.multinomial(num_pictures, np.full(num_pictures, 1 / num_pictures), size=num_bootstraps).astype(np.float64)


def percentile_interval(replicates: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of bootstrap replicates; undefined ones (NaN) are left out, NaN if all are."""
    defined = replicates[np.isfinite(replicates)]
    if not defined.size:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being many (Holm 1979).

    Rejecting those below alpha is wrong anywhere in the family at most alpha of the time.

    Example:
        >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * (p.size - np.arange(p.size))).clip(max=1)
    adjusted = np.empty_like(p)
    adjusted[order] = steps
    return [float(v) for v in adjusted]
