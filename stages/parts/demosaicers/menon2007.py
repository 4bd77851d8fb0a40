"""Directional filtering with a posteriori decision (DDFAPD), with the paper's refining step.

Green is interpolated along the row and along the column; where the colour differences vary less, that direction is kept, for
green and for all that follows. The whole method is linear in the difference between the colour measured at a pixel and green
("difference" below; it exists at red and blue), so that it can be written on that plane alone:

    along = difference + (its neighbours two pixels away along the direction) / 2     (sum over both direct neighbours)
    cross = (its four diagonal neighbours) / 2                                        (likewise, of the other colour)

    refined difference = (difference + along) / 3           a mean of three, the neighbours' being interpolated: section IV
    measured - other   = (first guess + along' - cross') / 3, first guess = (along - cross) / 2, primes: of the refined one

Source: D. Menon, S. Andriani, G. Calvagno, "Demosaicing With Directional Filtering and a posteriori Decision", IEEE
Transactions on Image Processing 16(1), 2007.

Inside the frame the result is colour-demosaicing's; that library lets its decision see zeros beyond the border, so that the
outer five pixels may differ.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.core import params as core
from stages.maths.tiling import Demosaicer

Planes = NDArray[np.float32]
_MARGIN = 8
_NUM_SCRATCH = 5


class Params(core.Params):
    """The method has no choices: the refining step is always made."""


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _differences(tile: Planes, in_row: Planes, in_column: Planes) -> None:
    """Write measured colour minus green, green interpolated along the row or the column (equation 1); 0 at green."""
    zero, half, quarter = np.float32(0.0), np.float32(0.5), np.float32(0.25)
    height, width = tile.shape
    for y in range(2, height - 2):
        up2, up1, here, down1, down2 = tile[y - 2, 2:], tile[y - 1, 2:], tile[y], tile[y + 1, 2:], tile[y + 2, 2:]
        row, column = in_row[y, 2:], in_column[y, 2:]
        odd = y % 2
        for x in range(width - 4):
            is_green = ((x + odd) & 1) == 1
            measured = half * here[x + 2]
            along_row = measured - half * (here[x + 1] + here[x + 3]) + quarter * (here[x] + here[x + 4])
            along_column = measured - half * (up1[x] + down1[x]) + quarter * (up2[x] + down2[x])
            row[x] = zero if is_green else along_row
            column[x] = zero if is_green else along_column


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _gradients(in_row: Planes, in_column: Planes, along_row: Planes, along_column: Planes) -> None:
    """Write how much the differences change to the next one two pixels on."""
    height, width = in_row.shape
    for y in range(2, height - 2):
        row, made = in_row[y, 2:], along_row[y, 2:]
        for x in range(width - 6):
            made[x] = abs(row[x] - row[x + 2])
    for y in range(2, height - 4):
        column, below, made = in_column[y, 2:], in_column[y + 2, 2:], along_column[y, 2:]
        for x in range(width - 4):
            made[x] = abs(column[x] - below[x])


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _decide(along_row: Planes, along_column: Planes, by_row: Planes) -> None:
    """Write by how much less the differences change along the row (equation 4 and figure 3)."""
    three = np.float32(3.0)
    height, width = along_row.shape
    for y in range(4, height - 4):
        r1, r2, r3 = along_row[y - 2, 2:], along_row[y - 1, 2:], along_row[y, 2:]
        r4, r5 = along_row[y + 1, 2:], along_row[y + 2, 2:]
        c1, c2, c3 = along_column[y - 2, 2:], along_column[y - 1, 2:], along_column[y, 2:]
        made = by_row[y, 4:]
        for x in range(width - 8):
            row = three * (r3[x] + r3[x + 2]) + ((r1[x] + r1[x + 2]) + (r5[x] + r5[x + 2])) + (r2[x + 1] + r4[x + 1])
            column = three * (c1[x + 2] + c3[x + 2]) + ((c1[x] + c3[x]) + (c1[x + 4] + c3[x + 4])) + (c2[x + 1] + c2[x + 3])
            made[x] = column - row


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _choose(in_row: Planes, in_column: Planes, by_row: Planes) -> None:
    """Keep in ``in_row`` the difference of the better direction."""
    zero = np.float32(0.0)
    height, width = in_row.shape
    for y in range(4, height - 4):
        row, column, better = in_row[y, 4:], in_column[y, 4:], by_row[y, 4:]
        for x in range(width - 8):
            one, two = row[x], column[x]
            row[x] = one if better[x] >= zero else two


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _refine(difference: Planes, by_row: Planes, refined: Planes, guess: Planes) -> None:
    """Write the refined difference and the first guess of measured minus other; see the head."""
    zero, half, third = np.float32(0.0), np.float32(0.5), np.float32(1 / 3)
    height, width = difference.shape
    for y in range(6, height - 6):
        up2, up1, here = difference[y - 2, 6:], difference[y - 1, 5:], difference[y, 4:]
        down1, down2 = difference[y + 1, 5:], difference[y + 2, 6:]
        better, made, first = by_row[y, 6:], refined[y, 6:], guess[y, 6:]
        for x in range(width - 12):
            beside, over = here[x] + here[x + 4], up2[x] + down2[x]
            along = here[x + 2] + half * (beside if better[x] >= zero else over)
            cross = half * ((up1[x] + down1[x + 2]) + (up1[x + 2] + down1[x]))
            made[x] = third * (here[x + 2] + along)
            first[x] = half * (along - cross)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _colors(tile: Planes, difference: Planes, by_row: Planes, guess: Planes, out: Planes) -> None:
    """Write the three colours from the refined difference; see the head."""
    zero, half, third = np.float32(0.0), np.float32(0.5), np.float32(1 / 3)
    _, height, width = out.shape
    for line in range(height):
        y = line + _MARGIN
        odd = y % 2
        measured, better, first = tile[y, 8:], by_row[y, 8:], guess[y, 8:]
        up2, up1, here = difference[y - 2, 8:], difference[y - 1, 7:], difference[y, 6:]
        down1, down2 = difference[y + 1, 7:], difference[y + 2, 8:]
        own, green, other = out[2 * odd, line], out[1, line], out[2 - 2 * odd, line]  # own: the row's red or blue
        for x in range(width):
            is_green = ((x + odd) & 1) == 1
            value = measured[x]
            beside, over = here[x] + here[x + 4], up2[x] + down2[x]
            along = here[x + 2] + half * (beside if better[x] >= zero else over)
            cross = half * ((up1[x] + down1[x + 2]) + (up1[x + 2] + down1[x]))
            at_color = value - third * (first[x] + (along - cross))
            at_green = value + half * (up1[x + 1] + down1[x + 1])
            other[x] = at_green if is_green else at_color
        for x in range(width):
            is_green = ((x + odd) & 1) == 1
            value = measured[x]
            at_green, at_color = value + half * (here[x + 1] + here[x + 3]), value - here[x + 2]
            own[x] = at_green if is_green else value
            green[x] = value if is_green else at_color


@njit(cache=True, nogil=True)
def fill(tile: Planes, out: Planes, scratch: Planes) -> None:
    """Fill in the missing colours of a tile; see ``maths.tiling.Demosaicer``."""
    in_row, in_column, first, second, by_row = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    _differences(tile, in_row, in_column)
    _gradients(in_row, in_column, first, second)
    _decide(first, second, by_row)
    _choose(in_row, in_column, by_row)
    _refine(in_row, by_row, first, second)
    _colors(tile, first, by_row, second, out)


def build(params: Params) -> Demosaicer:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    method: Any = fill
    return Demosaicer(method, margin=_MARGIN, num_scratch=_NUM_SCRATCH)
