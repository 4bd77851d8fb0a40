"""How often an audit fails fair models, passes unfair ones, and finds a gap: ``python -m tests.simulations.verdicts``.

Each simulated audit has a column whose groups differ by a known gap, a second column that means nothing, and their
intersection, all judged together as the audit stage does. With ``--rounds`` audits a cell.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from stages.judge import groups, verdicts
from stages.judge.columns import sort_into_groups
from stages.judge.verdicts import FAIL, PASS, Limits
from tests.simulations.worlds import WORLDS, World

LIMIT = 0.1
LIMITS = Limits(max_gap=LIMIT, min_worst_group=0.3, alpha=0.05)
MIN_GROUP = 10
SIZES = (20, 100, 1000)
GROUPS = (2, 4, 12)
OVER = (0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Cell:
    """One setting.

    Attributes:
        world: the figure.
        num_groups: groups of the first column.
        size: pictures of a group, on average.
        equal: all groups are equally large; else the largest has about four times the pictures of the smallest.
        half: half of the groups fare badly; else one does.
        gap: true gap of the first column.
        alone: the audit has this column only; else a second one and their intersection too.
    """

    world: str
    num_groups: int
    size: int
    equal: bool
    half: bool
    gap: float
    alone: bool = False

    @property
    def sizes(self) -> list[int]:
        """Return the pictures of each group; the groups that fare badly are the smallest where sizes differ."""
        if self.equal:
            return [self.size] * self.num_groups
        shares = np.linspace(0.4, 1.6, self.num_groups)
        return [max(MIN_GROUP, round(self.size * s)) for s in shares]

    @property
    def num_low(self) -> int:
        """Return how many groups fare badly."""
        return self.num_groups // 2 if self.half else 1


def audited(cell: Cell, random: np.random.Generator, *, reverse: bool = False) -> str:
    """Make one audit and return its verdict; ``reverse`` makes the largest groups those that fare badly."""
    world: World = WORLDS[cell.world]
    sizes = cell.sizes[::-1] if reverse else cell.sizes
    codes = np.repeat(np.arange(cell.num_groups), sizes)
    low, high = world.ability(world.high - cell.gap), world.ability(world.high)
    measure = world.draw(np.where(codes < cell.num_low, low, high), random)
    texts = {"group": codes.astype(str)}
    if not cell.alone:
        texts["other"] = random.integers(0, 2, codes.size).astype(str)
    ways = groups.groupings(sort_into_groups(texts, 20)[0])
    found = [groups.compare(measure, way, min_group=MIN_GROUP, num_bootstraps=200, random=random) for way in ways]
    return verdicts.overall(verdicts.judge(found, LIMITS))


def shares(cell: Cell, rounds: int) -> tuple[float, float]:
    """Return how often audits of a cell end in FAIL and in PASS; unequal sizes are taken both ways round."""
    random = np.random.default_rng(
        [11, cell.num_groups, cell.size, cell.equal, cell.half, round(1000 * cell.gap), cell.alone]
    )
    found = [audited(cell, random, reverse=bool(turn % 2)) for turn in range(rounds)]
    return found.count(FAIL) / rounds, found.count(PASS) / rounds


def cells(world: str, gap: float) -> Iterator[Cell]:
    """List the settings of one figure at one true gap."""
    for alone, num, size, equal, half in product((True, False), GROUPS, SIZES, (True, False), (False, True)):
        if num > 2 or not half:
            yield Cell(world, num, size, equal, half, gap, alone)


def main() -> None:
    """Print, for each figure, FAIL and PASS at the limit, FAIL above it, and PASS without any gap."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--world", choices=[*WORLDS], action="append")
    given, out = parser.parse_args(), sys.stdout
    heads = ["columns", "groups", "pictures", "sizes", "low", "FAIL at limit", "PASS at limit"]
    heads += [f"FAIL at +{100 * over:.0f}" for over in OVER] + ["PASS at 0"]
    for world in given.world or WORLDS:
        rule = "---|" * len(heads)
        out.write(f"## {world}: share of {given.rounds} audits, in %\n\n| {' | '.join(heads)} |\n|{rule}\n")
        for at in cells(world, LIMIT):
            fails, passes = shares(at, given.rounds)
            power = [shares(replace(at, gap=LIMIT + over), given.rounds // 2)[0] for over in OVER]
            fair = shares(replace(at, gap=0.0), given.rounds // 2)[1]
            words = ["one" if at.alone else "two and both", str(at.num_groups), str(at.size)]
            words += ["equal" if at.equal else "unequal", "half" if at.half else "one"]
            words += [f"{100 * share:.1f}" for share in (fails, passes)] + [f"{100 * share:.0f}" for share in (*power, fair)]
            out.write(f"| {' | '.join(words)} |\n")
            out.flush()


if __name__ == "__main__":
    main()
