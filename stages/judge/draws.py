"""Bootstrap draws of units of pictures, a few at a time, and the figures that several readers share under them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.judge import statistics
from stages.judge.measures import Estimate, estimated

Floats = NDArray[np.float64]
_AT_ONCE = 2**22  # weights in memory: 32 MB


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
        worth: (F,) units of equal size that the units behind each are worth (``Units.worth``); none: as many as they are.
        least: (F,) variance of each at least (``units.spread``); none: 0.
    """

    names: tuple[str, ...]
    values: Callable[[Floats], Floats]
    n: Sequence[int]
    pictures: Sequence[int]
    units: Sequence[int]
    independent: Sequence[bool]
    worth: Sequence[float] = ()
    least: Sequence[float] = ()


def figures(panel: Panel, weights: Floats) -> dict[str, Floats]:
    """Return every figure of a panel, (M,) each, under (M, U) weights."""
    return dict(zip(panel.names, panel.values(weights).T, strict=True))


def estimates(panel: Panel, draws: Draws) -> dict[str, Estimate]:
    """Return every figure of a panel with its 95 % interval; see ``measures.estimated``."""
    whole = panel.values(np.ones((1, draws.num_units)))[0]
    replicates = draws.of(panel.values)
    return {name: _estimate(panel, i, float(whole[i]), replicates[:, i]) for i, name in enumerate(panel.names)}


def _estimate(panel: Panel, at: int, value: float, replicates: Floats) -> Estimate:
    behind = int(panel.pictures[at]), int(panel.units[at])
    share = bool(panel.independent[at])
    independent = share and behind[0] == behind[1]
    worth = float(panel.worth[at]) if panel.worth else None
    least = float(panel.least[at]) if panel.least else 0.0
    return estimated(
        value, replicates, int(panel.n[at]), behind,
        independent=independent, percentile=not share, worth=worth, least=least,
    )  # fmt: skip


def alone(values: Callable[[Floats], Floats], num_pictures: int) -> Floats:
    """Return a figure of each picture alone, (N,), a few pictures at a time."""
    step = max(1, _AT_ONCE // max(num_pictures, 1))
    parts = []
    for start in range(0, num_pictures, step):
        weights = np.zeros((min(step, num_pictures - start), num_pictures))
        np.fill_diagonal(weights[:, start:], 1.0)
        parts.append(values(weights))
    return np.concatenate(parts)
