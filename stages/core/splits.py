"""Divides pictures into train, val and test: given splits stay, the rest is stratified, and units stay together.

What is hard to place comes first: units larger than the smallest, and those that have pictures of several strata, are
given out one by one, the largest first, each to the split that is left nearest to its shares of all strata and of the whole,
and then moved as long as that brings the shares nearer (after K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the Stratification
of Multi-label Data", ECML PKDD 2011, whose greedy order is by stratum). The smallest units are then dealt out stratum by
stratum, to the splits that lack most; what rounding leaves over is carried to the next stratum, so that totals are right.
Where all units are of one size and stratum each, nothing is hard to place.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stages.core import seeds

ORDER = ("test", "val", "train")
_ROUNDS = 20  # of moving units, at most
_WHOLE = 0.05  # weight of the whole, where all strata together weigh 1


@dataclass(frozen=True)
class Unit:
    """Pictures that must share a split.

    Attributes:
        key: names the unit whatever the order of files, for instance a hash of the pixels.
        size: number of pictures.
        stratum: what the splits should have in equal shares; of several the most frequent.
        split: given by the data set, or None.
        strata: pictures of each stratum; empty where all are of one.
    """

    key: str
    size: int
    stratum: str
    split: str | None
    strata: tuple[tuple[str, int], ...] = ()


def together(pictures: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return which pictures share a split: those of equal pixels, those of one unit, and what these chain together.

    Args:
        pictures: hash of the pixels and name of the unit (empty: its own) of each.

    Returns:
        Hash of the pixels to the lowest hash of those that share a split.

    Example:
        >>> together([("a", "p1"), ("c", "p2"), ("b", "p1"), ("c", "p1"), ("d", "")])
        {'a': 'a', 'c': 'a', 'b': 'a', 'd': 'd'}
    """
    above: dict[str, str] = {}
    first: dict[str, str] = {}

    def lowest(key: str) -> str:
        while above[key] != key:
            above[key] = above[above[key]]
            key = above[key]
        return key

    for pixels, unit in pictures:
        above.setdefault(pixels, pixels)
        other = first.setdefault(unit, pixels) if unit else pixels
        low, high = sorted((lowest(pixels), lowest(other)))
        above[high] = low
    return {key: lowest(key) for key in above}


def assign(units: Sequence[Unit], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Give every unit a split.

    Units without a split are divided by ``shares``. A split that nobody has after that is taken from train (a data set
    that comes with train and test still needs a val); a share of 0 asks for none.

    Args:
        units: in any order; the result does not depend on it.
        shares: of ``val`` and ``test``, 0 to 1; train has the rest.
        seed: for the choice within a stratum.

    Returns:
        Split by key. A split that is asked for gets a unit where there are enough, however large units are.
    """
    given = {unit.key: unit.split for unit in units if unit.split}
    free = [unit for unit in units if unit.split is None]
    chosen = {**given, **_divide(free, shares, seed)}
    for name in ("test", "val"):
        if name not in chosen.values() and shares[name] > 0:
            train = [unit for unit in units if chosen[unit.key] == "train"]
            chosen |= _divide(train, {"test": 0.0, "val": 0.0, name: shares[name]}, seed)
            if name not in chosen.values() and len(train) > 1 and max(unit.size for unit in train) > 1:
                chosen[min(train, key=lambda unit: (unit.size, *_drawn(unit, seed))).key] = name
    return chosen


def _drawn(unit: Unit, seed: int) -> tuple[int, str]:
    """Return a unit's place in the order of the draw."""
    return seeds.derive(seed, "split", unit.key), unit.key


def _divide(units: Sequence[Unit], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Place what is hard to place, then deal out the rest; see the head of the module."""
    least = min((unit.size for unit in units), default=0)
    hard = [unit for unit in units if unit.size > least or len(unit.strata) > 1]
    total: Counter[str] = Counter()
    for unit in units:
        total.update(_counts(unit))
    chosen = _place(hard, shares, total, seed)
    held = _held(hard, chosen)
    rest: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.key not in chosen:
            rest[unit.stratum].append(unit)
    owed = dict.fromkeys(("test", "val"), 0.0)
    for stratum in sorted(total):
        queue = sorted(rest[stratum], key=lambda unit: _drawn(unit, seed))
        for name in owed:
            owed[name] += total[stratum] * shares[name] - held[name][stratum]
            while queue and owed[name] >= queue[-1].size / 2 and owed[name] > 0:
                unit = queue.pop()
                chosen[unit.key] = name
                owed[name] -= unit.size
        chosen |= {unit.key: "train" for unit in queue}
    return chosen


def _counts(unit: Unit) -> dict[str, int]:
    return dict(unit.strata) if len(unit.strata) > 1 else {unit.stratum: unit.size}


def _held(units: Iterable[Unit], chosen: Mapping[str, str]) -> dict[str, Counter[str]]:
    """Return how many pictures of each stratum every split has."""
    held: dict[str, Counter[str]] = {name: Counter() for name in ORDER}
    for unit in units:
        held[chosen[unit.key]].update(_counts(unit))
    return held


def _place(units: Sequence[Unit], shares: Mapping[str, float], total: Mapping[str, int], seed: int) -> dict[str, str]:
    """Give out units one by one, the largest first, to the split that is left nearest to its shares; then move them.

    Args:
        units: those to place.
        shares: of ``val`` and ``test``.
        total: pictures of each stratum, those that are dealt out later among them.
        seed: for the order of equally large units.
    """
    wanted = {"test": shares["test"], "val": shares["val"], "train": 1 - shares["test"] - shares["val"]}
    places = [name for name in ORDER if wanted[name] > 0]
    goals = {name: {stratum: wanted[name] * num for stratum, num in total.items()} for name in places}
    sums = {name: wanted[name] * sum(total.values()) for name in places}
    counts = {unit.key: _counts(unit) for unit in units}
    held: dict[str, Counter[str]] = {name: Counter() for name in places}
    sizes: Counter[str] = Counter()

    def worse(unit: Unit, name: str) -> float:
        """Return how much further from its shares a split is with a unit: sum of squares over what is wanted.

        The whole counts too, since many strata may each be too small for a picture in every split.
        """
        terms = [(held[name][stratum], goals[name][stratum], num) for stratum, num in counts[unit.key].items()]
        whole = (2 * unit.size * (sizes[name] - sums[name]) + unit.size**2) * _WHOLE * len(total) / sums[name]
        return whole + sum((2 * num * (have - goal) + num**2) / goal for have, goal, num in terms)

    def move(unit: Unit, name: str, sign: int = 1) -> None:
        sizes[name] += sign * unit.size
        for stratum, num in counts[unit.key].items():
            held[name][stratum] += sign * num

    chosen: dict[str, str] = {}
    queue = sorted(units, key=lambda unit: (-unit.size, *_drawn(unit, seed)))
    for unit in queue:
        chosen[unit.key] = min(places, key=lambda name: worse(unit, name))
        move(unit, chosen[unit.key])
    for _ in range(_ROUNDS):
        moved = 0
        for unit in queue:
            before = chosen[unit.key]
            move(unit, before, -1)
            chosen[unit.key] = min(places, key=lambda name: (worse(unit, name), name != before))
            move(unit, chosen[unit.key])
            moved += chosen[unit.key] != before
        if not moved:
            break
    return chosen
