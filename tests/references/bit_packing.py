"""Packing of numbers by single bits: slow and obvious."""

import numpy as np


def packed(numbers: np.ndarray, num_bits: int) -> np.ndarray:
    """Pack rows of numbers, most significant bit first, each row to whole bytes."""
    bits = (numbers[..., None] >> np.arange(num_bits - 1, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8).reshape(len(numbers), -1), axis=1)
