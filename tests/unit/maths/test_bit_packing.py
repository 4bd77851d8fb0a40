"""Packed numbers come back, whatever their bits and the width of a row."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.maths.bit_packing import unpack
from tests.references.bit_packing import packed


@settings(max_examples=80, deadline=None)
@given(st.integers(8, 16), st.integers(1, 4), st.integers(1, 40), st.integers(0, 99))
def test_packed_numbers_come_back(num_bits: int, height: int, width: int, seed: int) -> None:
    """8 to 16 bits, any size, down to one pixel."""
    numbers = np.random.default_rng(seed).integers(0, 1 << num_bits, (height, width)).astype(np.uint16)
    out = np.empty_like(numbers)
    unpack(packed(numbers, num_bits), num_bits, out)
    np.testing.assert_array_equal(out, numbers)
