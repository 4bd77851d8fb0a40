"""The default: green by differences averaged far or near, as colours move together or not; red and blue by a local slope.

Methods that trust colour differences to be smooth (GBTF) win on natural scenes and lose on saturated ones, where residual
interpolation wins. Here both give green, and each pixel takes a share of each:

1. far: the differences of ``gbtf2010``, five pixels to each side, slope 1 between colours (Hamilton and Adams);
2. near: differences with a slope fitted locally (``_residual``), three pixels to each side, weighed by changes in 3 x 3;
3. the share of far falls as the far differences change more beside the mosaic's own changes, in 9 x 9 pixels;
4. red and blue: the mean of the neighbours, corrected by green with a slope fitted over 25 pixels of the kind, averaged over
   nine by how well they fit.

Sources: I. Pekkucuksen, Y. Altunbasak, "Gradient based threshold free color filter array interpolation", ICIP 2010 (1);
D. Kiku et al., "Minimized-Laplacian residual interpolation for color image demosaicking", SPIE 9023, 2014 (2, 4), with a
slope in place of a line. How the parts meet is ours; the constants were set by hand on both reference sets.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.core import params as core
from stages.maths.tiling import Demosaicer
from stages.parts.demosaicers import _gbtf, _residual

Plane = NDArray[np.float32]
_MARGIN = 22
# Rows that a chain of kernels takes in at a time, and the mask of its rings: see ``_gbtf``.
_BLOCK, _KEEP = 16, 31
_FAST = {"contract", "nsz"}
# Weight of slope 1: second differences of 0..1 values, squared and summed, below which a fitted slope is not believed.
_PRIOR = 1e-4
_LOW, _HIGH = -0.5, 2.0
# Near differences: weights at 0, 1 and 2 pixels from the centre (a Gaussian of 0.8 pixel).
_NEAR = (0.666, 0.305, 0.029)
# Changes of 0..1 values over 9 pixels smaller than this, squared, count as none.
_TINY = 1e-8
# Share of the mosaic's gradients that the colour differences' may have for both kinds to count the same.
_HALFWAY = 0.22


class Params(core.Params):
    """The method has no choices: its constants were set by hand, see the module."""


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _near_weights(  # noqa: PLR0913, PLR0917 - planes in, rings out
    across: Plane, down: Plane, weight_h: Plane, weight_v: Plane, skip: int, start: int, end: int
) -> None:
    """Write the weight of each direction: the inverse square of the differences' changes in 3 x 3 pixels."""
    one, tiny = np.float32(1.0), np.float32(_TINY)
    width = across.shape[1]
    inner = width - 2 * skip
    sum_h, sum_v = np.empty(inner + 2, np.float32), np.empty(inner + 2, np.float32)
    left = skip - 1
    for y in range(max(skip, start - skip), end - skip):
        a, b, c = across[y - 1, left - 1 :], across[y, left - 1 :], across[y + 1, left - 1 :]
        p, q, r = down[y - 2, left:], down[y - 1, left:], down[y, left:]
        s, t = down[y + 1, left:], down[y + 2, left:]
        for x in range(inner + 2):
            sum_h[x] = (abs(a[x + 2] - a[x]) + abs(c[x + 2] - c[x])) + abs(b[x + 2] - b[x])
            sum_v[x] = (abs(r[x] - p[x]) + abs(t[x] - r[x])) + abs(s[x] - q[x])
        out_h, out_v = weight_h[y & _KEEP, skip:], weight_v[y & _KEEP, skip:]
        for x in range(inner):
            h = (sum_h[x] + sum_h[x + 2]) + sum_h[x + 1]
            v = (sum_v[x] + sum_v[x + 2]) + sum_v[x + 1]
            out_h[x] = one / (h * h + tiny)
            out_v[x] = one / (v * v + tiny)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _near(  # noqa: PLR0913, PLR0917 - planes in, plane out
    across: Plane, down: Plane, weight_h: Plane, weight_v: Plane, near: Plane, skip: int, start: int, end: int
) -> None:
    """Write the colour difference: the mean of the four directions over three pixels each, seen from the next pixel."""
    first, second, third = np.float32(_NEAR[0]), np.float32(_NEAR[1]), np.float32(_NEAR[2])
    width = near.shape[1]
    for y in range(max(skip, start - skip), end - skip):
        sides = weight_h[y & _KEEP, skip - 1 :]
        above, below = weight_v[(y - 1) & _KEEP, skip:], weight_v[(y + 1) & _KEEP, skip:]
        here, up2, up1 = across[y, skip - 2 :], down[y - 2, skip:], down[y - 1, skip:]
        mid, down1, down2, row = down[y, skip:], down[y + 1, skip:], down[y + 2, skip:], near[y & _KEEP, skip:]
        for x in range(width - 2 * skip):
            west, east, north, south = sides[x], sides[x + 2], above[x], below[x]
            h = (west + east) * (first * here[x + 2]) + (
                west * (second * here[x + 1] + third * here[x]) + east * (second * here[x + 3] + third * here[x + 4])
            )
            v = (north + south) * (first * mid[x]) + (
                north * (second * up1[x] + third * up2[x]) + south * (second * down1[x] + third * down2[x])
            )
            row[x] = (h + v) / ((west + east) + (north + south))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _changes(  # noqa: PLR0913, PLR0917 - planes in, rings out
    tile: Plane, difference: Plane, of_color: Plane, of_mosaic: Plane, skip: int, start: int, end: int
) -> None:
    """Write how much the colour difference and the mosaic change over two pixels; the former at green pixels, else 0."""
    zero = np.float32(0.0)
    width = tile.shape[1]
    for y in range(max(skip, start - skip), end - skip):
        here, above, below = tile[y, skip - 1 :], tile[y - 1, skip:], tile[y + 1, skip:]
        color, color_up, color_down = difference[y, skip - 1 :], difference[y - 1, skip:], difference[y + 1, skip:]
        out_color, out_mosaic = of_color[y & _KEEP, skip:], of_mosaic[y & _KEEP, skip:]
        odd = (y + skip) & 1
        for x in range(width - 2 * skip):
            change = abs(color[x + 2] - color[x]) + abs(color_down[x] - color_up[x])
            out_color[x] = change if ((x + odd) & 1) == 1 else zero
            out_mosaic[x] = abs(here[x + 2] - here[x]) + abs(below[x] - above[x])


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _nine(rows: Plane, y: int, left: int, column: NDArray[np.float32], size: int) -> None:
    """Write the sum of nine rows around ``y``."""
    a, b, c = rows[(y - 4) & _KEEP, left:], rows[(y - 3) & _KEEP, left:], rows[(y - 2) & _KEEP, left:]
    d, e, f = rows[(y - 1) & _KEEP, left:], rows[y & _KEEP, left:], rows[(y + 1) & _KEEP, left:]
    g, h, i = rows[(y + 2) & _KEEP, left:], rows[(y + 3) & _KEEP, left:], rows[(y + 4) & _KEEP, left:]
    for x in range(size):
        column[x] = ((a[x] + i[x]) + (b[x] + h[x])) + ((c[x] + g[x]) + (d[x] + f[x])) + e[x]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _blend(  # noqa: PLR0913, PLR0917 - planes in, plane out
    tile: Plane, far: Plane, near: Plane, of_color: Plane, of_mosaic: Plane, green: Plane, skip: int, start: int, end: int
) -> None:
    """Write green: measured, or the pixel's colour plus a blend of both differences by their changes in 9 x 9 pixels."""
    one, tiny, scale = np.float32(1.0), np.float32(1e-3), np.float32(_HALFWAY * 0.5)
    width = tile.shape[1]
    inner = width - 2 * skip
    color, mosaic = np.empty(inner + 8, np.float32), np.empty(inner + 8, np.float32)
    for y in range(max(skip, start - skip), end - skip):
        _nine(of_color, y, skip - 4, color, inner + 8)
        _nine(of_mosaic, y, skip - 4, mosaic, inner + 8)
        here, wide, narrow = tile[y, skip:], far[y, skip:], near[y & _KEEP, skip:]
        row = green[y, skip:]
        odd = (y + skip) & 1
        for x in range(inner):
            top = (
                ((color[x] + color[x + 8]) + (color[x + 1] + color[x + 7]))
                + ((color[x + 2] + color[x + 6]) + (color[x + 3] + color[x + 5]))
                + color[x + 4]
            )
            bottom = (
                ((mosaic[x] + mosaic[x + 8]) + (mosaic[x + 1] + mosaic[x + 7]))
                + ((mosaic[x + 2] + mosaic[x + 6]) + (mosaic[x + 3] + mosaic[x + 5]))
                + mosaic[x + 4]
            )
            ratio = top / (scale * bottom + tiny)
            ratio *= ratio
            share = one / (one + ratio * ratio * ratio)
            full = here[x] + (narrow[x] + share * (wide[x] - narrow[x]))
            row[x] = here[x] if ((x + odd) & 1) == 1 else full


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _green(  # noqa: PLR0913, PLR0917 - planes in, plane out
    tile: Plane, far: Plane, across: Plane, down: Plane, rings: NDArray[np.float32], green: Plane
) -> None:
    """Write green, 12 pixels inside, from the far differences and those along rows and columns; (5, 32, W) are room."""
    weight_h, weight_v, near, of_color, of_mosaic = rings[0], rings[1], rings[2], rings[3], rings[4]
    for start in range(0, tile.shape[0], _BLOCK):
        end = min(start + _BLOCK, tile.shape[0])
        _near_weights(across, down, weight_h, weight_v, 10, start, end)
        _near(across, down, weight_h, weight_v, near, 11, start, end)
        _changes(tile, far, of_color, of_mosaic, 8, start, end)
        _blend(tile, far, near, of_color, of_mosaic, green, 12, start, end)


def fill(tile: Plane, out: NDArray[np.float32], scratch: NDArray[np.float32]) -> None:
    """Fill in the missing colours of a tile; see ``maths.tiling.Demosaicer``."""
    far, across, down, green = scratch[0], scratch[1], scratch[2], scratch[8]
    _gbtf.mean_differences(tile, scratch[1:], far)
    _residual.differences(tile, scratch[3:5], across, down, _PRIOR, _LOW, _HIGH)
    _green(tile, far, across, down, scratch[3:8], green)
    _residual.red_and_blue(tile, green, scratch[:5], _PRIOR, out, _MARGIN)


def build(params: Params) -> Demosaicer:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    return Demosaicer(fill, margin=_MARGIN, num_scratch=9)
