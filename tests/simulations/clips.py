"""How often a 95 % interval holds the truth where pictures come in clips: ``python -m tests.simulations.clips``.

A clip is a unit: its frames are alike, as far as ``alike`` says (1: all frames fare the same). The interval is that of
evaluation (bootstrap of units) or of an audit's group (standard error by units); beside it the one that takes each frame for
a draw of its own. With ``--rounds`` tries a setting.
"""

import argparse
import sys
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from stages.judge import by_group, draws, groups, measures, ratio_slope, units, verdicts
from stages.judge.draws import Draws, Panel
from stages.judge.estimate import Estimate
from stages.judge.measures import Measure
from stages.judge.verdicts import FAIL, PASS, Limits

Floats = NDArray[np.float64]
MANY = 40_000  # clips behind a true figure
NUM_DRAWS = 400
BEST = 0.95  # accuracy of a group that is treated well, in audits
LIMITS = Limits(max_gap=0.1, min_worst_group=0.3, alpha=0.05)


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        world: a key of ``WORLDS``.
        num: clips.
        frames: of each, on average.
        ability: chance that a frame is right, or what takes its place.
        alike: share of frames that fare as their clip does, the others for themselves.
        uneven: clips have 1 to twice ``frames`` frames.
        audit: the interval of a group in an audit, not that of evaluation.
    """

    world: str
    num: int
    frames: int
    ability: float
    alike: float = 1.0
    uneven: bool = False
    audit: bool = False


def drawn(setting: Setting, num: int, random: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Return how each frame fares, 0 to 1, and its clip: (N,) each."""
    sizes = random.integers(1, 2 * setting.frames, num) if setting.uneven else np.full(num, setting.frames)
    clip = np.repeat(np.arange(num), sizes)
    common, own = random.random(num)[clip], random.random(clip.size)
    return np.where(random.random(clip.size) < setting.alike, common, own), clip


def accuracy(luck: Floats, ability: float) -> Measure:
    """Return the share of frames that are right."""
    right = np.asarray(luck < ability, np.float64)
    return measures.proportion("a", "a", "pictures", right, np.ones(luck.size))


def mean_iou(luck: Floats, ability: float) -> Measure:
    """Return mean IoU of three classes; every second and fifth frame lacks one."""
    places = np.arange(luck.size) // 7
    real = np.stack([np.full(luck.size, 400.0), 200.0 * (places % 2), 100.0 * (places % 5 > 0)], axis=1)
    share = np.clip(ability + (luck[:, None] - 0.5) * [0.4, 0.8, 1.2], 0, 1)
    hit = np.floor(real * share)
    missed = real - hit
    return measures.mean_of_ratios("m", "m", "pixels", hit, real + np.roll(missed, 1, axis=1), real, counts=real.sum(1))


def recall(luck: Floats, ability: float) -> Measure:
    """Return the share of objects that are found; frames hold one to five."""
    objects = 1.0 + np.arange(luck.size) // 3 % 5
    found = np.floor(objects * np.clip(ability + (luck - 0.5), 0, 1) + 0.5)
    return measures.proportion("r", "r", "objects", found, objects)


WORLDS = {"accuracy": accuracy, "mIoU": mean_iou, "recall": recall}


def interval(setting: Setting, measure: Measure, held: units.Units, random: np.random.Generator) -> Estimate:
    """Return the estimate of evaluation or of an audit's group."""
    codes = np.zeros(held.codes.size, np.int64)
    if setting.audit:
        return by_group.estimates(measure, codes, 1, NUM_DRAWS, random, held)[0]
    merged, seed = measure.merged(held.codes, held.num), int(random.integers(2**31))
    counts = ([int(measure.counts.sum())], [codes.size], [held.num], [setting.world == "accuracy"])
    num = int(np.count_nonzero(merged.counts))
    shown = [ratio_slope.NOTHING if merged.slope is None else ratio_slope.whole(merged.slope, held.num, num)]
    panel = Panel(("a",), lambda weights: merged.values(weights)[:, None], *counts, slopes=lambda: shown)
    return draws.estimates(panel, Draws(held.num, NUM_DRAWS, lambda: np.random.default_rng(seed)))["a"]


