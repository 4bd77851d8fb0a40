"""How often the interval of a group of few pictures holds the truth: ``python -m tests.simulations.tiny_groups``.

Mean IoU of groups in which some classes stand in one or two pictures, apart by how many pictures hold the rarest class that
is there at all. Beside the interval the one that a normal quantile would give, and the truth is the figure of very many
pictures of the classes that the group holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from stages.judge import by_group, measures, statistics
from tests.simulations import command
from tests.simulations.worlds import MeanIoU

Floats = NDArray[np.float64]
MANY = 100_000  # pictures behind a true figure
LEAST = 50  # groups of a row: fewer tell nothing
SIZES = (5, 10, 20, 40)
WORLDS = {
    "three classes": MeanIoU(),
    "three classes, all or nothing": MeanIoU(alike=1),
    "three classes, whole pictures": MeanIoU(alike=1, together=True),
    "six rare classes": MeanIoU(classes=(0.9, 0.3, 0.2, 0.15, 0.1, 0.1)),
    "six rare classes, all or nothing": MeanIoU(classes=(0.9, 0.3, 0.2, 0.15, 0.1, 0.1), alike=1),
    "six rare classes, whole pictures": MeanIoU(classes=(0.9, 0.3, 0.2, 0.15, 0.1, 0.1), alike=1, together=True),
}
ABILITIES = (0.5, 0.8)


@dataclass(frozen=True)
class Held:
    """How intervals of one kind fared, one row a group.

    Attributes:
        rarest: (M,) pictures of the rarest class that the group holds.
        ends: (M, 2) the interval.
        plain: (M, 2) that of a normal quantile.
        truth: (M,) the figure of very many pictures, over the classes that the group holds.
    """

    rarest: NDArray[np.int64]
    ends: Floats
    plain: Floats
    truth: Floats


def tried(world: MeanIoU, size: int, ability: float, rounds: int, seed: int = 5) -> Held:
    """Return how the intervals of groups of so many pictures fare."""
    random = np.random.default_rng([seed, size, round(100 * ability)])
    hits, union, _ = (table.sum(axis=0) for table in world.counts(np.full(MANY, ability), np.random.default_rng(1)))
    rarest, ends, plain, truth = np.zeros(rounds, np.int64), np.zeros((rounds, 2)), np.zeros((rounds, 2)), np.zeros(rounds)
    for turn in range(rounds):
        above, below, there = world.counts(np.full(size, ability), random)
        measure = measures.mean_of_ratios("miou", "mIoU", "pixels", above, below, there, counts=there.sum(1))
        found = by_group.estimates(measure, np.zeros(size, np.int64), 1, 0, random)[0]
        holders = (there > 0).sum(axis=0)
        rarest[turn] = holders[holders > 0].min()
        ends[turn] = found.low, found.high
        plain[turn] = statistics.wilson(found.value, found.size)
        truth[turn] = (hits / union)[holders > 0].mean()
    return Held(rarest, ends, plain, truth)


def shares(held: Held, some: NDArray[np.bool_]) -> list[float]:
    """Return, of some groups, how often the interval held the truth and how wide it is on average, then of the plain one."""
    found = []
    for ends in (held.ends[some], held.plain[some]):
        found += [float(((ends[:, 0] <= held.truth[some]) & (held.truth[some] <= ends[:, 1])).mean())]
        found += [float((ends[:, 1] - ends[:, 0]).mean())]
    return found


def lines(rounds: int) -> Iterator[str]:
    """Yield the rows of a table, one a setting and number of pictures of the rarest class, in % and points."""
    heads = ["world", "pictures", "ability", "rarest class in", "groups", "held", "width", "held, normal", "width, normal"]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for (name, world), size, ability in product(WORLDS.items(), SIZES, ABILITIES):
        held = tried(world, size, ability, rounds)
        for words, some in (("1", held.rarest == 1), ("2", held.rarest == 2), ("3 or more", held.rarest > 2)):
            if some.sum() < LEAST:
                continue
            told = [f"{100 * share:.1f}" for share in shares(held, some)]
            yield f"| {' | '.join([name, str(size), f'{ability:g}', words, str(some.sum()), *told])} |"


if __name__ == "__main__":
    command.show(__doc__, lines)
