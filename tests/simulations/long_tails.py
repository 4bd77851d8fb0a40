"""How means over classes fare of which one picture alone holds some: ``python -m tests.simulations.long_tails``.

Such a class shows no variance of its own, and what makes its picture hard makes all classes of this picture hard.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.judge.measures import Measure, mean_of_ratios
from tests.simulations import command
from tests.simulations.few_holders import Figure, average_recall, luck, map50, row

Floats = NDArray[np.float64]
Random = np.random.Generator


@dataclass(frozen=True)
class LongTail:
    """Pictures of many classes, of which one picture alone holds some.

    Attributes:
        num: pictures.
        ability: chance that an object is found.
        alike: correlation of the objects of a picture, whichever class they are of.
        own: classes of each picture that no other holds, beside one that all hold; None where classes are drawn.
        drawn: how many there are, held in proportion to 1, 1/2, 1/3 ...
        objects: in each picture where classes are drawn, else of each class in it.
        rich: pictures that hold such own classes; None where all do.
        shared: those of a rich picture are those of every rich one, and no other's.
    """

    num: int
    ability: float
    alike: float = 1.0
    own: int | None = None
    drawn: int = 300
    objects: int = 1
    rich: int | None = None
    shared: bool = False

    @property
    def truth(self) -> float:
        """Average precision of every class without false alarms, and its share of pixels."""
        return self.ability

    def words(self) -> str:
        """Say which classes the pictures hold."""
        if self.own is None:
            return f"{self.objects} of {self.drawn}"
        if self.rich is None:
            return f"{self.own} of its own and one"
        return f"one, {self.rich} have {self.own} more, {'the same' if self.shared else 'its own'}"

    def draw(self, random: Random) -> tuple[Floats, Floats]:
        """Return how many objects of each class each picture holds, and how many are found, (num, K) each."""
        if self.own is None:
            parts = 1 / np.arange(1, self.drawn + 1)
            held = random.multinomial(self.objects, parts / parts.sum(), self.num).astype(np.float64)
        else:
            rich = self.num if self.rich is None else self.rich
            whose = np.ones((rich, 1)) if self.shared else np.eye(rich)
            own = np.kron(np.eye(self.num, rich) @ whose, np.ones(self.own))
            held = np.c_[own, np.ones(self.num)] * self.objects
        share = luck((self.num, 1), self.ability, self.alike, random)
        return held, random.binomial(held.astype(int), share).astype(np.float64)


def miou(held: Floats, found: Floats, random: Random) -> Measure:
    """Return mIoU of areas of so many pixels, none of which is claimed falsely."""
    del random
    return mean_of_ratios("miou", "mIoU", "pixels", found, held, held, counts=held.sum(1))


TAILS: tuple[tuple[Figure, int, dict[str, Any]], ...] = (
    (map50, 20, {"own": 10}), (map50, 40, {"own": 5, "objects": 2}), (map50, 30, {"drawn": 80, "objects": 8}),
    (map50, 60, {"objects": 10}), (map50, 150, {"objects": 8}), (average_recall, 20, {"own": 10}),
    (average_recall, 60, {"objects": 10}), (miou, 20, {"own": 10, "objects": 100}), (miou, 60, {"objects": 30}),
    (map50, 30, {"own": 20, "rich": 2, "shared": True}), (map50, 30, {"own": 20, "rich": 1}),
    *((miou, 30, {"own": 20, "objects": 100, "rich": rich, "shared": True}) for rich in (2, 3, 4, 8)),
    *((miou, 30, {"own": own, "objects": 100, "rich": rich}) for rich, own in ((1, 20), (2, 10), (3, 10))),
)  # fmt: skip


def lines(rounds: int) -> Iterator[str]:
    """Yield a row for each kind of long tail: intervals, and audits of two groups at a gap that is just allowed."""
    yield "| figure | pictures | a picture's classes | alike | split held | width | group held | width | PASS | FAIL |"
    yield f"|{'---|' * 10}"
    for figure, num, kind in TAILS:
        for alike in (1.0, 0.3, 0.0):
            best, worst = (LongTail(num, ability, alike, **kind) for ability in (0.75, 0.65))
            numbers = row(figure, best, worst, rounds)
            yield " | ".join([f"| {figure.__name__} | {num} | {best.words()} | {alike:g}", *numbers]) + " |"


if __name__ == "__main__":
    command.show(__doc__, lines)
