"""The compiled ends of the camera chain: a tile loaded from the mosaic, a tile finished to colours (``maths.tiling``).

Rows are taken as views, and what even and odd columns need is computed for both and one kept: without a branch the compiler
works on many pixels at a time.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Plane = NDArray[np.float32]
_Color = tuple[np.float32, np.float32, np.float32]
_LEVELS = 65535
_SHIFT = np.float32(0.125)  # of the square root: its slope at black is a half over this


def srgb_codes() -> NDArray[np.uint8]:
    """Return the 8-bit sRGB code of each of 65,536 linear levels (IEC 61966-2-1).

    That is finer than the steepest part of the curve needs (0.05 codes a level): each 8-bit code turned linear comes back as
    itself.
    """
    linear = np.arange(_LEVELS + 1) / _LEVELS
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # noqa: PLR2004
    return np.asarray((curve * 255).round().astype(np.uint8))


@njit(cache=True, nogil=True)
def mirror(place: int, length: int) -> int:
    """Return where the mirror image of a row or column lies inside (reflect 101); a single one stands in for all."""
    if length == 1:
        return 0
    period = 2 * (length - 1)
    place = place % period
    return period - place if place >= length else place


@njit(cache=True, nogil=True)
def _load_row(row: NDArray[Any], left: int, first: _Color, second: _Color, out: Plane) -> None:
    """Fill one row of a tile; ``first`` and ``second`` are (black, scale, ceiling) of its two colours."""
    width, length = row.size, out.size
    start = min(length, max(0, -left))
    start += start % 2
    end = max(start, min(length, width - left))
    black, scale, ceiling = first
    black2, scale2, ceiling2 = second
    inner, made = row[left + start : left + end], out[start:end]
    for x in range(inner.size):
        value = np.float32(inner[x])
        even = min((value - black) * scale, ceiling)
        odd = min((value - black2) * scale2, ceiling2)
        made[x] = odd if (x & 1) == 1 else even
    for span in ((0, start), (end, length)):
        for x in range(span[0], min(span[1], length)):
            value = np.float32(row[mirror(left + x, width)])
            out[x] = min((value - black2) * scale2, ceiling2) if x % 2 else min((value - black) * scale, ceiling)


@njit(cache=True, nogil=True)
def load(  # noqa: PLR0913, PLR0917 - compiled code takes no records
    mosaic: NDArray[Any], top: int, left: int, black: Plane, scale: Plane, ceiling: Plane, tile: Plane
) -> None:
    """Fill a tile from the mosaic, levels applied, mirrored where it reaches beyond.

    Args:
        mosaic: (H, W) uint16 or float32.
        top: row of the mosaic (it may lie outside) that becomes the tile's first; a red pixel stands at its origin.
        left: likewise the column.
        black: (4,) float32 of an RGGB cell, in the mosaic's numbers.
        scale: (4,) float32 factor after black was taken off.
        ceiling: (4,) float32 largest result.
        tile: (h, w) float32, written.
    """
    for y in range(tile.shape[0]):
        p = 2 * (y % 2)
        first = (black[p], scale[p], ceiling[p])
        second = (black[p + 1], scale[p + 1], ceiling[p + 1])
        _load_row(mosaic[mirror(top + y, mosaic.shape[0])], left, first, second, tile[y])


@njit(cache=True, nogil=True)
def root(plane: Plane) -> None:
    """Replace (h, w) values u by sign(u) (sqrt(|u| + 1/64) - 1/8), in place: a square root that is straight around black.

    Without the offset the root's endless slope at 0 would let read noise there outweigh everything, and the mean of roots
    would darken shadows. 1/64 of white, the square of ``_SHIFT``, has an exact root, so that 0 stays 0.
    """
    zero = np.float32(0.0)
    for y in range(plane.shape[0]):
        row = plane[y]
        for x in range(row.size):
            value = row[x]
            size = np.sqrt(abs(value) + _SHIFT * _SHIFT) - _SHIFT
            row[x] = -size if value < zero else size


@njit(cache=True, nogil=True)
def square(planes: Plane) -> None:
    """Undo ``root`` on (3, h, w) planes, in place."""
    for c in range(planes.shape[0]):
        for y in range(planes.shape[1]):
            row = planes[c, y]
            for x in range(row.size):
                row[x] = row[x] * (abs(row[x]) + (_SHIFT + _SHIFT))


@njit(cache=True, nogil=True)
def interleave(planes: Plane, out: Plane) -> None:
    """Write (3, h, w) planes as (h, w, 3) pixels, as they are."""
    for y in range(planes.shape[1]):
        red, green, blue, row = planes[0, y], planes[1, y], planes[2, y], out[y]
        for x in range(planes.shape[2]):
            row[x, 0] = red[x]
            row[x, 1] = green[x]
            row[x, 2] = blue[x]


@njit(cache=True, nogil=True)
def to_linear(planes: Plane, matrix: Plane, offset: np.float32, out: Plane) -> None:
    """Clip (3, h, w) planes of camera colours at 1 and write ``matrix @ colour + offset``: (h, w, 3) float32 linear sRGB."""
    one = np.float32(1.0)
    for y in range(planes.shape[1]):
        red, green, blue, row = planes[0, y], planes[1, y], planes[2, y], out[y]
        for x in range(planes.shape[2]):
            r, g, b = min(red[x], one), min(green[x], one), min(blue[x], one)
            for c in range(3):
                row[x, c] = matrix[c, 0] * r + matrix[c, 1] * g + matrix[c, 2] * b + offset


@njit(cache=True, nogil=True)
def to_srgb(planes: Plane, matrix: Plane, offset: np.float32, codes: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Like ``to_linear``, then the sRGB curve by table: (h, w, 3) uint8."""
    one, zero, top, half = np.float32(1.0), np.float32(0.0), np.float32(_LEVELS), np.float32(0.5)
    width = planes.shape[2]
    index = np.empty((3, width), np.uint16)
    for y in range(planes.shape[1]):
        red, green, blue, row = planes[0, y], planes[1, y], planes[2, y], out[y]
        for c in range(3):
            m0, m1, m2, made = matrix[c, 0], matrix[c, 1], matrix[c, 2], index[c]
            for x in range(width):
                value = m0 * min(red[x], one) + m1 * min(green[x], one) + m2 * min(blue[x], one) + offset
                made[x] = np.uint16(np.int32(min(max(value, zero), one) * top + half))
        first, second, third = index[0], index[1], index[2]
        for x in range(width):
            row[x, 0] = codes[first[x]]
            row[x, 1] = codes[second[x]]
            row[x, 2] = codes[third[x]]
