"""Splits depend on content and seed alone, keep what was given and have the shares that were asked for."""

from collections import Counter

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
