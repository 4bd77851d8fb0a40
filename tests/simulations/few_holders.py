"""How figures fare that few of the pictures hold anything of: ``python -m tests.simulations.few_holders``.

Test splits and groups of many pictures of which a handful hold an object, and classes that a handful hold beside
common ones.
Where all of such a handful is right nothing varies, and the interval rests on how many trials that is taken for.
Beside them, pictures that hold very unequal numbers of objects, of which the few large ones decide.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stages.judge import by_group, classes, labels, panels, units, verdicts
from stages.judge.average_precision import Matches
from stages.judge.draws import Draws, Panel, estimates
from stages.judge.groups import Grouping, compare
from stages.judge.measures import Measure, proportion
from stages.judge.verdicts import Limits
from tests.simulations import command
from tests.simulations.matches import matches

Floats = NDArray[np.float64]
Random = np.random.Generator
GRID = 0.005  # half a step between COCO's recalls: so much an average precision may differ from the share that is found
NUM_DRAWS = 200
Figure = Callable[[Floats, Floats, Random], Measure]


class Pictures(Protocol):
    """Pictures of one kind: a split, or a group of it."""

    @property
    def num(self) -> int:
        """How many."""

    @property
    def truth(self) -> float:
        """What a figure of very many of them comes to."""

    def draw(self, random: Random) -> tuple[Floats, Floats]:
        """Return how many objects of each class each picture holds, and how many are found, (num, K) each."""


@dataclass(frozen=True)
class Scene:
    """Pictures of one kind: a split, or a group of it.

    Attributes:
        num: pictures.
        holding: how many hold each class, others than hold the classes before it.
        abilities: chance that the objects of a picture are found.
        each: objects in a picture that holds any; they fare alike.
    """

    num: int
    holding: tuple[int, ...]
    abilities: tuple[float, ...]
    each: int = 1

    def words(self) -> str:
        """Say how many pictures of how many hold each class, and how able the model is."""
        of, able = (", ".join(f"{one:g}" for one in some[:3]) for some in (self.holding, self.abilities))
        more = f" and {len(self.holding) - 3} more" if len(self.holding) > 3 else ""
        return f"{self.num}: {of}{more} hold {self.each} of ability {able}"

    @property
    def truth(self) -> float:
        """Mean over classes of the share that is found: of one class recall, without false alarms average precision."""
        return float(np.mean(self.abilities))

    def draw(self, random: Random) -> tuple[Floats, Floats]:
        """Return how many objects of each class each picture holds, and how many are found, (num, K) each."""
        own = np.repeat(np.arange(len(self.holding)), self.holding)
        held = np.zeros((self.num, len(self.holding)))
        held[np.arange(own.size), own] = self.each
        return held, held * (random.random((self.num, 1)) < self.abilities)


@dataclass(frozen=True)
class Crowded:
    """Pictures that hold unequal numbers of objects, of each class as many.

    Attributes:
        num: pictures.
        objects: a key of ``CROWDS``.
        ability: chance that an object is found.
        alike: correlation of the objects of a picture; 1: they fare alike.
        classes: K.
        apart: each class of a picture fares for itself; else what one has in common all have.
    """

    num: int
    objects: str
    ability: float
    alike: float = 1.0
    classes: int = 1
    apart: bool = False

    @property
    def truth(self) -> float:
        """Recall, and without false alarms average precision."""
        return self.ability

    def draw(self, random: Random) -> tuple[Floats, Floats]:
        """Return how many objects of each class each picture holds, and how many are found, (num, K) each."""
        held = np.tile(CROWDS[self.objects](self.num, random).astype(np.float64)[:, None], self.classes)
        share = luck((self.num, self.classes if self.apart else 1), self.ability, self.alike, random)
        return held, random.binomial(held.astype(int), share).astype(np.float64)


def luck(shape: tuple[int, int], ability: float, alike: float, random: Random) -> Floats:
    """Return the share that is found where objects of so much ability are alike by a correlation."""
    if alike == 1:
        return np.asarray(random.random(shape) < ability, np.float64)
    if alike == 0:
        return np.full(shape, ability)
    pairs = 1 / alike - 1
    return random.beta(pairs * ability, pairs * (1 - ability), shape)


CROWDS: dict[str, Callable[[int, Random], Floats]] = {
    "1, 5 % have 200": lambda num, random: np.where(random.random(num) < 0.05, 200.0, 1.0),
    "1, 10 % have 50": lambda num, random: np.where(random.random(num) < 0.1, 50.0, 1.0),
    "1, 10 % have 20": lambda num, random: np.where(random.random(num) < 0.1, 20.0, 1.0),
    "log-normal, sigma 1.5": lambda num, random: np.maximum(np.exp(random.normal(1.0, 1.5, num)).round(), 1.0),
    "log-normal, sigma 1": lambda num, random: np.maximum(np.exp(random.normal(2.0, 1.0, num)).round(), 1.0),
    "1 and Poisson, 5": lambda num, random: 1.0 + random.poisson(5.0, num),
}


def tables(held: Floats, found: Floats, random: Random) -> list[Matches]:
    """Return matches of each class without false alarms, given objects and those found, (N, K) each."""
    made = []
    for objects, hits in zip(held.T, found.T, strict=True):
        pictures = np.repeat(np.arange(objects.size), hits.astype(int))
        made.append(matches(random.random(pictures.size), pictures, np.ones(pictures.size, bool), objects))
    return made


def recall(held: Floats, found: Floats, random: Random) -> Measure:
    """Return the recall of all objects."""
    del random
    return proportion("recall", "recall", "objects", found.sum(1), held.sum(1))


def map50(held: Floats, found: Floats, random: Random) -> Measure:
    """Return mAP50."""
    return panels.precision("map50", "mAP50", tables(held, found, random), slice(0, 1))


def average_recall(held: Floats, found: Floats, random: Random) -> Measure:
    """Return COCO's average recall."""
    return panels.recall("ar", "AR", [everywhere(table) for table in tables(held, found, random)])


