"""Ratio corrected demosaicing: colour values steered by the ratio of a low-pass filter, directions weighed smoothly.

1. Direction: the energy of a high-pass filter (1 -3 -1 6 -1 -3 1) along the column and along the row over three pixels;
   ``share`` = column / (column + row), 1 where only the column varies. Where the mean of the four diagonal neighbours is the
   more decided one (farther from 1/2) it replaces the pixel's own.
2. Green at red and blue: each direct neighbour n gives n (1 + (l - l') / (l + l')), l and l' the 3 x 3 low-pass of the
   mosaic here and two pixels towards it: hues stay alike where brightness changes. The two of an axis are weighed by the
   gradients on the other side, the axes by the share.
3. Red at blue and back: colour differences of the four diagonal neighbours, weighed likewise along both diagonals.
4. Red and blue at green: colour differences of the four direct neighbours, weighed likewise.

Written from the method's published description, not from its code. Two things differ for the sake of values below black: the
ratio's denominator is |l| + |l'|, the same for light and never smaller than the numerator, and no denominator is 0.

Source: L. Sanz Rodriguez, "Ratio Corrected Demosaicing", 2017 (release 2.3).
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.core import params as core
from stages.maths.tiling import Demosaicer

Planes = NDArray[np.float32]
_MARGIN = 10
_NUM_SCRATCH = 6
_LEAST = np.float32(1e-5)  # of a gradient: keeps weights apart from 0; a fifteenth of a 12-bit step
_LEAST_ENERGY = np.float32(1e-10)


class Params(core.Params):
    """The method has no choices."""


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _energy(tile: Planes, step: np.int64, out: Planes) -> None:
    """Write the squared high-pass downwards, ``step`` columns aside a row (0: the column, 1 and -1: the diagonals)."""
    three, six = np.float32(3.0), np.float32(6.0)
    height, width = tile.shape
    for y in range(3, height - 3):
        up3, up2, up1 = tile[y - 3, 3 - 3 * step :], tile[y - 2, 3 - 2 * step :], tile[y - 1, 3 - step :]
        here, made = tile[y, 3:], out[y, 3:]
        down1, down2, down3 = tile[y + 1, 3 + step :], tile[y + 2, 3 + 2 * step :], tile[y + 3, 3 + 3 * step :]
        for x in range(width - 6):
            high = (up3[x] + down3[x]) - (up1[x] + down1[x]) - three * (up2[x] + down2[x]) + six * here[x]
            made[x] = high * high


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _row_energy(tile: Planes, out: Planes) -> None:
    """Write the squared high-pass along the row."""
    three, six = np.float32(3.0), np.float32(6.0)
    height, width = tile.shape
    for y in range(3, height - 3):
        row, made = tile[y], out[y, 3:]
        for x in range(width - 6):
            high = (row[x] + row[x + 6]) - (row[x + 2] + row[x + 4]) - three * (row[x + 1] + row[x + 5]) + six * row[x + 3]
            made[x] = high * high


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _low_pass(tile: Planes, out: Planes) -> None:
    """Write the 3 x 3 binomial mean."""
    quarter, eighth, sixteenth = np.float32(1 / 4), np.float32(1 / 8), np.float32(1 / 16)
    height, width = tile.shape
    for y in range(1, height - 1):
        up, here, down, made = tile[y - 1], tile[y], tile[y + 1], out[y, 1:]
        for x in range(width - 2):
            sides = (up[x + 1] + down[x + 1]) + (here[x] + here[x + 2])
            corners = (up[x] + down[x + 2]) + (up[x + 2] + down[x])
            made[x] = quarter * here[x + 1] + eighth * sides + sixteenth * corners


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _share(first: Planes, second: Planes, steps: tuple[np.int64, np.int64], is_row: np.int64, out: Planes) -> None:
    """Write first / (first + second), each summed over three pixels along its own direction."""
    least = _LEAST_ENERGY
    height, width = first.shape
    one, two = steps
    for y in range(4, height - 4):
        f1, f2, f3 = first[y - 1, 4 - one :], first[y, 4:], first[y + 1, 4 + one :]
        s1, s2, s3 = second[y - 1 + is_row, 4 - two :], second[y, 4:], second[y + 1 - is_row, 4 + two :]
        made = out[y, 4:]
        for x in range(width - 8):
            a, b = max(least, f1[x] + f3[x] + f2[x]), max(least, s1[x] + s3[x] + s2[x])
            made[x] = a / (a + b)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _most_decided(share: Planes, out: Planes) -> None:
    """Write the share here or its mean over the four diagonal neighbours, whichever is farther from 1/2."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    height, width = share.shape
    for y in range(5, height - 5):
        up, here, down, made = share[y - 1, 4:], share[y, 5:], share[y + 1, 4:], out[y, 5:]
        for x in range(width - 10):
            own, around = here[x], quarter * ((up[x] + down[x + 2]) + (up[x + 2] + down[x]))
            made[x] = around if abs(half - own) < abs(half - around) else own


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _green_along_column(tile: Planes, low: Planes, out: Planes) -> None:
    """Write green as the pixels above and below tell it (step 2)."""
    least = _LEAST
    height, width = tile.shape
    for y in range(5, height - 5):
        up4, up3, up2, up1 = tile[y - 4, 5:], tile[y - 3, 5:], tile[y - 2, 5:], tile[y - 1, 5:]
        here, made = tile[y, 5:], out[y, 5:]
        down1, down2, down3, down4 = tile[y + 1, 5:], tile[y + 2, 5:], tile[y + 3, 5:], tile[y + 4, 5:]
        low_up, low_here, low_down = low[y - 2, 5:], low[y, 5:], low[y + 2, 5:]
        for x in range(width - 10):
            both = least + abs(up1[x] - down1[x])
            above = both + (abs(here[x] - up2[x]) + abs(up1[x] - up3[x])) + abs(up2[x] - up4[x])
            below = both + (abs(here[x] - down2[x]) + abs(down1[x] - down3[x])) + abs(down2[x] - down4[x])
            bright = least + abs(low_here[x])
            from_above = up1[x] + up1[x] * (low_here[x] - low_up[x]) / (bright + abs(low_up[x]))
            from_below = down1[x] + down1[x] * (low_here[x] - low_down[x]) / (bright + abs(low_down[x]))
            made[x] = (below * from_above + above * from_below) / (above + below)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _green(tile: Planes, low: Planes, share: Planes, out: Planes) -> None:
    """Write green everywhere: as the row tells it, mixed with what ``out`` holds of the column by the share (step 2)."""
    least = _LEAST
    height, width = tile.shape
    for y in range(5, height - 5):
        row, low_row, weight, made = tile[y, 1:], low[y, 3:], share[y, 5:], out[y, 5:]
        odd = (y + 1) % 2
        for x in range(width - 10):
            is_green = ((x + odd) & 1) == 1
            here = row[x + 4]
            both = least + abs(row[x + 3] - row[x + 5])
            left = both + (abs(here - row[x + 2]) + abs(row[x + 3] - row[x + 1])) + abs(row[x + 2] - row[x])
            right = both + (abs(here - row[x + 6]) + abs(row[x + 5] - row[x + 7])) + abs(row[x + 6] - row[x + 8])
            bright = least + abs(low_row[x + 2])
            from_left = row[x + 3] + row[x + 3] * (low_row[x + 2] - low_row[x]) / (bright + abs(low_row[x]))
            from_right = row[x + 5] + row[x + 5] * (low_row[x + 2] - low_row[x + 4]) / (bright + abs(low_row[x + 4]))
            along_row = (right * from_left + left * from_right) / (left + right)
            along_column = made[x]
            mixed = along_column + weight[x] * (along_row - along_column)
            made[x] = here if is_green else mixed


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _diagonal(tile: Planes, green: Planes, step: np.int64, out: Planes) -> None:
    """Write other minus green at red and blue as the neighbours on one diagonal tell it (step 3)."""
    least = _LEAST
    height, width = tile.shape
    for y in range(7, height - 7):
        t3, t1 = tile[y - 3, 7 - 3 * step :], tile[y - 1, 7 - step :]
        b1, b3 = tile[y + 1, 7 + step :], tile[y + 3, 7 + 3 * step :]
        up2, up1, here = green[y - 2, 7 - 2 * step :], green[y - 1, 7 - step :], green[y, 7:]
        down1, down2, made = green[y + 1, 7 + step :], green[y + 2, 7 + 2 * step :], out[y, 7:]
        for x in range(width - 14):
            both = least + abs(t1[x] - b1[x])
            above = both + (abs(t1[x] - t3[x]) + abs(here[x] - up2[x]))
            below = both + (abs(b1[x] - b3[x]) + abs(here[x] - down2[x]))
            made[x] = (below * (t1[x] - up1[x]) + above * (b1[x] - down1[x])) / (above + below)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _mix(first: Planes, second: Planes, share: Planes, green: Planes, out: Planes) -> None:
    """Write the other colour at red and blue from what both diagonals tell (step 3)."""
    height, width = green.shape
    for y in range(7, height - 7):
        one, two, weight, base, made = first[y, 7:], second[y, 7:], share[y, 7:], green[y, 7:], out[y, 7:]
        for x in range(width - 14):
            made[x] = base[x] + (one[x] + weight[x] * (two[x] - one[x]))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _at_green(  # noqa: PLR0913, PLR0917 - compiled code takes no records
    over: Planes, beside: Planes, green: Planes, share: Planes, y: int, out: Planes
) -> None:
    """Write one row of a colour: at green from its four neighbours (step 4), else what ``beside`` has.

    Args:
        over: plane that holds the colour in the rows above and below.
        beside: plane that holds it in this row.
        green: green everywhere.
        share: of the column, see the head.
        y: the row, in the tile.
        out: (w,) the inner part of the row.
    """
    least = _LEAST
    up3, up1, row, down1, down3 = over[y - 3, 10:], over[y - 1, 10:], beside[y, 7:], over[y + 1, 10:], over[y + 3, 10:]
    top2, top1, mid, low1, low2 = green[y - 2, 10:], green[y - 1, 10:], green[y, 7:], green[y + 1, 10:], green[y + 2, 10:]
    weight, odd = share[y, 10:], y % 2
    for x in range(out.size):
        is_green = ((x + odd) & 1) == 1
        here, value = mid[x + 3], row[x + 3]
        column, line = least + abs(up1[x] - down1[x]), least + abs(row[x + 2] - row[x + 4])
        above = column + (abs(up1[x] - up3[x]) + abs(here - top2[x]))
        below = column + (abs(down1[x] - down3[x]) + abs(here - low2[x]))
        left = line + (abs(row[x + 2] - row[x]) + abs(here - mid[x + 1]))
        right = line + (abs(row[x + 4] - row[x + 6]) + abs(here - mid[x + 5]))
        along_column = (above * (down1[x] - low1[x]) + below * (up1[x] - top1[x])) / (above + below)
        along_row = (left * (row[x + 4] - mid[x + 4]) + right * (row[x + 2] - mid[x + 2])) / (left + right)
        mixed = here + (along_column + weight[x] * (along_row - along_column))
        out[x] = mixed if is_green else value


