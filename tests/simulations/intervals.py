"""How often the 95 % interval of a headline figure holds the truth: ``python -m tests.simulations.intervals``.

Macro F1, mIoU and mAP50 of test splits with few and with many classes, few and many pictures, of weak and of nearly
perfect models. Beside the interval the percentile bootstrap of the same draws. The truth is the figure of very many
pictures; recalls lie between COCO's levels, where that figure does not jump.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stages.judge import classes, labels, panels, statistics, units
from stages.judge.average_precision import Matches, average_precision
from stages.judge.draws import Draws, Panel, estimates
from stages.judge.measures import Measure
from tests.simulations.matches import matches

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Random = np.random.Generator
MANY = 400_000  # pictures behind a true figure
NUM_DRAWS = 300


class World(Protocol):
    """Test splits of one kind."""

    num_classes: int
    num: int

    def words(self) -> str:
        """Say what is special of it."""
        ...

    def truth(self) -> float:
        """Return the figure of very many pictures."""
        ...

    def draw(self, random: Random) -> Measure:
        """Return the figure of a split."""
        ...


@dataclass(frozen=True)
class Labels:
    """Labels, wrong ones spread evenly over the other classes; macro F1.

    Attributes:
        num_classes: K.
        num: pictures.
        ability: chance that a label is right.
        tail: the k-th class is as frequent as 1 / k, not as frequent as the others.
    """

    num_classes: int
    num: int
    ability: float
    tail: bool = False

    def words(self) -> str:
        """Say how able it is."""
        return f"{self.ability:g}{', long tail' if self.tail else ''}"

    @property
    def shares(self) -> Floats:
        """(K,) how frequent each class is."""
        weights = 1 / np.arange(1.0, self.num_classes + 1) if self.tail else np.ones(self.num_classes)
        return weights / weights.sum()

    @cache  # noqa: B019 - a frozen setting
    def truth(self) -> float:
        """Return macro F1, computed."""
        shares, wrong = self.shares, 1 - self.ability
        said = shares * self.ability + (1 - shares) * wrong / (self.num_classes - 1)
        return float((2 * shares * self.ability / (shares + said)).mean())

    def draw(self, random: Random) -> Measure:
        """Return macro F1 of a split."""
        truth = random.choice(self.num_classes, self.num, p=self.shares)
        wrong = random.random(self.num) > self.ability
        said = np.where(wrong, (truth + random.integers(1, self.num_classes, self.num)) % self.num_classes, truth)
        return panels.mean("f", "f", "pictures", labels.counts(truth, said, self.num_classes), classes.f1)


@dataclass(frozen=True)
class Pixels:
    """Masks; each picture holds the background and one class, whose pixels fare alike; mIoU.

    Attributes:
        num_classes: K, with the background.
        num: pictures.
        ability: mean share of an object's pixels that is found; as many are said around it as are missed.
    """

    num_classes: int
    num: int
    ability: float

    def words(self) -> str:
        """Say how able it is."""
        return f"{self.ability:g}"

    @cache  # noqa: B019 - a frozen setting
    def truth(self) -> float:
        """Return mIoU of very many pictures."""
        return _figure(self._made(MANY, np.random.default_rng(1)))

    def draw(self, random: Random) -> Measure:
        """Return mIoU of a split."""
        return self._made(self.num, random)

    def _made(self, num: int, random: Random) -> Measure:
        own = random.integers(1, self.num_classes, num)
        pixels = np.floor(random.gamma(2.0, 200.0, num)) + 1
        hit = np.floor(pixels * random.beta(8 * self.ability, 8 * (1 - self.ability), num))
        missed = pixels - hit
        width, ground = self.num_classes, 4000 - pixels
        rows = np.repeat(np.arange(num), 4)
        cells = np.stack([own * width + own, own * width, own, np.zeros(num, np.int64)], axis=1).ravel()
        counts = np.stack([hit, missed, missed, ground - missed], axis=1).ravel()
        held = classes.counts(rows, cells, counts.astype(np.int64), num, width)
        return panels.mean("i", "i", "pixels", held, classes.iou)


@dataclass(frozen=True)
class Objects:
    """One object a picture, found or not, and false alarms, mostly less sure; mAP50.

    Attributes:
        num_classes: K.
        num: pictures.
        ability: chance that an object is found.
        false: false alarms in a picture.
    """

    num_classes: int
    num: int
    ability: float
    false: float

    def words(self) -> str:
        """Say how able it is."""
        return f"{self.ability:g}, {self.false:g} false"

    @cache  # noqa: B019 - a frozen setting
    def truth(self) -> float:
        """Return the average precision of very many pictures of one class."""
        tables = _tables(1, MANY, self.ability, self.false, np.random.default_rng(1))
        return float(average_precision(tables[0], np.ones((1, MANY)))[0, 0])

    def draw(self, random: Random) -> Measure:
        """Return mAP50 of a split."""
        return panels.precision("m", "m", _tables(self.num_classes, self.num, self.ability, self.false, random), slice(0, 1))


def _tables(num_classes: int, num: int, ability: float, false: float, random: Random) -> list[Matches]:
    own, found, alarms = random.integers(0, num_classes, num), random.random(num) < ability, random.poisson(false, num)
    pictures = np.r_[np.flatnonzero(found), np.repeat(np.arange(num), alarms)]
    said = np.r_[own[found], random.integers(0, num_classes, alarms.sum())]
    right = np.r_[np.ones(found.sum(), bool), np.zeros(alarms.sum(), bool)]
    scores = np.where(right, random.beta(4, 2, right.size), random.beta(2, 4, right.size))
    return [
        matches(scores[said == k], pictures[said == k], right[said == k], np.asarray(own == k, np.float64))
        for k in range(num_classes)
    ]


WORLDS: dict[str, list[World]] = {
    "macro F1": [
        Labels(2, 30, 0.9), Labels(5, 30, 0.8), Labels(10, 100, 0.6), Labels(10, 400, 0.99), Labels(20, 100, 0.8),
        Labels(20, 120, 0.97), Labels(50, 200, 0.8), Labels(80, 400, 0.6), Labels(80, 400, 0.95),
        Labels(80, 1000, 0.9, tail=True), Labels(50, 200, 0.8, tail=True),
    ],
    "mIoU": [Pixels(2, 30, 0.7), Pixels(20, 100, 0.8), Pixels(80, 400, 0.6), Pixels(80, 400, 0.9)],
    "mAP50": [
        Objects(1, 30, 0.805, 0.3), Objects(1, 150, 0.975, 0), Objects(1, 300, 0.995, 0), Objects(20, 120, 0.905, 0.1),
        Objects(40, 200, 0.805, 0.3), Objects(80, 400, 0.855, 0.2), Objects(80, 1000, 0.705, 0.5),
    ],
}  # fmt: skip


def _figure(measure: Measure) -> float:
    return float(measure.values(np.ones((1, measure.counts.size)))[0])


@dataclass(frozen=True)
class Coverage:
    """How intervals fared, in shares of the splits.

    Attributes:
        held: the truth lay within.
        below: it lay below the lower end.
        above: it lay above the upper end.
        width: of the intervals, on average.
    """

    held: float
    below: float
    above: float
    width: float


def coverage(world: World, rounds: int, seed: int = 2) -> tuple[Coverage, Coverage]:
    """Return how the interval of evaluation fares, and the percentile bootstrap of its draws."""
    random = np.random.default_rng([seed, world.num_classes, world.num])
    told, plain = np.zeros((rounds, 2)), np.zeros((rounds, 2))
    for turn in range(rounds):
        measure, start = world.draw(random), int(random.integers(2**31))
        draws = Draws(world.num, NUM_DRAWS, lambda start=start: np.random.default_rng(start))
        panel: Panel = panels.of_measures([measure], units.alone(world.num))
        found = estimates(panel, draws)[measure.name]
        told[turn] = found.low, found.high
        plain[turn] = statistics.percentile_interval(draws.of(measure.values))
    first, second = (_fared(ends, world.truth()) for ends in (told, plain))
    return first, second


def _fared(ends: Floats, truth: float) -> Coverage:
    below, above = float((truth < ends[:, 0]).mean()), float((truth > ends[:, 1]).mean())
    return Coverage(1 - below - above, below, above, float((ends[:, 1] - ends[:, 0]).mean()))


def lines(figures: list[str], rounds: int) -> Iterator[str]:
    """Yield the rows of a table, one a setting, in %."""
    heads = ["figure", "classes", "pictures", "ability", "truth", "held", "below", "above", "width"]
    heads += [f"{head}, percentile" for head in ("held", "below", "above", "width")]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for figure in figures:
        for world in WORLDS[figure]:
            words = [figure, str(world.num_classes), str(world.num), world.words(), f"{100 * world.truth():.1f}"]
            for one in coverage(world, rounds):
                words += [f"{100 * share:.1f}" for share in (one.held, one.below, one.above, one.width)]
            yield f"| {' | '.join(words)} |"


def main() -> None:
    """Print the coverage of each setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--figure", choices=[*WORLDS], action="append")
    given = parser.parse_args()
    for line in lines(given.figure or [*WORLDS], given.rounds):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
