"""Classes of a mean that are all right, or all wrong, and how far the mean may lie off for them.

Such classes show no variance. What they leave open is what so many trials would: a part of its own beside what varies. Its
distance from either bound counts by its share of the classes, and distances of independent parts add up as squares do
(MOVER: G. Zou and A. Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = Callable[..., tuple[Floats, Floats]]
"""``statistics.wilson`` or ``statistics.exact``."""


class Part(NamedTuple):
    """Classes that show no variance, together.

    Attributes:
        share: of all classes of the mean; 0 where there are none.
        figure: theirs, on average.
        trials: independent ones that they are worth.
        freedom: degrees of freedom; infinite where trials are drawn for themselves.
    """

    share: float
    figure: float
    trials: float
    freedom: float


@dataclass(frozen=True)
class Open:
    """What a figure rests on where some of its classes show no variance.

    Attributes:
        size: trials that the classes are worth that show theirs; infinite where nothing varies.
        parts: the others.
    """

    size: float
    parts: tuple[Part, ...]


def parts(each: Floats, worth: float, freedom: float) -> tuple[Part, ...]:
    """Return the parts of one figure.

    Args:
        each: (P, 3) share, figure and trials of each kind of classes.
        worth: units of equal size that hold what the figure is read from: no part is worth more.
        freedom: see ``Part``.
    """
    return tuple(Part(share, figure, min(trials, worth), freedom) for share, figure, trials in each.tolist() if share > 0)


def bounds(  # noqa: PLR0913, PLR0917 - figures, and what they rest on
    interval: Interval,
    values: Floats,
    sizes: Floats,
    freedoms: Floats,
    known: Sequence[Open | None],
    level: float = 0.95,
    times: float | Floats = 1.0,
) -> tuple[Floats, Floats]:
    """Return lower and upper bounds of figures, (G,) each; a figure without parts has the interval as it stands.

    Args:
        interval: of a figure of so many trials.
        values: (G,) figures.
        sizes: (G,) trials that each is worth where all of its classes show their variance.
        freedoms: (G,) degrees of freedom of what varies.
        known: (G,) what figures rest on of which some do not; None for others.
        level: coverage.
        times: as if there were so many times the pictures, of all figures or, (G,), of each.
    """
    sizes = np.array([size if one is None else one.size for size, one in zip(sizes, known, strict=True)])
    varies = np.isfinite(sizes)
    low, high = interval(values, np.where(varies, sizes, 1.0) * times, level, freedoms * times)
    low, high = np.where(varies, low, values), np.where(varies, high, values)
    some = [g for g, one in enumerate(known) if one is not None]
    if not some:
        return low, high
    most = max(len(one.parts) for one in known if one is not None)
    none = Part(0.0, 0.0, 1.0, 1.0)
    padded = np.array([[*one.parts, *[none] * (most - len(one.parts))] for one in known if one is not None])
    share, figure, trials, freedom = np.moveaxis(padded, -1, 0)
    grown = np.broadcast_to(times, values.shape)[some, None]
    below, above = interval(figure, trials * grown, level, freedom * grown)
    down, up = ((share * abs(figure - end)).sum(axis=1) for end in (below, above))
    low[some] = (values[some] - np.hypot(values[some] - low[some], down)).clip(0, 1)
    high[some] = (values[some] + np.hypot(high[some] - values[some], up)).clip(0, 1)
    return low, high