def coverage(setting: Setting, rounds: int) -> tuple[float, float]:
    """Return how often the interval by clips, and the one by frames, holds the true figure."""
    make = WORLDS[setting.world]
    luck, _ = drawn(setting, MANY, np.random.default_rng(1))
    truth = make(luck, setting.ability).of(np.ones(luck.size, bool))
    random = np.random.default_rng([2, setting.num, setting.frames, round(100 * setting.ability)])
    holds = np.zeros((rounds, 2), bool)
    for turn in range(rounds):
        luck, clip = drawn(setting, setting.num, random)
        measure = make(luck, setting.ability)
        for at, held in enumerate((units.of(clip.astype(str).tolist()), units.alone(clip.size))):
            found = interval(setting, measure, held, random)
            holds[turn, at] = found.low <= truth <= found.high
    return float(holds[:, 0].mean()), float(holds[:, 1].mean())


def judged(num_groups: int, num: int, gap: float, rounds: int) -> tuple[list[str], list[str]]:
    """Return the verdicts of audits by clips and by frames: clips of ten frames, those of the first group worse by a gap."""
    random = np.random.default_rng([3, num_groups, num, round(100 * gap)])
    told, blind = [], []
    for _ in range(rounds):
        clip = np.repeat(np.arange(num_groups * num), 10)
        group = clip // num
        luck = random.random(num_groups * num)[clip]
        right = np.asarray(luck < np.where(group == 0, BEST - gap, BEST), np.float64)
        measure = measures.proportion("a", "a", "pictures", right, np.ones(right.size))
        way = groups.Grouping(("c",), tuple(f"g{n}" for n in range(num_groups)), group)
        for found, held in ((told, units.of(clip.astype(str).tolist())), (blind, units.alone(clip.size))):
            one = groups.compare(measure, way, min_group=10, num_bootstraps=100, random=random, units=held)
            found.append(verdicts.overall(verdicts.judge([one], LIMITS)))
    return told, blind


def main() -> None:
    """Print the coverage of each setting, and how often audits fail and pass at the limit and with equal groups."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--world", choices=[*WORLDS, "audit"], action="append")
    given = parser.parse_args()
    if not given.world or "audit" in given.world:
        _print_audits(given.rounds)
    worlds = [world for world in WORLDS if not given.world or world in given.world]
    sys.stdout.write(
        "| figure | interval | clips | frames | ability | alike | by clips | by frames |\n" + "|---" * 8 + "|\n"
    )
    for world in worlds:
        for num, frames, ability, alike, uneven, audit in (
            (30, 10, 0.5, 1.0, False, False), (30, 10, 0.8, 1.0, False, False), (30, 10, 0.9, 1.0, False, False),
            (30, 10, 0.8, 0.7, False, False), (30, 10, 0.8, 1.0, True, False), (30, 10, 0.8, 1.0, False, True),
            (30, 10, 0.8, 1.0, True, True), (10, 10, 0.8, 1.0, False, False), (10, 10, 0.8, 1.0, True, True),
            (150, 4, 0.8, 1.0, True, False),
        ):  # fmt: skip
            setting = Setting(world, num, frames, ability, alike, uneven, audit)
            told, blind = coverage(setting, given.rounds)
            size = f"1 to {2 * frames - 1}" if uneven else str(frames)
            words = [world, "group" if audit else "split", str(num), size, f"{ability:g}", f"{alike:g}"]
            sys.stdout.write(f"| {' | '.join([*words, f'{100 * told:.1f}', f'{100 * blind:.1f}'])} |\n")
            sys.stdout.flush()


def _print_audits(rounds: int) -> None:
    heads = ["groups", "clips", "gap", "FAIL by clips", "FAIL by frames", "PASS by clips", "PASS by frames"]
    sys.stdout.write(f"| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|\n")
    for num_groups, num, gap in product((2, 4), (30, 100, 300), (0.0, LIMITS.max_gap, 2 * LIMITS.max_gap)):
        told, blind = judged(num_groups, num, gap, rounds)
        shares = (100 * found.count(verdict) / rounds for verdict in (FAIL, PASS) for found in (told, blind))
        words = [str(num_groups), str(num), f"{gap:g}", *(f"{share:.1f}" for share in shares)]
        sys.stdout.write(f"| {' | '.join(words)} |\n")
        sys.stdout.flush()
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
