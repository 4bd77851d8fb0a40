"""Figures of a test split as functions of how much each picture weighs.

Written so, one definition serves the figure itself (every weight 1), its exact bootstrap (weights = how often a
picture was drawn), a group (weights 0 and 1) and a permutation of groups. Nothing is matched or predicted anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.maths import confusion as confusions
from stages.maths import statistics

Floats = NDArray[np.float64]
SMALL = 100  # below this many pictures a percentile bootstrap covers too little (a group without errors gets a point)


@dataclass(frozen=True)
class Measure:
    """One figure between 0 and 1; more is better.

    Attributes:
        name: as in metrics files, for instance ``map50``.
        title: as in reports, for instance ``mAP50``.
        unit: what ``counts`` counts, for instance ``objects``.
        counts: (N,) how many units each picture holds.
        values: (M, N) weights to (M,) figures, NaN where undefined.
        independent: the figure is a proportion of independent pictures, so that Wilson's interval holds as it stands.
        judged: an audit's verdict rests on it; others are only listed by group.
    """

    name: str
    title: str
    unit: str
    counts: Floats
    values: Callable[[Floats], Floats]
    independent: bool = False
    judged: bool = True

    def of(self, rows: NDArray[np.bool_]) -> float:
        """Return the figure over some pictures, given as (N,) bool."""
        return float(self.values(rows[None].astype(np.float64))[0])


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        value: the figure, NaN where undefined.
        low: lower bound.
        high: upper bound.
        n: units behind it (see ``Measure.unit``).
        size: independent trials it is worth (effective size).
        num_pictures: pictures behind it.
    """

    value: float
    low: float
    high: float
    n: int
    size: float
    num_pictures: int

    def at(self, level: float, times: float = 1.0) -> tuple[float, float, float]:
        """Return (value, low, high) at another coverage, or if there were ``times`` as many pictures of the same kind."""
        low, high = statistics.wilson(self.value, self.size * times, level)
        return self.value, float(low), float(high)

    def content(self) -> dict[str, float | int | None]:
        """Return value, low, high and n for a metrics file."""
        shown = {"value": self.value, "low": self.low, "high": self.high}
        return {**{key: value if np.isfinite(value) else None for key, value in shown.items()}, "n": self.n}


def estimate(measure: Measure, rows: NDArray[np.bool_], weights: Floats, *, percentile: bool = False) -> Estimate:
    """Return a measure over some pictures with its 95 % interval.

    A proportion of independent pictures gets Wilson's interval. Any other figure gets Wilson's with the effective
    size that its exact bootstrap over pictures shows, or, where ``percentile`` asks for it and there are at least 100
    pictures, the percentile interval of that bootstrap.

    Args:
        measure: the figure.
        rows: (N,) bool, the pictures.
        weights: (M, N) bootstrap weights; used as they fall on the chosen pictures.
        percentile: report the percentile interval where it holds.
    """
    value, n, pictures = measure.of(rows), int(measure.counts[rows].sum()), int(rows.sum())
    if not np.isfinite(value):
        return Estimate(float("nan"), float("nan"), float("nan"), n, 0.0, pictures)
    if measure.independent:
        low, high = statistics.wilson(value, n)
        return Estimate(value, float(low), float(high), n, float(n), pictures)
    replicates = measure.values(weights * rows)
    known = replicates[np.isfinite(replicates)]
    spread = float(known.std()) * np.sqrt(pictures / max(pictures - 1, 1)) if known.size > 1 else 0.0
    size = statistics.effective_size(value, spread, pictures)
    bounds = tuple(float(b) for b in statistics.wilson(value, size))
    if percentile and pictures >= SMALL and spread > 0:
        bounds = statistics.percentile_interval(replicates)
    return Estimate(value, bounds[0], bounds[1], n, size, pictures)


def proportion(  # noqa: PLR0913 - three of them say what the figure is called
    name: str, title: str, unit: str, hits: Floats, totals: Floats, *, judged: bool = True
) -> Measure:
    """Build a share of units, ``hits`` (N,) of ``totals`` (N,); independent when no picture holds more than one."""

    def values(weights: Floats) -> Floats:
        return confusions.ratio(weights @ hits, weights @ totals)

    return Measure(name, title, unit, totals, values, independent=bool((totals <= 1).all()), judged=judged)


def average(name: str, title: str, figures: Floats) -> Measure:
    """Build the mean of one figure per picture, (N,), NaN where a picture has none."""
    known = np.isfinite(figures)
    filled = np.where(known, figures, 0.0)

    def values(weights: Floats) -> Floats:
        return confusions.ratio(weights @ filled, weights @ known.astype(np.float64))

    return Measure(name, title, "pictures", known.astype(np.float64), values)


def from_confusions(  # noqa: PLR0913, PLR0917 - three of them say what the figure is called
    name: str, title: str, unit: str, tables: Any, num_classes: int, read: Callable[[Floats], Floats], *, judged: bool = True
) -> Measure:
    """Build the mean over classes of a figure that is read from one confusion matrix over all pictures.

    Classes that do not occur in the truth are left out: else, in a group of pictures that lacks a class, one pixel of it
    said by mistake would count as a whole class missed.

    Args:
        name: see ``Measure``.
        title: see ``Measure``.
        unit: see ``Measure``.
        tables: (N, K * K) array or scipy sparse array: the confusion matrix of each picture, row by row.
        num_classes: K.
        read: (M, K, K), row = truth, to (M, K), NaN where undefined; those are dropped from the mean.
        judged: see ``Measure``.
    """

    def values(weights: Floats) -> Floats:
        found = np.asarray(weights @ tables).reshape(-1, num_classes, num_classes)
        return confusions.mean_defined(np.where(found.sum(-1) > 0, read(found), np.nan))

    return Measure(name, title, unit, np.asarray(tables.sum(axis=1), np.float64).ravel(), values, judged=judged)