def headline(scene: Scene, random: Random) -> Panel:
    """Return the figures of a split in which objects are looked for; the first is mAP50."""
    made = [everywhere(table) for table in tables(*scene.draw(random), random)]
    return panels.of_precision(made)


def split(figure: Figure, scene: Pictures, random: Random) -> Panel:
    """Return a figure of a split."""
    return panels.of_measures([figure(*scene.draw(random), random)], units.alone(scene.num))


def everywhere(table: Matches) -> Matches:
    """Return a table whose matches are the same at all ten IoU thresholds."""
    hit = np.repeat(table.right, 10, axis=0)
    return Matches(table.scores, table.pictures, hit, ~hit, table.holders, table.held, table.num_pictures)


def macro_f1(counts: Sequence[int], abilities: Sequence[float], random: Random) -> Panel:
    """Return the headline macro F1 of two classes, so many pictures each."""
    truth = np.repeat([0, 1], counts)
    said = np.where(random.random(truth.size) < np.repeat(abilities, counts), truth, 1 - truth)
    return panels.of_classes(labels.counts(truth, said, 2), {}, {"macro_f1": classes.f1}, single=True)


def f1_of_many(counts: Sequence[int], abilities: Sequence[float]) -> float:
    """Return macro F1 of very many pictures of two classes, in these shares."""
    hit = np.multiply(counts, abilities)
    said = hit + np.subtract(counts, hit)[::-1]
    return float((2 * hit / (np.asarray(counts) + said)).mean())


