"""Files appear whole or not at all, the same bytes for the same content."""

import errno
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import files, seeds
from stages.core.errors import DataError, InfrastructureError


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    """What was there stays there when the writer dies in the middle."""
    target = tmp_path / "out" / "a.json"
    files.write_json(target, {"a": 1})
    before = target.read_bytes()

    def die() -> None:
        with files.atomic(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        die()
    assert target.read_bytes() == before
    assert [p.name for p in target.parent.iterdir()] == ["a.json"]


def test_a_folder_is_replaced_whole(tmp_path):
    """Files of an older folder do not survive in the new one."""
    target = tmp_path / "set"
    for name in ("old", "new"):
        with files.atomic(target) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert [p.name for p in target.iterdir()] == ["new"]


def test_a_full_disk_is_one_clear_line(tmp_path):
    """No space left is an infrastructure error that names the file."""
    with pytest.raises(InfrastructureError, match=r"no space left.*big\.bin"), files.atomic(tmp_path / "big.bin"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_json_does_not_depend_on_the_order_of_keys(tmp_path):
    """Equal content gives equal bytes; NaN becomes null, floats keep six decimals."""
    files.write_json(tmp_path / "a", {"x": 1, "y": [math.nan, 0.12345678]})
    files.write_json(tmp_path / "b", {"y": (float("nan"), 0.1234568), "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert files.read_json(tmp_path / "a") == {"x": 1, "y": [None, 0.123457]}


@pytest.mark.parametrize("text", ["{", "\xff", "9" * 5_000, "[" * 200_000])
def test_broken_json_names_the_file(tmp_path, text):
    """A broken table is a data error with its path."""
    (tmp_path / "t.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.json"):
        files.read_json(tmp_path / "t.json")


@given(st.integers(0, 2**40), st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_seeds_depend_on_the_name_and_not_on_the_order(seed, names):
    """Each item has its own stream, whoever came before it."""
    forwards = {n: seeds.generator(seed, n).integers(2**62) for n in names}
    backwards = {n: seeds.generator(seed, n).integers(2**62) for n in reversed(names)}
    assert forwards == backwards
    assert 0 <= seeds.derive(seed, *names) < 2**32
