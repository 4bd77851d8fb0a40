"""How often audits fail where classes explain a gap, and where they do not: ``python -m tests.simulations.within_classes``.

Half of the groups of a column, or one large one, fare worse by a known gap within each of two classes, of which one is
difficult. Classes are independent of groups, or the groups that fare worse hold nine tenths of the difficult class and the
others a tenth. Small groups may stand beside, and a third one that fares far worse. All is judged as the audit stage does,
deals among it. With ``--rounds`` audits a setting.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stages.judge import groups, permutations, verdicts
from stages.judge.columns import sort_into_groups
from stages.judge.verdicts import FAIL, PASS, Finding, Limits
from tests.simulations.worlds import WORLDS, World

LIMITS = Limits(max_gap=0.1, min_worst_group=0.05, alpha=0.05)
HARDER = 0.3  # how much lower the figure of the difficult class is
LOPSIDED = 0.9  # difficult pictures of groups that fare worse, where classes explain; of the others the rest
OVER = (0.05, 0.1, 0.2)
EXTREME = 0.5  # by how much a third group fares worse within classes
NUM_DEALS = 400  # more would make the mean of deals surer than anything it is held against


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        world: the figure.
        sizes: pictures of each group that tells; the first half fare worse.
        small: pictures of each further group, which fares well and has classes of both kinds.
        gap: true gap within each class.
        explained: classes make the same groups fare worse once more.
        extreme: the last group fares far worse than all others, in the difficult class alone.
        alone: the audit has this column only; else a second one and their intersection too.
    """

    world: str
    sizes: tuple[int, ...]
    small: tuple[int, ...] = ()
    gap: float = 0.0
    explained: bool = False
    extreme: bool = False
    alone: bool = True

    @property
    def words(self) -> list[str]:
        """Say what it is, for a table."""
        beside = f"{len(self.small)} of {self.small[0]}" if self.small else "none"
        told = f"{len(self.sizes)} of {self.sizes[0]}" if len(set(self.sizes)) == 1 else " and ".join(map(str, self.sizes))
        return [
            self.world, "one" if self.alone else "two and both", told, beside, "yes" if self.extreme else "no",
            "yes" if self.explained else "no",
        ]  # fmt: skip


def judged(setting: Setting, random: np.random.Generator) -> tuple[list[Finding], list[Finding]]:
    """Make one audit and return what it finds, and what bounds alone would, the column that tells first."""
    world: World = WORLDS[setting.world]
    codes = np.repeat(np.arange(len(setting.sizes) + len(setting.small)), (*setting.sizes, *setting.small))
    low = codes < len(setting.sizes) // 2
    share = np.where(low, LOPSIDED, 1 - LOPSIDED) if setting.explained else np.full(codes.size, 0.5)
    share = np.where(codes >= len(setting.sizes), 0.5, share)
    difficult = random.random(codes.size) < share
    figure = world.high - setting.gap * low - HARDER * difficult
    figure -= EXTREME * ((codes == codes.max()) & difficult) if setting.extreme else 0.0
    at = np.unique(figure, return_inverse=True)
    abilities = np.array([world.ability(max(float(one), 0.05)) for one in at[0]])[at[1]]
    texts = {"group": codes.astype(str)}
    if not setting.alone:
        texts["other"] = random.integers(0, 2, codes.size).astype(str)
    measure, ways = world.draw(abilities, random), groups.groupings(sort_into_groups(texts, 20)[0])
    found = [groups.compare(measure, way, min_group=10, num_bootstraps=200, random=random) for way in ways]

    def deal(comparison: groups.Comparison) -> permutations.Dealer:
        return permutations.dealer(
            comparison,
            difficult.astype(np.int64),
            num_deals=NUM_DEALS,
            allowed=LIMITS.max_gap,
            random=lambda *_: random,
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
    seed = [13, *setting.sizes, len(setting.small), round(1000 * setting.gap), setting.explained, setting.extreme]
    random, told = np.random.default_rng([*seed, setting.alone]), np.zeros((rounds, 3), bool)
    for turn in range(rounds):
        findings, blind = judged(setting, random)
        fails = any(f.verdict == FAIL and _wrong(setting, f) for f in findings)
        told[turn] = fails, verdicts.overall(findings) == PASS, verdicts.overall(blind) == FAIL
    return Shares(*(float(share) for share in told.mean(axis=0)))


def settings(world: str) -> Iterator[Setting]:
    """List the settings of one figure, without a gap."""
    small = (12,) * 10
    for explained in (False, True):
        for sizes in ((20,) * 2, (100,) * 2, (1000,) * 2, (20, 1000), (1000, 20), (100,) * 4, (20,) * 12, (100,) * 12):
            yield Setting(world, sizes, (), explained=explained)
        for sizes in ((400,) * 2, (1000,) * 2):
            yield Setting(world, sizes, small, explained=explained)
        yield Setting(world, (1000,) * 2, (300,), explained=explained, extreme=True)
        yield Setting(world, (100,) * 2, (), explained=explained, alone=False)
        yield Setting(world, (1000,) * 2, (), explained=explained, alone=False)


def main() -> None:
    """Print, for each figure, FAIL without a gap, FAIL and PASS at the limit, and FAIL above it, also by bounds alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--world", choices=[*WORLDS], action="append")
    given, out, limit = parser.parse_args(), sys.stdout, LIMITS.max_gap
    heads = ["figure", "columns", "groups", "beside", "extreme", "explained", "FAIL at 0", "FAIL at limit", "PASS at limit"]
    heads += [f"FAIL at +{100 * over:.0f} (bounds alone)" for over in OVER]
    out.write(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|\n")
    for one in (setting for world in given.world or WORLDS for setting in settings(world)):
        none, at = shares(one, given.rounds), shares(replace(one, gap=limit), given.rounds)
        words = [f"{100 * share:.1f}" for share in (none.fails, at.fails, at.passes)]
        for over in () if one.extreme else OVER:
            found = shares(replace(one, gap=limit + over), given.rounds // 4)
            words.append(f"{100 * found.fails:.0f} ({100 * found.blind:.0f})")
        out.write(f"| {' | '.join([*one.words, *words, *(['-'] * len(OVER) if one.extreme else [])])} |\n")
        out.flush()


if __name__ == "__main__":
    main()