def held(panels_of: Iterable[Panel], truth: float, grid: float = 0.0) -> tuple[float, float]:
    """Return how often the interval of the first figure of some panels holds the truth, and how wide it is on average."""
    ends = []
    for turn, panel in enumerate(panels_of):
        num = panel.pictures[0]
        ends.append(estimates(panel, Draws(num, NUM_DRAWS, lambda turn=turn: np.random.default_rng(turn)))[panel.names[0]])
    low, high = (np.array([getattr(one, end) for one in ends]) for end in ("low", "high"))
    return float(((low - grid <= truth) & (truth <= high + grid)).mean()), float((high - low).mean())


def group(figure: Figure, scene: Pictures, rounds: int) -> tuple[float, float]:
    """Return how often the interval of a figure of a group holds the truth, and how wide it is on average."""
    random, codes, ends = np.random.default_rng([5, scene.num]), np.zeros(scene.num, np.int64), []
    for _ in range(rounds):
        one = by_group.estimates(figure(*scene.draw(random), random), codes, 1, 10, random)[0]
        ends.append((one.low - GRID <= scene.truth <= one.high + GRID, one.high - one.low))
    share, width = np.mean(ends, axis=0).tolist()
    return share, width


def audits(  # noqa: PLR0913 - what is judged, and how often
    figure: Figure, scenes: Sequence[Pictures], limits: Limits, rounds: int, *, min_group: int = 10, seed: int = 4
) -> dict[str, float]:
    """Return how often audits of one column end in each verdict.

    Args:
        figure: ``recall`` or ``map50``.
        scenes: the groups.
        limits: what is allowed.
        rounds: audits.
        min_group: holders that a group needs.
        seed: of the pictures.
    """
    random = np.random.default_rng([seed, *(scene.num for scene in scenes)])
    codes = np.repeat(np.arange(len(scenes)), [scene.num for scene in scenes])
    way, found = Grouping(("site",), tuple(str(g) for g in range(len(scenes))), codes), []
    for _ in range(rounds):
        there, hits = (np.concatenate(parts) for parts in zip(*(s.draw(random) for s in scenes), strict=True))
        measure = figure(there, hits, random)
        compared = compare(measure, way, min_group=min_group, num_bootstraps=100, random=random)
        found.append(verdicts.judge([compared], limits)[0].verdict)
    return {name: found.count(name) / rounds for name in (verdicts.PASS, verdicts.FAIL)}


SPLITS = (
    Scene(300, (5,), (0.9,)), Scene(300, (8,), (0.9,)), Scene(300, (15,), (0.95,), 2), Scene(15, (15,), (0.95,), 2),
    Scene(300, (196, 4), (0.95, 0.6)), Scene(99, (96, 3), (0.9, 0.7)), Scene(205, (100, 100, 5), (0.9, 0.9, 0.7)),
    Scene(200, (4,) * 50, (0.97,) * 50), Scene(200, (4,) * 50, (0.8,) * 50), Scene(200, (10,) * 20, (0.95,) * 20),
    Scene(230, (200, *(3,) * 10), (0.95, *(0.8,) * 10)),
)  # fmt: skip
MACRO = (((196, 4), (1.0, 0.6)), ((194, 6), (1.0, 0.7)), ((290, 10), (1.0, 0.8)))
Audit = tuple[Figure, tuple[Scene, ...], Limits]
WIDE, FLOOR = Limits(0.1, 0.3, 0.05), Limits(0.1, 0.9, 0.05)
AUDITS: tuple[Audit, ...] = (
    (recall, (Scene(1000, (6,), (0.3,), 2), Scene(400, (400,), (0.3,), 2)), WIDE),
    (recall, (*(Scene(1000, (7,), (0.35,), 2),) * 4, Scene(400, (400,), (0.35,), 2)), Limits(0.1, 0.0, 0.05)),
    (recall, (Scene(400, (10,), (0.85,), 3), Scene(400, (400,), (0.97,), 3)), WIDE),
    (recall, (Scene(1000, (8,), (0.8,), 3), Scene(400, (400,), (0.97,), 3)), WIDE),
    (recall, (Scene(1000, (8,), (0.89,), 3), Scene(400, (400,), (0.97,), 3)), FLOOR),
    (map50, (Scene(99, (96, 3), (0.9, 0.7)), Scene(400, (200, 200), (0.9, 0.9))), WIDE),
    (map50, (Scene(205, (100, 100, 5), (0.95, 0.95, 0.6)), Scene(600, (200,) * 3, (0.94,) * 3)), WIDE),
    (map50, (Scene(600, (200,) * 3, (0.5,) * 3), Scene(406, (200, 200, 6), (0.5, 0.5, 0.2))), WIDE),
)


