"""How often audits fail where classes explain a gap, and where they do not: ``python -m tests.simulations.within_classes``.

Half of the groups of a column, or one large one, fare worse by a known gap within each of two classes, of which one is
difficult. Classes are independent of groups, or nine tenths of the groups that fare worse are difficult and a tenth of the
others, or only groups that fare worse hold the difficult class. Small groups may stand beside, and a third one that fares
far worse. Pictures may hold unlike numbers of objects, or belong to units of unlike size whose pictures fare alike. All is
judged as the audit stage does, deals among it. With ``--rounds`` audits a setting, a quarter of them above the limit.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from stages.judge import groups, measures, permutations, units, verdicts
from stages.judge.columns import sort_into_groups
from stages.judge.measures import Measure
from stages.judge.verdicts import FAIL, PASS, Finding, Limits
from tests.simulations.worlds import WORLDS, Floats, World

LIMITS = Limits(max_gap=0.1, min_worst_group=0.05, alpha=0.05)
HARDER = 0.3  # how much lower the figure of the difficult class is
MIXES = {"no": (0.5, 0.5), "yes": (0.9, 0.1), "one-sided": (0.5, 0.0)}
"""Difficult pictures of groups that fare worse, and of the others: what classes explain."""
FRAMES = (1, 1, 1, 2, 10)  # pictures of a unit, where units are uneven
OVER = (0.05, 0.1, 0.2)
EXTREME = 0.5  # by how much a third group fares worse within classes
NUM_DEALS = 400  # more would make the mean of deals surer than anything it is held against


@dataclass(frozen=True)
class Recall:
    """Objects that are found or not: one in a picture, in every fifth 5 to 20; those of a picture are alike difficult."""

    high: float = 0.95

    def draw(self, abilities: Floats, random: np.random.Generator) -> Measure:
        """Return recall."""
        crowd = random.random(abilities.size) < 0.2
        totals = np.where(crowd, random.integers(5, 21, abilities.size), 1)
        hits = random.binomial(totals, random.beta(8 * abilities + 0.05, 8 * (1 - abilities) + 0.05))
        return measures.proportion("recall", "recall", "objects", hits.astype(float), totals.astype(float))

    def ability(self, figure: float) -> float:
        """Return the figure: it is the ability, but for the hundredth that the shares drawn are drawn to one half."""
        return float(np.clip((figure * 8.1 - 0.05) / 8, 0.0, 1.0))


@dataclass(frozen=True)
class InUnits:
    """Labels that are right or wrong, those of a unit together."""

    high: float = 0.95

    def draw(self, abilities: Floats, random: np.random.Generator, of: units.Units | None = None) -> Measure:
        """Return accuracy; each picture is a unit of its own where units are not given."""
        luck = random.random(abilities.size) if of is None else random.random(of.num)[of.codes]
        return measures.proportion("a", "a", "pictures", (luck < abilities).astype(float), np.ones(abilities.size))

    def ability(self, figure: float) -> float:
        """Return the figure: it is the ability."""
        return figure


UNEVEN: dict[str, World] = {"recall": Recall(), "units": InUnits()}
FIGURES = {**WORLDS, **UNEVEN}


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        world: the figure.
        sizes: pictures, or units, of each group that tells; the first half fare worse.
        small: pictures of each further group, which fares well and has classes of both kinds.
        gap: true gap within each class.
        mix: a key of ``MIXES``: whether classes make the same groups fare worse once more.
        extreme: the last group fares far worse than all others, in the difficult class alone.
        alone: the audit has this column only; else a second one and their intersection too.
    """

    world: str
    sizes: tuple[int, ...]
    small: tuple[int, ...] = ()
    gap: float = 0.0
    mix: str = "no"
    extreme: bool = False
    alone: bool = True

    @property
    def words(self) -> list[str]:
        """Say what it is, for a table."""
        beside = f"{len(self.small)} of {self.small[0]}" if self.small else "none"
        told = f"{len(self.sizes)} of {self.sizes[0]}" if len(set(self.sizes)) == 1 else " and ".join(map(str, self.sizes))
        return [
            self.world, "one" if self.alone else "two and both", told, beside, "yes" if self.extreme else "no",
            self.mix,
        ]  # fmt: skip


