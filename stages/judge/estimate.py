"""A figure with its interval."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.judge import ratio_slope, statistics, unseen

Floats = NDArray[np.float64]
MANY = 100  # units: so many are not alike by chance
_ROUNDING = 1e-12  # a standard error below it is the last digits of sums, not a figure that varies


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        value: the figure, NaN where undefined.
        low: lower bound.
        high: upper bound.
        n: units behind it (see ``Measure.held``).
        size: independent trials it is worth (effective size).
        num_pictures: pictures behind it.
        num_units: units behind it, which its interval rests on.
        freedom: degrees of freedom of the standard error behind ``size``; infinite where it is known, not estimated.
        bias: how far the figure lies above the true one on average, as its bootstrap shows; the interval reaches as far
            again.
        alike: it neither is 0 or 1 nor varies from unit to unit, of which many have it (``draws.alike``).
        num_holders: of a group, units that hold what it is read from; the others tell nothing of it.
        open: what bounds rest on where some of its classes show no variance; None where ``size`` says all.
    """

    value: float
    low: float
    high: float
    n: int
    size: float
    num_pictures: int
    num_units: int
    freedom: float = float("inf")
    bias: float = 0.0
    alike: bool = False
    num_holders: int = 0
    open: unseen.Open | None = None

    def at(self, level: float, times: float = 1.0) -> tuple[float, float, float]:
        """Return (value, low, high) at another coverage, or if there were ``times`` as many pictures of the same kind."""
        return self.value, *_reaching(self, level, times)

    def content(self) -> dict[str, float | int | None]:
        """Return value, low, high, n, pictures and, where some belong together, units for a metrics file."""
        shown = {"value": self.value, "low": self.low, "high": self.high}
        return {**{key: value if np.isfinite(value) else None for key, value in shown.items()}, **self.count()}

    def count(self) -> dict[str, int]:
        """Return n, pictures and, where some belong together, units."""
        units = {"units": self.num_units} if self.num_units != self.num_pictures else {}
        return {"n": self.n, "pictures": self.num_pictures, **units}


def _reaching(one: Estimate, level: float, times: float = 1.0) -> tuple[float, float]:
    """Return Wilson's interval, drawn out to hold itself shifted by a bias."""
    value, size, freedom = (np.array([number]) for number in (one.value, one.size, one.freedom))
    low, high = (float(end[0]) for end in unseen.bounds(statistics.wilson, value, size, freedom, [one.open], level, times))
    bias = one.bias / times
    return max(min(low, low - bias), 0.0), min(max(high, high - bias), 1.0)


def estimated(  # noqa: PLR0913 - a figure and what its interval rests on
    value: float,
    replicates: Floats,
    n: int,
    behind: tuple[int, int],
    *,
    independent: bool,
    share: bool = False,
    shown: ratio_slope.Shown = ratio_slope.NOTHING,
    worth: float | None = None,
    least: float = 0.0,
    uneven: bool = False,
) -> Estimate:
    """Return a figure with its 95 % interval, drawn by units.

    A proportion of independent pictures gets Wilson's interval. Any other figure gets Wilson's with the effective size that
    its standard error shows: the larger of its bootstrap's and its slope's, since a figure that is read on a grid stands
    still under draws, and draws of the few pictures of a class vary too little. The mean of the bootstrap shows how far a
    mean of ratios of few pictures lies off; the interval reaches as far to the other side. Where several pictures are a
    unit, or hold unequal numbers of objects, there are fewer draws than it seems: Student's quantile takes the normal one's
    place.

    Args:
        value: the figure, NaN where undefined.
        replicates: (M,) the figure under bootstrap weights; not looked at where it is independent.
        n: units behind it, as ``Measure.held`` counts.
        behind: pictures behind it, and units of pictures.
        independent: it is a proportion of n independent pictures.
        share: it is a proportion of pictures, some of which are drawn together: nothing is off, and its draws say all.
        shown: what its slope shows.
        worth: units of equal size that those that hold the n are worth (``Units.worth``); as many as there are units where
            it is not given.
        least: variance that it has at least (``units.spread``).
        uneven: pictures hold unequal numbers of what it is read from.
    """
    if not np.isfinite(value):
        return Estimate(float("nan"), float("nan"), float("nan"), n, 0.0, *behind)
    if independent:
        low, high = statistics.wilson(value, n)
        return Estimate(value, float(low), float(high), n, float(n), *behind)
    draws = behind[1]
    worth = float(draws) if worth is None else worth
    known = replicates[np.isfinite(replicates)]
    drawn = float(known.std()) * np.sqrt(draws / max(draws - 1, 1)) if known.size > 1 else 0.0
    spread = max(drawn, float(np.sqrt(least))) if share else max(drawn, shown.error)
    varies = spread > _ROUNDING
    size = statistics.effective_size(value, spread if varies else 0.0, min(worth, shown.trials))
    estimated_of_few = uneven and varies and min(value, 1 - value) > _ROUNDING  # that of all right, or wrong, is known
    freedom = float("inf") if draws == behind[0] and not estimated_of_few else max(worth - 1.0, 1.0)
    bias = float(known.mean()) - value if varies and known.size and not share else 0.0
    same, rest = draws >= MANY and not varies and 0 < value < 1, None
    if shown.unseen is not None:
        varying = statistics.effective_size(value, max(drawn, shown.varying), np.inf)
        rest = unseen.Open(varying, unseen.parts(shown.unseen, worth, freedom))
    if not share:  # the pictures that hold many of a mean's classes may be few
        freedom = min(freedom, shown.freedom)
    found = Estimate(value, value, value, n, size, *behind, freedom, bias, same, open=rest)
    bounds = _reaching(found, 0.95)
    return replace(found, low=bounds[0], high=bounds[1])
