"""Gradient-based threshold-free interpolation: colour differences averaged over four directions, by how little they change.

Green at a red or blue pixel: the differences along row and column (Hamilton and Adams), averaged over five pixels to the
west, east, north and south, each weighted by the inverse square of its changes in the 5 x 5 pixels there. Red at blue and
back: the differences of twelve diagonal neighbours; at green: of the four nearest.

Source: I. Pekkucuksen, Y. Altunbasak, "Gradient based threshold free color filter array interpolation", ICIP 2010.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.core import params as core
from stages.maths.tiling import Demosaicer
from stages.parts.demosaicers import _gbtf

Plane = NDArray[np.float32]
_MARGIN = 12


class Params(core.Params):
    """The method has no choices."""


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"}, error_model="numpy")
def _opposite(difference: Plane, out: Plane, skip: int) -> None:
    """Write at each red or blue pixel the difference of the other colour, from the twelve nearest on the diagonals."""
    near, far = np.float32(10 / 32), np.float32(1 / 32)
    height, width = difference.shape
    for y in range(skip, height - skip):
        up1, down1, row = difference[y - 1, skip - 3 :], difference[y + 1, skip - 3 :], out[y, skip:]
        up3, down3 = difference[y - 3, skip - 1 :], difference[y + 3, skip - 1 :]
        for x in range(width - 2 * skip):
            corners = (up1[x + 2] + down1[x + 4]) + (up1[x + 4] + down1[x + 2])
            over = (up3[x] + down3[x + 2]) + (up3[x + 2] + down3[x])
            beside = (up1[x] + down1[x + 6]) + (up1[x + 6] + down1[x])
            row[x] = near * corners - far * (over + beside)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"}, error_model="numpy")
def _finish(tile: Plane, difference: Plane, opposite: Plane, out: NDArray[np.float32], margin: int) -> None:
    """Write the three colours: each pixel computes both cases and keeps one."""
    quarter = np.float32(0.25)
    _, height, width = out.shape
    for y in range(height):
        at, odd = y + margin, y % 2
        here, own, cross = tile[at, margin:], difference[at, margin - 1 :], opposite[at, margin - 1 :]
        own_up, own_down = difference[at - 1, margin:], difference[at + 1, margin:]
        cross_up, cross_down = opposite[at - 1, margin:], opposite[at + 1, margin:]
        of_row, green, of_column = out[2 * odd, y], out[1, y], out[2 - 2 * odd, y]
        for x in range(width):
            is_green = ((x + odd) & 1) == 1
            measured = here[x]
            full = measured + own[x + 1]
            row = measured - quarter * ((own[x] + own[x + 2]) + (cross_up[x] + cross_down[x]))
            column = measured - quarter * ((cross[x] + cross[x + 2]) + (own_up[x] + own_down[x]))
            green[x] = measured if is_green else full
            of_row[x] = row if is_green else measured
            of_column[x] = column if is_green else full - cross[x + 1]


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"}, error_model="numpy")
def _colors(tile: Plane, difference: Plane, opposite: Plane, out: NDArray[np.float32]) -> None:
    """Write the three colours from the differences of green; ``opposite`` is room for those of the other colour."""
    _opposite(difference, opposite, 10)
    _finish(tile, difference, opposite, out, _MARGIN)


def fill(tile: Plane, out: NDArray[np.float32], scratch: NDArray[np.float32]) -> None:
    """Fill in the missing colours of a tile; see ``maths.tiling.Demosaicer``."""
    _gbtf.mean_differences(tile, scratch[1:], scratch[0])
    _colors(tile, scratch[0], scratch[1], out)


def build(params: Params) -> Demosaicer:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    return Demosaicer(fill, margin=_MARGIN, num_scratch=9)