def judged(setting: Setting, random: np.random.Generator) -> tuple[list[Finding], list[Finding]]:
    """Make one audit and return what it finds, and what bounds alone would, the column that tells first."""
    world = FIGURES[setting.world]
    codes = np.repeat(np.arange(len(setting.sizes) + len(setting.small)), (*setting.sizes, *setting.small))
    low = codes < len(setting.sizes) // 2
    share = np.where(codes >= len(setting.sizes), 0.5, np.where(low, *MIXES[setting.mix]))
    difficult = random.random(codes.size) < share
    held = None
    if isinstance(world, InUnits):  # a unit is of one class and one group
        names = np.repeat(np.arange(codes.size), random.choice(FRAMES, codes.size))
        held, codes, low, difficult = units.of(names.tolist()), codes[names], low[names], difficult[names]
    figure = world.high - setting.gap * low - HARDER * difficult
    figure -= EXTREME * ((codes == codes.max()) & difficult) if setting.extreme else 0.0
    at = np.unique(figure, return_inverse=True)
    abilities = np.array([world.ability(max(float(one), 0.05)) for one in at[0]])[at[1]]
    texts = {"group": codes.astype(str)}
    if not setting.alone:
        texts["other"] = random.integers(0, 2, codes.size).astype(str)
    measure = world.draw(abilities, random, held) if isinstance(world, InUnits) else world.draw(abilities, random)
    ways = groups.groupings(sort_into_groups(texts, 20)[0])
    found = [groups.compare(measure, way, min_group=10, num_bootstraps=200, random=random, units=held) for way in ways]

    def deal(comparison: groups.Comparison) -> permutations.Dealer:
        return permutations.Dealer(
            comparison,
            difficult.astype(np.int64),
            num_deals=NUM_DEALS,
            allowed=LIMITS.max_gap,
            random=lambda *_: random,
            units=held,
        )

    return verdicts.judge(found, LIMITS, deal), verdicts.judge(found, LIMITS)


def _wrong(setting: Setting, finding: Finding) -> bool:
    """Tell whether a finding fails groups that do not differ by more than the limit within classes, if gaps are allowed."""
    if not finding.gap_fails:
        return finding.floor_fails
    worse = finding.comparison.grouping.names[finding.pair[1]].split(",")[0]
    return not (setting.extreme and worse == str(len(setting.sizes) + len(setting.small) - 1))


@dataclass(frozen=True)
class Shares:
    """How often audits of a setting end so.

    Attributes:
        fails: in FAIL; where a third group is extreme, in one that names another.
        passes: in PASS.
        blind: in FAIL if classes were not asked.
    """

    fails: float
    passes: float
    blind: float


def shares(setting: Setting, rounds: int) -> Shares:
    """Return how audits of a setting end."""
    seed = [13, *setting.sizes, len(setting.small), round(1000 * setting.gap), [*MIXES].index(setting.mix), setting.extreme]
    random, told = np.random.default_rng([*seed, setting.alone]), np.zeros((rounds, 3), bool)
    for turn in range(rounds):
        findings, blind = judged(setting, random)
        fails = any(f.verdict == FAIL and _wrong(setting, f) for f in findings)
        told[turn] = fails, verdicts.overall(findings) == PASS, verdicts.overall(blind) == FAIL
    return Shares(*(float(share) for share in told.mean(axis=0)))


def settings(world: str) -> Iterator[Setting]:
    """List the settings of one figure, without a gap."""
    small = (12,) * 10
    if world in UNEVEN:
        for mix, sizes in product(MIXES, ((100,) * 2, (1000,) * 2, (30, 1000), (1000, 30), (100,) * 4)):
            yield Setting(world, sizes, mix=mix)
        return
    for mix in MIXES:
        for sizes in ((20,) * 2, (100,) * 2, (1000,) * 2, (20, 1000), (1000, 20), (100,) * 4, (20,) * 12, (100,) * 12):
            yield Setting(world, sizes, mix=mix)
        for sizes in ((400,) * 2, (1000,) * 2):
            yield Setting(world, sizes, small, mix=mix)
        yield Setting(world, (1000,) * 2, (300,), mix=mix, extreme=True)
        yield Setting(world, (100,) * 2, mix=mix, alone=False)
        yield Setting(world, (1000,) * 2, mix=mix, alone=False)


def main() -> None:
    """Print, for each figure, FAIL without a gap, FAIL and PASS at the limit, and FAIL above it, also by bounds alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--world", choices=[*FIGURES], action="append")
    parser.add_argument("--mix", choices=[*MIXES], action="append")
    given, out, limit = parser.parse_args(), sys.stdout, LIMITS.max_gap
    heads = ["figure", "columns", "groups", "beside", "extreme", "explained", "FAIL at 0", "FAIL at limit", "PASS at limit"]
    heads += [f"FAIL at +{100 * over:.0f} (bounds alone)" for over in OVER]
    out.write(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|\n")
    asked = (setting for world in given.world or FIGURES for setting in settings(world))
    for one in (setting for setting in asked if setting.mix in (given.mix or MIXES)):
        none, at = shares(one, given.rounds), shares(replace(one, gap=limit), given.rounds)
        words = [f"{100 * share:.1f}" for share in (none.fails, at.fails, at.passes)]
        for over in () if one.extreme else OVER:
            found = shares(replace(one, gap=limit + over), given.rounds // 4)
            words.append(f"{100 * found.fails:.0f} ({100 * found.blind:.0f})")
        out.write(f"| {' | '.join([*one.words, *words, *(['-'] * len(OVER) if one.extreme else [])])} |\n")
        out.flush()


if __name__ == "__main__":
    main()
