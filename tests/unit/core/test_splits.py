"""Splits depend on content and seed alone, keep what was given and have the shares that were asked for."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core import splits

SHARES = {"val": 0.15, "test": 0.25}
UNITS = st.lists(
    st.builds(
        splits.Unit, key=st.uuids().map(str), size=st.integers(1, 3), stratum=st.sampled_from("abc"),
        split=st.sampled_from([None, None, "train", "val", "test"]),
    ),
    max_size=60,
)  # fmt: skip


def _units(num: int, strata: str = "ab", split: str | None = None) -> list[splits.Unit]:
    return [splits.Unit(f"{split}{n}", 1, strata[n % len(strata)], split) for n in range(num)]


@settings(deadline=None, max_examples=50)
@given(UNITS, st.randoms(use_true_random=False))
def test_order_does_not_matter(units: list[splits.Unit], random: object) -> None:
    """Shuffled files get the same splits, every one gets one, and given ones are kept where all splits are there."""
    shuffled = list(units)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    chosen = splits.assign(units, SHARES, 3)
    assert chosen == splits.assign(shuffled, SHARES, 3)
    assert set(chosen) == {unit.key for unit in units}
    assert all(chosen[u.key] == u.split for u in units if u.split in ("val", "test"))


def test_shares_are_met_in_all_and_in_each_stratum() -> None:
    """Each stratum has the shares within one picture, and so has the whole."""
    units = _units(203, "abcdefg")
    chosen = splits.assign(units, SHARES, 1)
    counts = Counter(chosen.values())
    assert abs(counts["val"] - 203 * 0.15) <= 1
    assert abs(counts["test"] - 203 * 0.25) <= 1
    for stratum in "abcdefg":
        mine = [u for u in units if u.stratum == stratum]
        assert abs(sum(chosen[u.key] == "test" for u in mine) - len(mine) * 0.25) <= 1


def test_a_missing_split_is_taken_from_train() -> None:
    """Train and test are given: val comes from train, test stays whole; a share of 0 asks for none."""
    units = _units(80, split="train") + _units(20, split="test")
    assert Counter(splits.assign(units, SHARES, 1).values()) == {"train": 68, "val": 12, "test": 20}
    assert Counter(splits.assign(units, {"val": 0.0, "test": 0.25}, 1).values()) == {"train": 80, "test": 20}


def test_another_picture_moves_few() -> None:
    """One more file leaves nearly all others where they were."""
    units = _units(200)
    before = splits.assign(units, SHARES, 1)
    after = splits.assign([*units, splits.Unit("new", 1, "a", None)], SHARES, 1)
    assert sum(before[key] != after[key] for key in before) <= 4


def test_another_seed_draws_others() -> None:
    """The seed matters."""
    assert splits.assign(_units(50), SHARES, 1) != splits.assign(_units(50), SHARES, 2)


@pytest.mark.parametrize("strata", ["a", "abc"])
def test_units_that_all_differ_in_size_leave_nothing_to_draw(strata: str) -> None:
    """The largest first, each to where it is lacked most: every seed gives the same splits; of equal units it does not."""
    units = [splits.Unit(f"{n}", 3 + n, strata[n % len(strata)], None) for n in range(24)]
    equal = [splits.Unit(f"{n}", 3, strata[n % len(strata)], None) for n in range(24)]
    drawn, packed = ([splits.assign(some, SHARES, seed) for seed in range(5)] for some in (equal, units))
    assert all(chosen == packed[0] for chosen in packed)
    assert not all(chosen == drawn[0] for chosen in drawn)


MIXED = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 6), min_size=1, max_size=3), min_size=1, max_size=40
)  # fmt: skip


def _mixed(counts: list[dict[str, int]]) -> list[splits.Unit]:
    return [
        splits.Unit(f"k{n}", sum(held.values()), max(held, key=lambda s: held[s]), None, tuple(sorted(held.items())))
        for n, held in enumerate(counts)
    ]


@settings(deadline=None, max_examples=60)
@given(MIXED, st.randoms(use_true_random=False))
def test_units_of_several_strata_get_one_split_each_whatever_their_order(
    counts: list[dict[str, int]], random: object
) -> None:
    """Units are never torn and never lost; the order of files does not matter; sizes miss their shares by few units."""
    units = _mixed(counts)
    shuffled = list(units)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    chosen = splits.assign(units, SHARES, 3)
    assert chosen == splits.assign(shuffled, SHARES, 3)
    assert set(chosen) == {unit.key for unit in units}
    total, largest = sum(u.size for u in units), max(u.size for u in units)
    for name, share in SHARES.items():
        assert abs(sum(u.size for u in units if chosen[u.key] == name) - share * total) <= 2 * largest


def test_units_of_several_strata_keep_the_strata_even() -> None:
    """Forty patients with pictures of three classes in uneven numbers: every split has its share of each class."""
    random = np.random.default_rng(0)
    units = _mixed([dict(zip("abc", (1 + random.poisson([6, 2, 1])).tolist(), strict=True)) for _ in range(40)])
    chosen = splits.assign(units, SHARES, 1)
    for stratum in "abc":
        of = {unit.key: dict(unit.strata)[stratum] for unit in units}
        for name, share in SHARES.items():
            found = sum(num for key, num in of.items() if chosen[key] == name) / sum(of.values())
            assert abs(found - share) < 0.04, (stratum, name, found)


def _errors(sizes: list[int], seed: int, strata: str = "a") -> dict[str, float]:
    """Return how many pictures each split misses its share by, units of the given sizes in strata that take turns."""
    units = [splits.Unit(f"u{n}", size, strata[n % len(strata)], None) for n, size in enumerate(sizes)]
    chosen = splits.assign(units, SHARES, seed)
    held = {name: sum(unit.size for unit in units if chosen[unit.key] == name) for name in SHARES}
    return {name: held[name] - share * sum(sizes) for name, share in SHARES.items()}


@pytest.mark.parametrize("strata", ["a", "abcd"])
@pytest.mark.parametrize(
    "sizes",
    [
        [1] * 100 + [100],
        [5] * 40 + [60] * 3,
        np.random.default_rng(0).lognormal(3, 1.2, 60).astype(int).clip(1).tolist(),
        [200, *[10] * 30, *[1] * 20],
    ],
    ids=["one video", "three videos", "sixty videos", "three sizes"],
)
def test_shares_that_can_be_met_are_met(sizes: list[int], strata: str) -> None:
    """However uneven units are, in any draw: splits miss their shares by the smallest unit, for even strata by more."""
    most = max(2, min(sizes)) if strata == "a" else 0.04 * sum(sizes)
    for seed in range(20):
        assert all(abs(miss) <= most for miss in _errors(sizes, seed, strata).values()), seed


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(2, 40), max_size=10), st.integers(0, 3))
def test_single_pictures_make_up_for_what_large_units_miss(large: list[int], seed: int) -> None:
    """Where half of the pictures are units of their own, every split has its share to the picture."""
    assert all(abs(miss) < 1 for miss in _errors(large + [1] * max(sum(large), 1), seed).values())


def test_many_small_strata_do_not_spoil_the_shares() -> None:
    """A hundred classes of three pictures in units of two classes: val gets a share though no class owes it a picture."""
    units = _mixed([{f"{n:02d}": 2, f"{(n + 1) % 100:02d}": 1} for n in range(100)])
    chosen = splits.assign(units, SHARES, 1)
    for name, share in SHARES.items():
        assert abs(3 * sum(split == name for split in chosen.values()) - 300 * share) <= 6


def test_a_pair_among_single_pictures_moves_few() -> None:
    """One unit of two does not draw all others anew."""
    before = splits.assign(_units(200), SHARES, 1)
    after = splits.assign([*_units(200), splits.Unit("pair", 2, "a", None)], SHARES, 1)
    assert sum(before[key] != after[key] for key in before) <= 6


def test_units_of_one_size_are_drawn_as_ever() -> None:
    """Pictures of their own keep the splits that they had: those of the embedded data set are on record."""
    chosen = splits.assign(_units(24, "abc"), SHARES, 7)
    assert "".join(chosen[f"None{n}"][1] for n in range(24)) == "raarraarrererererrrrrree"


def test_few_large_units_leave_no_split_empty() -> None:
    """Three patients of ten pictures give a patient to each split, though a tenth of thirty pictures is less than one."""
    units = [splits.Unit(f"p{n}", 10, "", None) for n in range(3)]
    assert Counter(splits.assign(units, {"val": 0.1, "test": 0.1}, 1).values()) == {"train": 1, "val": 1, "test": 1}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["", "p", "q", "r"])), max_size=20))
def test_what_shares_pixels_or_unit_is_together(pictures: list[tuple[str, str]]) -> None:
    """The bundles are the connected components of pictures linked by pixels or unit, found here by spreading the lowest."""
    nodes = {("pixels", p) for p, _ in pictures} | {("unit", u) for _, u in pictures if u}
    links = [(("pixels", p), ("unit", u)) for p, u in pictures if u]
    label = {node: index for index, node in enumerate(sorted(nodes))}
    for _ in nodes:
        for one, two in links:
            label[one] = label[two] = min(label[one], label[two])
    found = splits.together(pictures)
    for one in {p for p, _ in pictures}:
        for two in {p for p, _ in pictures}:
            assert (found[one] == found[two]) == (label["pixels", one] == label["pixels", two])
    assert all(found[key] == min(k for k in found if found[k] == found[key]) for key in found)
