"""Bootstrap draws of units of pictures, a few at a time, and the figures that several readers share under them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.judge import statistics
from stages.judge.estimate import MANY, Estimate, estimated
from stages.judge.ratio_slope import NOTHING, Shown

Floats = NDArray[np.float64]
Values = Callable[[Floats], Floats]
Part = Callable[[slice], Values]
_AT_ONCE = 2**22  # weights in memory: 32 MB
_LOOKED_AT = 64  # units, one after the other
_SAME = 1e-9


@dataclass(frozen=True)
class Draws:
    """How often each unit is taken, draw by draw; the same each time they are asked for.

    Attributes:
        num_units: U.
        num: M, draws in all.
        start: gives a new generator that draws the same each time.
    """

    num_units: int
    num: int
    start: Callable[[], np.random.Generator]

    def chunks(self) -> Iterator[Floats]:
        """Yield weights (m, U), as many rows at a time as memory should hold."""
        random, left = self.start(), self.num
        most = max(1, _AT_ONCE // max(self.num_units, 1))
        while left:
            some = min(left, most)
            yield statistics.resamples(self.num_units, some, random)
            left -= some

    def of(self, values: Callable[[Floats], Floats]) -> Floats:
        """Return (M, ...) figures under all draws, given how (m, U) weights become (m, ...) figures."""
        return np.concatenate([values(weights) for weights in self.chunks()])


@dataclass(frozen=True)
class Panel:
    """Several figures that are read from the same rows in one pass.

    Attributes:
        names: F of them.
        values: (M, U) weights of units to (M, F) figures, NaN where undefined.
        n: (F,) what each is read from: pictures, objects, pixels.
        pictures: (F,) pictures behind each: of a class or size those that hold its n, of the whole split all.
        units: (F,) likewise units of pictures, which the interval rests on.
        independent: (F,) it is a proportion of pictures, so that Wilson's interval holds as it stands where each of them is
            a unit of its own, and with the effective size elsewhere.
        worth: (F,) units of equal size that those that hold the n of each are worth (``Units.worth_of``); none: as many as
            are behind it.
        least: (F,) variance of each at least (``units.spread``); none: 0.
        slopes: gives what the slope of each figure shows, (F,).
        part: a slice of the units to ``values`` over these units alone; None where no way is shorter than weights of 0.
        uneven: (F,) pictures or units hold unequal numbers of its n, which are objects; none: nowhere.
    """

    names: tuple[str, ...]
    values: Values
    n: Sequence[int]
    pictures: Sequence[int]
    units: Sequence[int]
    independent: Sequence[bool]
    worth: Sequence[float] = ()
    least: Sequence[float] = ()
    slopes: Callable[[], Sequence[Shown]] | None = None
    part: Part | None = None
    uneven: Sequence[bool] = ()

    def shown(self) -> Sequence[Shown]:
        """Return what ``slopes`` give, (F,)."""
        return self.slopes() if self.slopes else [NOTHING] * len(self.names)


def figures(panel: Panel, weights: Floats) -> dict[str, Floats]:
    """Return every figure of a panel, (M,) each, under (M, U) weights."""
    return dict(zip(panel.names, panel.values(weights).T, strict=True))


def estimates(panel: Panel, draws: Draws) -> dict[str, Estimate]:
    """Return every figure of a panel with its 95 % interval; see ``estimate.estimated``."""
    whole = panel.values(np.ones((1, draws.num_units)))[0]
    replicates = draws.of(panel.values)
    slopes = panel.shown()
    found = [_estimate(panel, i, float(whole[i]), replicates[:, i], slopes[i]) for i in range(len(panel.names))]
    if any(one.alike for one in found):
        same = alike(panel.values, draws.num_units, panel.part)
        found = [replace(one, alike=one.alike and bool(same[i])) for i, one in enumerate(found)]
    return dict(zip(panel.names, found, strict=True))


def _estimate(panel: Panel, at: int, value: float, replicates: Floats, slope: Shown) -> Estimate:
    behind = int(panel.pictures[at]), int(panel.units[at])
    share = bool(panel.independent[at])
    independent = share and behind[0] == behind[1]
    worth = float(panel.worth[at]) if panel.worth else None
    least = float(panel.least[at]) if panel.least else 0.0
    uneven = bool(panel.uneven[at]) if panel.uneven else False
    return estimated(
        value, replicates, int(panel.n[at]), behind,
        independent=independent, share=share, shown=slope, worth=worth, least=least, uneven=uneven,
    )  # fmt: skip


def alike(values: Values, num_units: int, part: Part | None = None, *, least: int = MANY) -> NDArray[np.bool_]:
    """Tell which figures are the same in each of many units alone, to rounding.

    A unit that has none, since it holds nothing that the figure is read from, is passed over and not counted.

    Args:
        values: (m, U) weights to (m, F) figures.
        num_units: U.
        part: see ``Panel``.
        least: units that must have the figure.

    Returns:
        (F,).
    """
    low, high, known = np.inf, -np.inf, 0
    for each in _of_each(values, num_units, _LOOKED_AT, part):
        low = np.fmin(low, np.fmin.reduce(each))
        high = np.fmax(high, np.fmax.reduce(each))
        known = known + np.isfinite(each).sum(axis=0)
        if (high - low > _SAME).all():
            break
    return np.asarray(~(high - low > _SAME) & (known >= least))


def alone(values: Values, num_pictures: int, part: Part | None = None) -> Floats:
    """Return a figure of each picture alone, (N,), a few pictures at a time; ``part`` as in ``Panel``."""
    step = math.isqrt(_AT_ONCE) if part is not None else max(1, _AT_ONCE // max(num_pictures, 1))
    return np.concatenate(list(_of_each(values, num_pictures, step, part)))


def _of_each(values: Values, num_units: int, step: int, part: Part | None) -> Iterator[Floats]:
    """Yield the figures of each unit alone, so many units at a time, (step, F)."""
    for start in range(0, num_units, step):
        some = slice(start, min(start + step, num_units))
        if part is not None:  # with all units at hand time would grow with their square
            yield part(some)(np.eye(some.stop - some.start))
        else:
            weights = np.zeros((some.stop - some.start, num_units))
            np.fill_diagonal(weights[:, start:], 1.0)
            yield values(weights)
