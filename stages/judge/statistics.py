"""Intervals that stay honest with few pictures.

Sources: Wilson (1927); Clopper and Pearson (1934), Biometrika 26, 404-413; Newcombe (1998), Statistics in Medicine 17,
873-890, method 10 for a difference of two proportions, and Zou and Donner (2008) for the same construction with any two
intervals (MOVER); Kish (1965) for effective sizes.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainccinv, betaincinv, ndtr, ndtri, stdtrit

Floats = NDArray[np.float64]
_ROUNDING = 1e-12  # what lies nearer to 0 or 1 is that, but for the last digits of sums
ENTRIES = 2**21  # weights held at a time: 16 MB


def quantile(level: ArrayLike, freedom: ArrayLike = np.inf) -> Floats:
    """Return the quantile of a two-sided interval: normal, or Student's where the spread is itself estimated.

    Args:
        level: coverage.
        freedom: degrees of freedom of the spread; infinite where it is known.

    Example:
        >>> [round(float(quantile(0.95, f)), 3) for f in (float("inf"), 9)]
        [1.96, 2.262]
    """
    at, freedom = 0.5 + np.asarray(level, np.float64) / 2, np.asarray(freedom, np.float64)
    return np.asarray(np.where(np.isinf(freedom), ndtri(at), stdtrit(np.where(np.isinf(freedom), 1.0, freedom), at)))


def wilson(value: ArrayLike, n: ArrayLike, level: float = 0.95, freedom: ArrayLike = np.inf) -> tuple[Floats, Floats]:
    """Return Wilson's score interval of a proportion.

    Args:
        value: the observed proportion(s), 0 to 1; NaN gives NaN.
        n: how many independent trials stand behind it; need not be whole (an effective size).
        level: coverage.
        freedom: degrees of freedom where ``n`` is an effective size that was itself estimated; see ``quantile``.

    Returns:
        Lower and upper bound, of the common shape; (0, 1) where ``n`` is 0.

    Example:
        >>> [round(float(b), 3) for b in wilson(1.0, 6)]
        [0.61, 1.0]
    """
    p, size, z = np.broadcast_arrays(np.asarray(value, np.float64), np.asarray(n, np.float64), quantile(level, freedom))
    z2 = z**2
    middle = size * p + z2 / 2
    half = np.sqrt(z2) * np.sqrt(np.maximum(size * p * (1 - p) + z2 / 4, 0))
    low, high = (middle - half) / (size + z2), (middle + half) / (size + z2)
    return np.where(p <= 0, 0.0, low.clip(0, 1)), np.where(p >= 1, 1.0, high.clip(0, 1))


def exact(value: ArrayLike, n: ArrayLike, level: float = 0.95, freedom: ArrayLike = np.inf) -> tuple[Floats, Floats]:
    """Return Clopper and Pearson's interval of a proportion: each bound errs in (1 - level) / 2 of cases or fewer.

    Verdicts rest on it. Wilson's interval is closer to its level on average, yet one of its bounds errs far more often than
    it says where a proportion is close to 0 or 1 and the level high. Sizes need not be whole: the beta quantiles that bound
    a whole number of successes are taken between them too.

    Args:
        value: the observed proportion(s), 0 to 1; NaN gives NaN.
        n: how many independent trials stand behind it, see ``wilson``.
        level: coverage.
        freedom: degrees of freedom where ``n`` was itself estimated: a bound then errs as often as a normal one of the size
            of Student's quantile.

    Returns:
        Lower and upper bound, of the common shape; (0, 1) where ``n`` is 0.

    Example:
        >>> [round(float(b), 3) for b in exact(0.9, 10)]
        [0.555, 0.997]
    """
    error = ndtr(-quantile(level, freedom))
    p, size, error = np.broadcast_arrays(np.asarray(value, np.float64), np.asarray(n, np.float64), error)
    hits, misses = size * p, size * (1 - p)
    low = betaincinv(np.where(hits > 0, hits, 1.0), misses + 1, error)
    high = betainccinv(hits + 1, np.where(misses > 0, misses, 1.0), error)
    known = ~np.isnan(hits)  # an error too small for scipy gives NaN: there the bound is 0, or 1, to 25 digits
    low = np.where((hits <= 0) | (np.isnan(low) & known), 0.0, low)
    return low, np.where((misses <= 0) | (np.isnan(high) & known), 1.0, high)


def effective_size(value: float, spread: float, holders: float) -> float:
    """Return the number of independent trials that would give a proportion the same standard error.

    With it Wilson's interval serves any figure between 0 and 1 (an average precision, a mean IoU, a recall of objects
    that share pictures) and never shrinks to a point as the percentile bootstrap of a flawless group does.

    Args:
        value: the figure.
        spread: its standard error, for instance of bootstrap replicates.
        holders: pictures that hold what it is read from; the answer where the spread says nothing (all right, all wrong, one
            picture). Others are no trials: they can be neither right nor wrong.

    Example:
        >>> round(effective_size(0.5, 0.05, 80))
        100
    """
    return float(effective_sizes(np.array([value]), np.array([spread]), np.array([holders]))[0])


def effective_sizes(values: Floats, spreads: Floats, holders: ArrayLike) -> Floats:
    """Return ``effective_size`` of several figures, each (G,)."""
    told = (values > _ROUNDING) & (values < 1 - _ROUNDING) & np.isfinite(spreads) & (spreads > _ROUNDING)
    sizes = np.divide(values * (1 - values), spreads**2, out=np.zeros(values.shape), where=told)
    return np.where(told, sizes, holders)


def difference(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return ``first - second`` with its interval, for two independent figures given as (value, low, high) (MOVER).

    Example:
        >>> [round(d, 4) for d in difference((0.8, 0.7, 0.9), (0.5, 0.4, 0.6))]
        [0.3, 0.1586, 0.4414]
    """
    (p, p_low, p_high), (q, q_low, q_high) = first, second
    gap = p - q
    return gap, gap - float(np.hypot(p - p_low, q_high - q)), gap + float(np.hypot(p_high - p, q - q_low))