AT_LIMIT = Limits(0.1, 0.05, 0.05)


def crowded(rounds: int) -> Iterator[str]:
    """Yield a row for each kind of unequal numbers of objects: two groups at a gap that is just allowed."""
    yield "| figure | pictures | objects | alike | split held | width | group held | width | PASS | FAIL |"
    yield f"|{'---|' * 10}"
    for figure in (recall, map50):
        for objects in CROWDS:
            for num, alike in ((30, 1.0), (100, 1.0), (100, 0.3), (400, 1.0)):
                best, worst = (Crowded(num, objects, ability, alike) for ability in (0.95, 0.85))
                yield (
                    " | ".join([f"| {figure.__name__} | {num} | {objects} | {alike:g}", *row(figure, best, worst, rounds)])
                    + " |"
                )


def crowded_classes(rounds: int) -> Iterator[str]:
    """Yield a row for means over several classes whose objects are crowded in the same pictures, likewise."""
    yield "| figure | classes | a picture's classes | objects | split held | width | group held | width | PASS | FAIL |"
    yield f"|{'---|' * 10}"
    for figure in (map50, average_recall):
        for objects in ("1, 10 % have 50", "log-normal, sigma 1.5"):
            for num_classes, apart in ((1, False), (3, False), (10, False), (30, False), (10, True)):
                best, worst = (Crowded(100, objects, a, classes=num_classes, apart=apart) for a in (0.95, 0.85))
                what = "apart" if apart else "alike"
                numbers = row(figure, best, worst, rounds)
                yield " | ".join([f"| {figure.__name__} | {num_classes} | {what} | {objects}", *numbers]) + " |"


def row(figure: Figure, best: Pictures, worst: Pictures, rounds: int) -> list[str]:
    """Return how intervals of a split and of a group fare, and audits of two groups, in % and points."""
    random = np.random.default_rng(3)
    whole = held((split(figure, best, random) for _ in range(rounds)), best.truth, GRID)
    told = audits(figure, (best, worst), AT_LIMIT, rounds)
    return [f"{100 * n:.1f}" for n in (*whole, *group(figure, best, rounds), *told.values())]


def lines(rounds: int) -> Iterator[str]:
    """Yield what every setting comes to, in % and points."""
    for scene in SPLITS:
        random = np.random.default_rng(3)
        share, width = held((headline(scene, random) for _ in range(rounds)), scene.truth, GRID)
        yield f"mAP50, {scene.words()}: held {100 * share:.1f}, width {100 * width:.1f}"
    for counts, abilities in MACRO:
        random, truth = np.random.default_rng(3), f1_of_many(counts, abilities)
        share, width = held((macro_f1(counts, abilities, random) for _ in range(rounds)), truth)
        yield f"macro F1, {counts}, {abilities}: held {100 * share:.1f}, width {100 * width:.1f}"
    for figure, scenes, limits in AUDITS:
        for least in (10, 2):
            told = audits(figure, scenes, limits, rounds, min_group=least)
            yield f"{figure.__name__}, {'; '.join(s.words() for s in scenes)}, min_group {least}: {told}"
    yield from crowded(rounds)
    yield from crowded_classes(rounds)


if __name__ == "__main__":
    command.show(__doc__, lines)
