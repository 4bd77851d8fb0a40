"""Unpacks numbers of 8 to 16 bits that stand one after the other, most significant bit first (TIFF 6.0, FillOrder 1)."""

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def unpack(rows: NDArray[np.uint8], num_bits: int, out: NDArray[np.uint16]) -> None:  # pragma: no cover - compiled
    """Unpack rows, each of which begins at a byte.

    Args:
        rows: (H, at least width * num_bits / 8, rounded up) bytes.
        num_bits: 8 to 16.
        out: (H, W) uint16, filled.
    """
    width = out.shape[1]
    last = rows.shape[1] - 1
    whole = max(min(width, (last - 2) * 8 // num_bits), 0)  # up to here three bytes can be read at once
    for y in range(out.shape[0]):
        row, line = rows[y], out[y]
        for x in range(whole):
            line[x] = _number(
                row[(x * num_bits) >> 3], row[((x * num_bits) >> 3) + 1], row[((x * num_bits) >> 3) + 2], x, num_bits
            )
        for x in range(whole, width):
            at = (x * num_bits) >> 3
            line[x] = _number(row[at], row[min(at + 1, last)], row[min(at + 2, last)], x, num_bits)


@numba.njit(nogil=True)
def _number(first, second, third, x, num_bits):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # pragma: no cover - compiled
    """Return the number at a place among three bytes."""
    window = np.uint32(first) << np.uint32(16) | np.uint32(second) << np.uint32(8) | np.uint32(third)
    shift = np.uint32(24 - num_bits - ((x * num_bits) & 7))
    return np.uint16((window >> shift) & np.uint32((1 << num_bits) - 1))
