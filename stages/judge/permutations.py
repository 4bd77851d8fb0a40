"""What the classes of the pictures explain of how a group fares, asked of deals: permutations within classes.

Two groups are dealt out anew among their own pictures of each class, as if they had nothing to do with the outcome. A group
of difficult classes is not a group that is treated worse (conditional independence given the truth, as in equalised odds:
M. Hardt, E. Price, N. Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016).
No third group has a part in it: its noise would hide the gap of a pair, its own lot shift what the classes of that pair
explain. Where each class stands in one of the two groups alone, nothing tells the group from its classes.

The mean of the deals is what classes explain. Of a gap within classes the rest, what was found less that mean, shows only
the part of classes that both groups hold (the weights of W. Cochran, "Some methods for strengthening the common chi-squared
tests", Biometrics 10, 1954; of a mean over classes, which weighs each alike, the share of classes). So of the gap allowed
that part alone is allowed for, and as far as the rest varies less than the gap does, so do its bounds lie closer.

Pictures that are drawn together are dealt one by one: dealt as wholes, units would carry their mix of classes, and their
size, from group to group, and classes would seem to explain nothing of what they do. How much the rest varies is told by
units in the error of the gap within classes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stages.judge import statistics
from stages.judge.estimate import Estimate
from stages.judge.groups import Comparison
from stages.judge.measures import Measure
from stages.judge.units import Units, alone

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SETTLED = 4.0  # errors of the mean of the deals beyond which more of them would change nothing
_CHUNK = 250  # deals at a time, at most
_LEAST = 20  # deals, at least
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Deals:
    """What comes of dealing two groups out anew within classes.

    Attributes:
        num: how many deals; 0 where no class has pictures in both, or no figure came of it: then nothing tells group from
            class.
        mean: figure that they have on average: gap of the two groups, or figure of the first.
        spread: their standard deviation.
        shown: part of a gap within classes that their mean leaves, 0 to 1.
        apart: standard error of the gap within classes, each group by its own figures; infinite where it is not known.
    """

    num: int
    mean: float
    spread: float
    shown: float
    apart: float = 0.0

    def limit(self, better: Estimate, worse: Estimate, max_gap: float) -> float:
        """Return what the lower bound of a pair's gap must exceed to show that the classes do not explain it.

        From the gap found, the mean of the deals and the part shown of the gap allowed are taken. What is left must exceed
        the distance of the gap from its bound, which is shortened as far as the deals, and the gap within classes, vary less
        than the gap does: less than its standard error, and less than they would if all pictures were of one class,
        whichever shortens it less.

        Args:
            better: the figure of the better group.
            worse: that of the other.
            max_gap: largest gap allowed.

        Returns:
            The limit, at least ``max_gap``; infinite where classes explain all or nothing tells group from class.
        """
        gap = better.value - worse.value
        rest = gap - self.mean - self.shown * max_gap
        if not self.num or rest <= 0:
            return float("inf")
        sizes = np.array([better.size, worse.size])
        values = np.array([better.value, worse.value])
        together = float(sizes @ values / sizes.sum())
        apart, alike = (values * (1 - values) / sizes).sum(), together * (1 - together) * (1 / sizes).sum()
        least = float(np.sqrt(min(apart, alike)))
        narrower = min(1.0, max(self.spread, self.apart) / least) if least > _ROUNDING else 1.0
        return max(max_gap, gap - rest / narrower if narrower > _ROUNDING else max_gap)


Asked = Callable[[int, int | None], Deals | None]
"""Group that fares worse, and the better one or None for all others compared, to what deals of the two come to."""


@dataclass(frozen=True)
class Dealer:
    """Deals the groups of one comparison out anew.

    Attributes:
        comparison: at least two groups compared.
        strata: (N,) the class of each picture, a whole number.
        num_deals: how many deals; fewer are made where they clearly leave no more of a gap than is allowed.
        allowed: largest gap allowed within classes.
        random: from two groups' positions, the second -1 for all others, where their deals come from.
        units: which pictures are drawn together; None where each is for itself.
    """

    comparison: Comparison
    strata: NDArray[Any]
    num_deals: int
    allowed: float
    random: Callable[[int, int], np.random.Generator]
    units: Units | None = None

    def __call__(self, worse: int, better: int | None = None) -> Deals | None:
        """Ask which gap of two groups, or which figure of one, classes explain.

        Args:
            worse: the group that fares worse.
            better: the other; None for all others that are compared: then the figure of ``worse`` is looked at alone.

        Returns:
            What came of it; None where all their pictures are of one class, so that classes explain nothing.
        """
        others = [g for g in self.comparison.compared if g != worse] if better is None else [better]
        measure, groups = self.comparison.measure, self.comparison.grouping.codes
        members = np.flatnonzero(np.isin(groups, [worse, *others]))
        codes = (groups[members] != worse).astype(np.int64)
        classes = np.unique(self.strata[members], return_inverse=True)[1].astype(np.int64)
        if not classes.any():
            return None
        shared = _shared(codes, classes, measure.counts[members], by_class=measure.by_class)
        shown = float(shared.sum(axis=1).max())
        if not shown:
            return Deals(0, 0.0, 0.0, 0.0)
        random = self.random(worse, -1 if better is None else better)
        dealt = dealt_figures(measure, members, codes, classes, self.num_deals, random)
        lowest = self.comparison.estimates[worse].value
        if better is None:
            return _deals((figures[0] for figures in dealt), shown)
        left = self.comparison.estimates[better].value - lowest - shown * self.allowed
        found = _deals((figures[1] - figures[0] for figures in dealt), shown, left)
        return replace(found, apart=self._apart(members, codes, classes, shared))

    def _apart(self, members: NDArray[np.intp], codes: Ints, classes: Ints, shared: Floats) -> float:
        """Return the standard error of the gap within the classes shared, each group by its own figures.

        Deals pool both groups, as if there were no gap: where one holds nearly all of a class that goes well, they vary less
        than the other's few pictures do. A cell's figure is drawn towards one half by two trials (E. Wilson, 1927), so that
        few pictures that are all right or all wrong leave doubt; it is infinite where cells have no figures. Of several ways
        to weigh the classes the one with the largest error counts. Pictures of a unit, and objects of a picture, are taken
        to fare alike, so that a cell counts as many as its units, or pictures, are worth.
        """
        measure, num_cells = self.comparison.measure, 2 * shared.shape[1]
        if measure.slope is None:
            return float("inf")
        cells = np.full(self.strata.size, -1, np.int64)
        cells[members] = 2 * classes + codes
        values = measure.slope(cells, num_cells).values.reshape(-1, 2)
        holding = np.where(measure.counts > 0, cells, -1)
        units = self.units or alone(holding.size)
        num = units.worth(holding, num_cells, measure.sizes).reshape(-1, 2)
        drawn = (np.nan_to_num(values) * num + 1) / (num + 2)
        errors = np.divide(drawn * (1 - drawn), num, out=np.zeros(num.shape), where=num > 0).sum(1)
        return float(np.sqrt((shared**2 * errors).sum(axis=1).max()))


def _shared(codes: Ints, classes: Ints, counts: Floats, *, by_class: bool) -> Floats:
    """Return of each class the part of a gap within it that deals show, 0 where one of the groups lacks it.

    A mean over classes weighs a class of few pictures like one of many, and deals leave all of a gap within each that both
    groups hold: a share of one in the classes of a group, of the one that has fewer. Strata need not be the classes of the
    mean, so that counts stand beside: what is allowed of a gap is the larger of the two.

    Args:
        codes: (R,) 0 or 1.
        classes: (R,) from 0.
        counts: (R,) how many of what the figure is read from each holds: objects of recall, pixels, pictures.
        by_class: the figure is a mean over classes.

    Returns:
        (1, K) by counts, their sum at most 1, or (2, K) by counts and by classes.
    """
    size = int(classes.max()) + 1
    first, second = (np.bincount(classes[codes == g], counts[codes == g], size) for g in (0, 1))
    if not (first.any() and second.any()):
        return np.zeros((1, size))
    both = np.divide(first * second, first + second, out=np.zeros(size), where=first + second > 0)
    by_counts = np.asarray(both * (1 / first.sum() + 1 / second.sum()), np.float64)
    if not by_class:
        return by_counts[None]
    fewer = min(np.count_nonzero(first), np.count_nonzero(second))
    return np.stack([by_counts, (both > 0) / fewer])


def _deals(dealt: Iterator[Floats], shown: float, enough: float = np.inf) -> Deals:
    """Return mean and spread of deals, until their mean clearly lies above a figure; undefined ones do not count."""
    known = np.zeros(0)
    for figures in dealt:
        known = np.concatenate([known, figures[np.isfinite(figures)]])
        if known.size >= _LEAST and known.mean() - SETTLED * known.std() / np.sqrt(known.size) > enough:
            break
    return Deals(known.size, float(known.mean()), float(known.std()), shown) if known.size else Deals(0, 0.0, 0.0, shown)


def dealt_figures(  # noqa: PLR0913, PLR0917 - what to deal, and how
    measure: Measure,
    members: NDArray[np.intp],
    codes: Ints,
    classes: Ints,
    num_deals: int,
    random: np.random.Generator,
) -> Iterator[Floats]:
    """Deal the groups out anew among the pictures of each class and yield the figures that come of it.

    Pictures that are alike to the measure are dealt as counts (contingency tables of given margins), so that time does
    not grow with their number; a few deals are held at a time.

    Args:
        measure: the figure.
        members: (R,) positions of the pictures that are dealt.
        codes: (R,) their groups, 0 to G - 1.
        classes: (R,) their classes, from 0.
        num_deals: how many deals.
        random: where they come from.

    Yields:
        (G, some) figures, NaN where undefined.
    """
    num_groups = int(codes.max()) + 1
    kinds = members if measure.kinds is None else measure.kinds[members]
    first, alike = np.unique(kinds, return_index=True, return_inverse=True)[1:]
    counted = 2 * first.size <= members.size
    held = measure.over(members[first] if counted else members)
    places = first.size if counted else members.size
    rows = int(np.clip(statistics.ENTRIES // (places * num_groups), 1, _CHUNK))
    for start in range(0, num_deals, rows):
        size = min(rows, num_deals - start)
        if counted:
            weights = _counts(codes, classes, alike.ravel(), (num_groups, places), size, random)
        else:
            weights = _permuted(codes, classes, num_groups, size, random)
        yield np.stack([held(weights[:, g]) for g in range(num_groups)])


def _counts(  # noqa: PLR0913, PLR0917 - what to deal, and how
    codes: Ints,
    classes: Ints,
    kinds: NDArray[np.intp],
    shape: tuple[int, int],
    size: int,
    random: np.random.Generator,
) -> Floats:
    """Return (size, G, C): how many pictures of each kind fall to each group, dealt within classes."""
    found = np.zeros((size, *shape))
    for one in range(int(classes.max()) + 1):
        inside = classes == one
        rows = np.bincount(codes[inside], minlength=shape[0])
        held, (there, columns) = np.flatnonzero(rows), np.unique(kinds[inside], return_counts=True)
        if min(held.size, there.size) == 1:  # nothing to draw, and scipy 1.17 gives counts below 0 for it
            table = np.outer(rows[held], columns) // inside.sum()
        else:
            table = stats.random_table(rows[held], columns, seed=random).rvs(size=size)
        found[:, held[:, None], there] += table
    return found


def _permuted(codes: Ints, classes: Ints, num_groups: int, size: int, random: np.random.Generator) -> Floats:
    """Return (size, G, R): 1 where a picture falls to a group, dealt within classes."""
    deals = np.tile(codes, (size, 1))
    for one in range(int(classes.max()) + 1):
        places = np.flatnonzero(classes == one)
        deals[:, places] = random.permuted(deals[:, places], axis=1)
    return np.asarray(deals[:, None] == np.arange(num_groups)[:, None], np.float64)
