"""One figure over each of several groups of pictures, with its interval."""

import numpy as np
from numpy.typing import NDArray

from stages.judge import statistics, unseen
from stages.judge.estimate import Estimate
from stages.judge.measures import Measure
from stages.judge.ratio_slope import Moves
from stages.judge.units import Units, alone, spread

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
_ROUNDING = 1e-24  # a variance below it is the last digits of sums: all is right, or wrong, and nothing is estimated


def estimates(  # noqa: PLR0913, PLR0917 - a figure, its groups, and how its errors are found
    measure: Measure,
    codes: Codes,
    num_groups: int,
    num_bootstraps: int,
    random: np.random.Generator,
    units: Units | None = None,
) -> tuple[Estimate, ...]:
    """Return a measure over each of several groups of pictures with its 95 % interval.

    A proportion of independent pictures gets Wilson's interval. Any other figure gets Wilson's with the effective size
    that its standard error shows, and Student's quantile in the normal one's place, since that error is itself
    estimated from the group's pictures. The standard error comes from the slope, or from draws where none is known. What is
    drawn is a unit, or its part in a group; units of unequal size, and pictures of unequal numbers of objects, count as
    ``Units.worth`` says. Only pictures that hold what the figure is read from count: others tell nothing of it, however
    many.

    Args:
        measure: the figure.
        codes: (N,) the group of each picture, -1 for none.
        num_groups: G.
        num_bootstraps: draws behind a standard error where no slope is known.
        random: where they come from.
        units: which pictures are drawn together; None where each is drawn for itself.

    Returns:
        One estimate for each group, in order.
    """
    if not num_groups:
        return ()
    pictures = statistics.sums(np.ones(codes.size), codes, num_groups)
    worth, least = holders_worth(measure, codes, num_groups, units), np.zeros(num_groups)
    if units is not None:
        least = _alike(measure, codes, num_groups, units)
        rows, codes = units.within(codes)
        measure = measure.merged(rows, codes.size)
    drawn = statistics.sums(np.ones(codes.size), codes, num_groups)
    counts = statistics.sums(measure.counts, codes, num_groups)
    holding = statistics.sums(np.asarray(measure.counts > 0, np.float64), codes, num_groups)
    trials = worth
    rest: list[unseen.Open | None] = [None] * num_groups
    if measure.slope is None:
        values = np.array([measure.of(codes == g) for g in range(num_groups)])
        spreads = np.array([_drawn(measure, codes == g, num_bootstraps, random) for g in range(num_groups)])
        freedom = np.maximum(worth - 1.0, 1.0)
    else:
        moves = measure.slope(codes, num_groups)
        values, freedom, trials = moves.values, moves.freedom, np.minimum(worth, moves.trials)
        squares = statistics.standard_errors(moves.influence, codes, num_groups, holding) ** 2
        shown, single = np.maximum(squares, np.maximum(least, moves.least)), units is None or units.single
        spreads = np.sqrt(shown + moves.added)
        unlike = (worth < holding) & (shown > _ROUNDING)
        freedom = np.where(unlike, np.minimum(freedom, np.maximum(worth - 1.0, 1.0)), freedom)
        rest = _rest(moves, shown, worth, np.full(num_groups, np.inf) if single else np.maximum(worth - 1.0, 1.0))
    known = np.isfinite(values)
    if units is not None and not units.single:  # classes of a unit are no independent evidence of the spread
        freedom = np.minimum(freedom, np.maximum(worth - 1.0, 1.0))
    if measure.independent:
        sizes, freedom = counts, np.full(num_groups, np.inf)
    else:
        sizes = statistics.effective_sizes(values, spreads, trials)
    low, high = unseen.bounds(statistics.wilson, values, sizes, freedom, rest)
    return tuple(
        Estimate(float(v), float(a), float(b), int(n), float(s), int(num), int(of), float(f), num_holders=int(held), open=o)
        for v, a, b, n, s, num, of, f, held, o in zip(
            values, low, high, counts, np.where(known, sizes, 0.0), pictures, drawn, freedom, holding, rest, strict=True
        )
    )


def _rest(moves: Moves, variances: Floats, worth: Floats, freedom: Floats) -> list[unseen.Open | None]:
    """Return what the figure of each group rests on where some of its classes show no variance; None for others."""
    if moves.unseen is None or moves.lone is None:
        return [None] * moves.values.size
    sizes = statistics.effective_sizes(moves.values, np.sqrt(variances + moves.lone), np.inf)
    return [
        unseen.Open(size, unseen.parts(each, most, free)) if each.any() else None
        for size, each, most, free in zip(sizes.tolist(), moves.unseen, worth.tolist(), freedom.tolist(), strict=True)
    ]


def holders_worth(measure: Measure, codes: Codes, num_groups: int, units: Units | None = None) -> NDArray[np.float64]:
    """Return how many units of equal size those of each group are worth that hold what a figure is read from, (G,).

    They count as many objects as they hold (``Measure.sizes``), pictures where it is read from these or from pixels.

    Args:
        measure: the figure, over pictures.
        codes: (N,) the group of each picture, -1 for none.
        num_groups: G.
        units: which pictures are drawn together; None where each is drawn for itself.
    """
    holding = np.where(measure.counts > 0, codes, -1)
    return (alone(codes.size) if units is None else units).worth(holding, num_groups, measure.sizes)


def _alike(measure: Measure, codes: Codes, num_groups: int, held: Units) -> NDArray[np.float64]:
    """Return the least variance of each group's figure where units are of unequal size; see ``units.spread``."""
    rows, own = held.within(codes)
    if held.single or measure.slope is None:
        return np.zeros(num_groups)
    return spread(measure.slope(codes, num_groups).influence, rows, own, num_groups)


def _drawn(measure: Measure, rows: NDArray[np.bool_], num_bootstraps: int, random: np.random.Generator) -> float:
    """Return the standard error of a figure over some pictures by bootstrap, weights drawn a few rows at a time."""
    at = np.flatnonzero(rows)
    if at.size < 2:  # noqa: PLR2004 - one picture shows no spread
        return 0.0
    values = measure.over(at)
    known = np.concatenate([values(drawn) for drawn in statistics.resampled(at.size, num_bootstraps, random)])
    known = known[np.isfinite(known)]
    return float(known.std()) * float(np.sqrt(at.size / (at.size - 1))) if known.size > 1 else 0.0
