"""Divides pictures into train, val and test: given splits stay, the rest is stratified, and equal pixels stay together."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.core import seeds

ORDER = ("test", "val", "train")


@dataclass(frozen=True)
class Unit:
    """Pictures that must share a split.

    Attributes:
        key: names the unit whatever the order of files, for instance a hash of the pixels.
        size: number of pictures.
        stratum: what the splits should have in equal shares.
        split: given by the data set, or None.
    """

    key: str
    size: int
    stratum: str
    split: str | None


def assign(units: Sequence[Unit], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Give every unit a split.

    Units without a split are divided by ``shares``. A split that nobody has after that is taken from train (a data set
    that comes with train and test still needs a val); a share of 0 asks for none.

    Args:
        units: in any order; the result does not depend on it.
        shares: of ``val`` and ``test``, 0 to 1; train has the rest.
        seed: for the choice within a stratum.

    Returns:
        Split by key.
    """
    given = {unit.key: unit.split for unit in units if unit.split}
    free = [unit for unit in units if unit.split is None]
    chosen = {**given, **_divide(free, shares, seed)}
    for name in ("test", "val"):
        if name not in chosen.values() and shares[name] > 0:
            train = [unit for unit in units if chosen[unit.key] == "train"]
            chosen |= _divide(train, {"test": 0.0, "val": 0.0, name: shares[name]}, seed)
    return chosen


def _divide(units: Sequence[Unit], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Divide units stratum by stratum; what rounding leaves over is carried to the next stratum, so totals are right too."""
    strata: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        strata[unit.stratum].append(unit)
    chosen: dict[str, str] = {}
    owed = dict.fromkeys(("test", "val"), 0.0)
    for stratum in sorted(strata):
        queue = sorted(strata[stratum], key=lambda unit: (seeds.derive(seed, "split", unit.key), unit.key))
        total = sum(unit.size for unit in queue)
        for name in owed:
            owed[name] += total * shares[name]
            while queue and owed[name] >= queue[-1].size / 2 and owed[name] > 0:
                unit = queue.pop()
                chosen[unit.key] = name
                owed[name] -= unit.size
        chosen |= {unit.key: "train" for unit in queue}
    return chosen
