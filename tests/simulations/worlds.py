"""Pictures of groups whose true figures are known: accuracy, mean IoU and average precision.

A world makes pictures at an ability between 0 and 1 and says which ability has which true figure: the figure of very many
pictures, from a grid of abilities made once with a seed of its own.
"""

from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stages.judge import measures, panels
from stages.judge.average_precision import Matches
from stages.judge.measures import Measure
from tests.simulations.matches import matches

Floats = NDArray[np.float64]
GRID = np.linspace(0.05, 1.0, 39)
MANY = 20_000  # pictures behind a true figure
SCENES = (1.5, 0.7)  # objects of each class in a picture


class World(Protocol):
    """Pictures of one kind of task."""

    high: float
    """The figure of a group that is treated well."""

    def draw(self, abilities: Floats, random: np.random.Generator) -> Measure:
        """Return the figure over pictures of these abilities, (N,)."""
        ...

    def ability(self, figure: float) -> float:
        """Return the ability at which the figure of very many pictures is this one."""
        ...


@dataclass(frozen=True)
class Accuracy:
    """Labels that are right or wrong."""

    high: float = 0.95

    def draw(self, abilities: Floats, random: np.random.Generator) -> Measure:
        """Return accuracy."""
        right = np.asarray(random.random(abilities.size) < abilities, np.float64)
        return measures.proportion("accuracy", "accuracy", "pictures", right, np.ones(abilities.size))

    def ability(self, figure: float) -> float:
        """Return the figure: it is the ability."""
        return figure


@dataclass(frozen=True)
class MeanIoU:
    """Masks of a few classes; pixels of one class in one picture fare alike.

    Attributes:
        high: see ``World``.
        classes: how often each class stands in a picture.
        alike: how alike pictures are: with 8 the shares found lie around the ability, with 1 nearly all or nothing is found.
        together: all classes of a picture fare alike.
    """

    high: float = 0.85
    classes: tuple[float, ...] = (0.9, 0.5, 0.25)
    alike: float = 8
    together: bool = False

    def draw(self, abilities: Floats, random: np.random.Generator) -> Measure:
        """Return mean IoU."""
        hits, union, pixels = self.counts(abilities, random)
        return measures.mean_of_ratios("miou", "mIoU", "pixels", hits, union, pixels, counts=pixels.sum(1))

    def counts(self, abilities: Floats, random: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Return what is found of each class in each picture, found or said, and there, (N, K) each, in pixels."""
        num, classes = abilities.size, len(self.classes)
        present = random.random((num, classes)) < self.classes
        present[:, 0] |= ~present.any(axis=1)
        pixels = np.floor(random.gamma(2.0, 500.0, (num, classes))) * present
        rows = 1 if self.together else classes
        share = random.beta(self.alike * abilities + 0.05, self.alike * (1 - abilities) + 0.05, (rows, num)).T
        hits = np.floor(pixels * share)
        missed = pixels - hits
        false = np.stack(
            [missed[:, (k + 1) % classes] * 0.7 + missed[:, (k + 2) % classes] * 0.3 for k in range(classes)], 1
        )
        return hits, pixels + false, pixels

    def ability(self, figure: float) -> float:
        """Return the ability, from a grid."""
        return float(np.interp(figure, _grid(self), GRID))


@dataclass(frozen=True)
class Precision:
    """Objects of two classes, found or not, with false alarms; pictures differ in difficulty."""

    high: float = 0.85

    def draw(self, abilities: Floats, random: np.random.Generator) -> Measure:
        """Return mAP50."""
        return panels.precision("map50", "mAP50", [_class(abilities, mean, random) for mean in SCENES], slice(0, 1))

    def ability(self, figure: float) -> float:
        """Return the ability, from a grid."""
        return float(np.interp(figure, _grid(self), GRID))


def _class(abilities: Floats, mean: float, random: np.random.Generator) -> Matches:
    """Return the matches of one class: objects found as often as the ability says, scores above those of false alarms."""
    num = abilities.size
    objects = random.poisson(mean, num)
    own = random.beta(6 * abilities + 0.05, 6 * (1 - abilities) + 0.05)
    found, false = random.binomial(objects, own), random.poisson(0.5 * mean * (1.2 - abilities))
    pictures = np.r_[np.repeat(np.arange(num), found), np.repeat(np.arange(num), false)]
    scores = np.r_[random.normal(2.0, 1.0, found.sum()), random.normal(0.0, 1.0, false.sum())]
    return matches(scores, pictures, np.r_[np.ones(found.sum(), bool), np.zeros(false.sum(), bool)], objects.astype(float))


@cache
def _grid(world: World) -> Floats:
    """Return the true figure at each ability of the grid."""
    figures = []
    for index, ability in enumerate(GRID):
        measure = world.draw(np.full(MANY, ability), np.random.default_rng([7, index]))
        figures.append(measure.of(np.ones(MANY, bool)))
    return np.maximum.accumulate(np.array(figures))


WORLDS: dict[str, World] = {"accuracy": Accuracy(), "mIoU": MeanIoU(), "mAP50": Precision()}