def differences(values: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    """Return ``difference`` for each ordered pair of several independent figures.

    Args:
        values: (G,).
        low: (G,) their lower bounds.
        high: (G,) their upper bounds.

    Returns:
        Difference, lower and upper bound, each (G, G): row minus column. The diagonal is no pair.
    """
    gap = values[:, None] - values[None]
    down, up = values - low, high - values
    return gap, gap - np.hypot(down[:, None], up[None]), gap + np.hypot(up[:, None], down[None])


def sums(values: Floats, codes: NDArray[np.int64], num_groups: int) -> Floats:
    """Sum values by group.

    Args:
        values: (N,).
        codes: (N,) the group of each, -1 for none.
        num_groups: G.

    Returns:
        (G,).
    """
    inside = codes >= 0
    return np.bincount(codes[inside], values[inside], minlength=num_groups).astype(np.float64)


def standard_errors(influence: Floats, codes: NDArray[np.int64], num_groups: int, holders: Floats | None = None) -> Floats:
    """Return the standard error of one figure in each of several groups (infinitesimal jackknife).

    Squares are added up times n / (n - 1), n being the rows that hold what the figure is read from: others, however many, do
    not make it surer.

    Args:
        influence: (N,) how much the figure of a row's own group moves with its weight; a row is what is drawn: a picture,
            or several of one unit added up.
        codes: (N,) the group of each row, -1 for none.
        num_groups: G.
        holders: (G,) n; the rows of each group where all of them hold something.

    Returns:
        (G,), 0 for a group of one row or none.
    """
    num = sums(np.ones(codes.size), codes, num_groups) if holders is None else holders
    return np.asarray(np.sqrt(sums(influence**2, codes, num_groups) * num / np.maximum(num - 1, 1)))


def resamples(num_pictures: int, num_bootstraps: int, random: np.random.Generator) -> Floats:
    """Draw bootstrap weights: how often each picture, or unit of pictures, is taken.

    Args:
        num_pictures: N, or units.
        num_bootstraps: M.
        random: where the draws come from.

    Returns:
        (M, N) float64, whole numbers, each row sums to N.
    """
    return random.multinomial(num_pictures, np.full(num_pictures, 1 / num_pictures), size=num_bootstraps).astype(np.float64)


def resampled(num_pictures: int, num_bootstraps: int, random: np.random.Generator) -> Iterator[Floats]:
    """Draw the weights of ``resamples`` a few rows at a time, so that memory does not grow with the pictures."""
    rows = max(1, ENTRIES // max(num_pictures, 1))
    for start in range(0, num_bootstraps, rows):
        yield resamples(num_pictures, min(rows, num_bootstraps - start), random)


def a_few_at_a_time(values: Callable[[Floats], Floats], weights: Floats, width: int) -> Floats:
    """Return figures under weights, a few rows at a time, so that no more is held than these.

    Args:
        values: (m, R) weights to (m,) figures, each row for itself.
        weights: (M, R).
        width: numbers that ``values`` holds for a row.

    Returns:
        (M,).
    """
    rows = max(1, ENTRIES // max(width, 1))
    return np.concatenate([values(weights[start : start + rows]) for start in range(0, max(len(weights), 1), rows)])


def percentile_interval(replicates: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of bootstrap replicates; undefined ones (NaN) are left out, NaN if all are."""
    defined = replicates[np.isfinite(replicates)]
    if not defined.size:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
