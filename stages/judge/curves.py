"""Says of a training's curve that it had not come to its end: the best epoch is the last one, or the figure still rose.

Two rules, each by itself:

* *best is last*: the watched figure was highest in the last epoch that measured it (of equal ones the first counts). By
  chance alone this happens to one flat curve of E epochs in E.
* *still rising*: over the last half of the epochs, four at least, the figures rise more steadily than chance would have it:
  so few of their pairs fall or stay that less than one order of them in twenty has as few (M. Kendall, "A new measure of
  rank correlation", Biometrika 30, 1938; one-sided, exact).

A figure at its highest value, 1, can rise no further. The learning rate falls to zero within the epochs given, so that more
epochs are another training, not the same one gone on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST = 4  # figures below which no order of them is rare enough
CHANCE = 0.05
DIGITS = 6  # of curves.csv: a curve reads the same from there
HIGHEST = 1.0


@dataclass(frozen=True)
class Curve:
    """How a watched figure went.

    Attributes:
        number: epochs that measured it.
        best: place of the best among them, from 1; 0 where none did.
        rise: last figure less the first one of the last half.
        over: how many make that half.
        best_is_last: the best epoch is the last one, and could be better still.
        still_rising: the last half rises more steadily than by chance.
    """

    number: int
    best: int
    rise: float
    over: int
    best_is_last: bool
    still_rising: bool

    def content(self, prefix: str = "") -> dict[str, int]:
        """Return both rules as 0 and 1, for a metrics file."""
        found = {"best_is_last": self.best_is_last, "still_rising": self.still_rising}
        return {f"{prefix}{name}": int(value) for name, value in found.items()}


def read(figures: Sequence[float]) -> Curve:
    """Judge a curve.

    Args:
        figures: the watched figure after each epoch, higher is better; those that are NaN were not measured.

    Example:
        >>> curve = read([0.1, 0.3, 0.2, 0.4, 0.5, 0.6, 0.7])
        >>> curve.best_is_last, curve.still_rising, round(curve.rise, 3)
        (True, True, 0.3)
    """
    known = [float(f"{value:.{DIGITS}g}") for value in figures if math.isfinite(value)]
    if not known:
        return Curve(0, 0, 0.0, 0, best_is_last=False, still_rising=False)
    best = int(np.argmax(known))
    half = known[-max(LEAST, math.ceil(len(known) / 2)) :]
    ends = known[best] < HIGHEST
    rises = len(half) >= LEAST and chance(half) < CHANCE
    last = best == len(known) - 1
    return Curve(
        len(known), best + 1, half[-1] - half[0], len(half), best_is_last=last and ends, still_rising=rises and ends
    )


def chance(figures: Sequence[float]) -> float:
    """Return the share of all orders of so many figures in which as few pairs or fewer fall; equal pairs count as falling.

    Example:
        >>> [round(chance(f), 4) for f in ([1, 2, 3, 4], [1, 2, 4, 3], [4, 3, 2, 1])]
        [0.0417, 0.1667, 1.0]
    """
    falls = sum(later <= earlier for n, earlier in enumerate(figures) for later in figures[n + 1 :])
    orders = np.ones(1)
    for size in range(2, len(figures) + 1):
        orders = np.convolve(orders, np.full(size, 1 / size))
    return float(orders[: falls + 1].sum())


def sentence(curve: Curve, name: str, what: str) -> str | None:
    """Say what a curve shows and what that means; None where it had come to its end.

    Args:
        curve: the curve.
        name: of the figure.
        what: the parameter that sets the epochs.

    Example:
        >>> sentence(read([0.2, 0.1, 0.3]), "val/accuracy", "finetune.classify.epochs")
        'val/accuracy was best in the last of 3 epochs that measured it: more epochs may help (finetune.classify.epochs)'
    """
    found = []
    if curve.best_is_last:
        several = f"in the last of {curve.number} epochs that measured it"
        found.append(f"was best {several}" if curve.number > 1 else "was measured after one epoch alone")
    if curve.still_rising:
        found.append(f"was still rising, by {curve.rise:.3f} over the last {curve.over}")
    return f"{name} {' and '.join(found)}: more epochs may help ({what})" if found else None