@njit(cache=True, nogil=True)
def _copy(row: Planes, out: Planes) -> None:
    for x in range(out.size):  # an assignment to a slice compiles for a second: it can raise
        out[x] = row[x]


@njit(cache=True, nogil=True)
def fill(tile: Planes, out: Planes, scratch: Planes) -> None:
    """Fill in the missing colours of a tile; see ``maths.tiling.Demosaicer``."""
    zero, one = np.int64(0), np.int64(1)  # plain numbers here would have each value compiled for itself
    first, second, third, share, fourth, green = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5]
    _energy(tile, zero, first)
    _row_energy(tile, second)
    _share(first, second, (zero, one), one, third)
    _most_decided(third, share)
    _low_pass(tile, third)
    _green_along_column(tile, third, green)
    _green(tile, third, share, green)
    _energy(tile, one, first)
    _energy(tile, -one, second)
    _share(first, second, (one, -one), zero, third)
    _most_decided(third, fourth)
    _diagonal(tile, green, one, first)
    _diagonal(tile, green, -one, second)
    _mix(first, second, fourth, green, third)
    for line in range(out.shape[1]):
        y = line + _MARGIN
        odd = y % 2
        _copy(green[y, _MARGIN:], out[1, line])
        _at_green(third, tile, green, share, y, out[2 * odd, line])  # the row's own red or blue
        _at_green(tile, third, green, share, y, out[2 - 2 * odd, line])


def build(params: Params) -> Demosaicer:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    method: Any = fill
    return Demosaicer(method, margin=_MARGIN, num_scratch=_NUM_SCRATCH)
