"""Bilinear interpolation: the mean of the nearest neighbours of the missing colour.

Each pixel computes what a green and what a red or blue pixel would need and keeps one: without a branch the compiler works
on many pixels at a time, five times as fast as even and odd columns apart.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.core import params as core
from stages.maths.tiling import Demosaicer

Planes = NDArray[np.float32]
_MARGIN = 2


class Params(core.Params):
    """Bilinear interpolation has no choices."""


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def fill(tile: Planes, out: Planes, scratch: Planes) -> None:  # noqa: ARG001 - the family's form
    """Fill in the missing colours of a tile; see ``maths.tiling.Demosaicer``."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    _, height, width = out.shape
    for y in range(height):
        above, here, below = tile[y + 1, 1:], tile[y + 2, 1:], tile[y + 3, 1:]
        odd = y % 2
        own, green, other = out[2 * odd, y], out[1, y], out[2 - 2 * odd, y]  # own: the row's red or blue
        for x in range(width):
            is_green = ((x + odd) & 1) == 1
            measured = here[x + 1]
            beside, over = here[x] + here[x + 2], above[x + 1] + below[x + 1]
            corners = (above[x] + below[x + 2]) + (above[x + 2] + below[x])
            green[x] = measured if is_green else quarter * (beside + over)
            own[x] = half * beside if is_green else measured
            other[x] = half * over if is_green else quarter * corners


def build(params: Params) -> Demosaicer:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    method: Any = fill
    return Demosaicer(method, margin=_MARGIN)
