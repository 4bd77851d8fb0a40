"""Minimised-Laplacian residual interpolation: what a local line on another colour leaves is interpolated, not the colour.

Green, along rows and columns: each colour is fitted to the linearly interpolated other one in windows of 11 pixels,
the slope by second differences; the residual that the line leaves is interpolated linearly. Both directions' differences
of colour meet by gradients as in GBTF. Red and blue: the same with green as the guide, windows of 11 x 11 pixels, the
lines averaged by how well they fit. Made for saturated colours; simple sums rather than speed.

Source: D. Kiku, Y. Monno, M. Tanaka, M. Okutomi, "Minimized-Laplacian residual interpolation for color image demosaicking",
SPIE 9023, 2014; weights of the lines: "Beyond color difference: residual interpolation for color image demosaicking", IEEE
Transactions on Image Processing 25(3), 2016. From the papers' description; the authors' code was not run.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.core import params as core
from stages.maths.tiling import Demosaicer
from stages.parts.demosaicers import _gbtf

Plane = NDArray[np.float32]
_MARGIN = 34
_RADIUS = 5
_TINY = 1e-6
# One-sided Gaussian of one pixel over five pixels.
_TAPS = (0.5700, 0.3457, 0.0771, 0.0063, 0.0002)
_TAPS_SUM = 0.9993


class Params(core.Params):
    """The method has no choices: windows are the paper's."""


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(row: Plane, out: Plane, size: int) -> None:
    """Write the sums over windows of 11 pixels: ``out[x]`` is centred on ``row[x + 5]``."""
    for x in range(size):
        out[x] = row[x]
    for k in range(1, 2 * _RADIUS + 1):
        shifted = row[k:]
        for x in range(size):
            out[x] += shifted[x]


@njit(cache=True, nogil=True, error_model="numpy")
def _along_rows(tile: Plane, out: Plane) -> None:
    """Write green minus the row's other colour; columns nearer than 15 pixels to the sides are left alone."""
    half, two, tiny = np.float32(0.5), np.float32(2.0), np.float32(_TINY)
    one, zero, eleven = np.float32(1.0), np.float32(0.0), np.float32(11.0)
    height, width = tile.shape
    temporary = np.zeros((12, width), np.float32)
    guide, both, square, value, guided, count = temporary[:6]
    sums = temporary[6:]
    inner = width - 6
    for y in range(height):
        here = tile[y]
        for parity in range(2):  # columns of this parity measure the guide
            for x in range(width - 2):
                guide[x + 1] = here[x + 1] if ((x + 1) & 1) == parity else half * (here[x] + here[x + 2])
            for x in range(inner):
                on = one if ((x + 3) & 1) != parity else zero
                bend = on * (two * guide[x + 3] - guide[x + 1] - guide[x + 5])
                both[x] = bend * (two * here[x + 3] - here[x + 1] - here[x + 5])
                square[x] = bend * bend
                value[x], guided[x], count[x] = on * here[x + 3], on * guide[x + 3], on
            for k in range(5):
                _sums(temporary[1 + k], sums[k], inner - 10)
            for x in range(inner - 10):  # the line of the window centred on x + 8
                slope = sums[0, x] / (sums[1, x] + tiny)
                both[x] = slope
                square[x] = (sums[2, x] - slope * sums[3, x]) / sums[4, x]
            _sums(both, sums[0], inner - 20)
            _sums(square, sums[1], inner - 20)
            for x in range(inner - 20):  # the estimate at x + 13, and what it leaves
                estimate = (sums[0, x] * guide[x + 13] + sums[1, x]) / eleven
                value[x] = estimate
                guided[x] = here[x + 13] - estimate if ((x + 13) & 1) != parity else zero
            is_green = ((y + parity) & 1) == 1
            for x in range(inner - 22):
                difference = value[x + 1] + half * (guided[x] + guided[x + 2]) - here[x + 14]
                if ((x + 14) & 1) == parity:
                    out[y, x + 14] = -difference if is_green else difference


@njit(cache=True, nogil=True, error_model="numpy")
def _combine(  # noqa: PLR0913, PLR0917 - planes in, plane out
    tile: Plane, across: Plane, down: Plane, planes: NDArray[np.float32], green: Plane, skip: int
) -> None:
    """Write green: measured, or with the mean of four one-sided Gaussian means of the differences."""
    height, width = tile.shape
    for y in range(skip, height - skip):
        for x in range(skip, width - skip):
            west, east, north, south = planes[0, y, x - 2], planes[0, y, x + 2], planes[2, y - 2, x], planes[2, y + 2, x]
            total = np.float32(0.0)
            for k in range(5):
                tap = np.float32(_TAPS[k] / _TAPS_SUM)
                total += tap * (west * across[y, x - k] + east * across[y, x + k])
                total += tap * (north * down[y - k, x] + south * down[y + k, x])
            difference = total / (west + east + north + south)
            green[y, x] = tile[y, x] if ((x + y) & 1) == 1 else tile[y, x] + difference


@njit(cache=True, nogil=True, error_model="numpy")
def _box(plane: Plane, row: Plane, out: Plane, skip: int) -> None:
    """Write the sum of the 11 x 11 pixels around each, ``skip`` pixels inside."""
    height, width = plane.shape
    inner = width - 2 * skip
    left = skip - _RADIUS
    for y in range(skip, height - skip):
        for x in range(inner + 10):
            row[x] = plane[y - _RADIUS, left + x]
        for k in range(1 - _RADIUS, _RADIUS + 1):
            other = plane[y + k, left:]
            for x in range(inner + 10):
                row[x] += other[x]
        _sums(row, out[y, skip:], inner)


@njit(cache=True, nogil=True, error_model="numpy")
def _moment(  # noqa: PLR0913, PLR0917 - which moment of which colour
    tile: Plane, green: Plane, colour: int, which: int, out: Plane, skip: int
) -> None:
    """Write at the pixels of a colour (0 red, 1 blue), else 0, one of the products that a fit to green needs."""
    four = np.float32(4.0)
    height, width = tile.shape
    for y in range(skip, height - skip):
        for x in range(skip, width - skip):
            c, g, found = tile[y, x], green[y, x], np.float32(0.0)
            if which < 2:
                bend = four * g - green[y - 2, x] - green[y + 2, x] - green[y, x - 2] - green[y, x + 2]
                own = four * c - tile[y - 2, x] - tile[y + 2, x] - tile[y, x - 2] - tile[y, x + 2]
                found = bend * (own if which == 0 else bend)
            elif which < 5:
                found = np.float32(1.0) if which == 2 else c if which == 3 else g
            else:
                found = c * c if which == 5 else g * g if which == 6 else c * g
            is_it = (y & 1) == colour and (x & 1) == colour
            out[y, x] = found if is_it else np.float32(0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _lines(sums: NDArray[np.float32], skip: int) -> None:
    """Turn sums 0 to 7 of ``_moment`` into the weight of each window's line, weight times slope and weight times offset."""
    tiny = np.float32(_TINY)
    _, height, width = sums.shape
    for y in range(skip, height - skip):
        for x in range(skip, width - skip):
            both, square, n, c, g = sums[0, y, x], sums[1, y, x], sums[2, y, x], sums[3, y, x], sums[4, y, x]
            slope = both / (square + tiny)
            mean_c, mean_g = c / n, g / n
            of_c = max(sums[5, y, x] / n - mean_c * mean_c, np.float32(0.0))
            of_g = max(sums[6, y, x] / n - mean_g * mean_g, np.float32(0.0))
            of_both = sums[7, y, x] / n - mean_c * mean_g
            left_over = of_c - np.float32(2.0) * slope * of_both + slope * slope * of_g
            weight = np.float32(1.0) / max(left_over, tiny)
            sums[0, y, x], sums[1, y, x], sums[2, y, x] = weight, weight * slope, weight * (mean_c - slope * mean_g)


@njit(cache=True, nogil=True, error_model="numpy")
def _estimate(  # noqa: PLR0913, PLR0917 - planes in, planes out
    tile: Plane, green: Plane, sums: NDArray[np.float32], colour: int, estimate: Plane, left_over: Plane, skip: int
) -> None:
    """Write what the averaged lines say of a colour everywhere, and at its own pixels what they leave."""
    height, width = tile.shape
    for y in range(skip, height - skip):
        for x in range(skip, width - skip):
            weight = sums[3, y, x]
            found = (sums[4, y, x] * green[y, x] + sums[5, y, x]) / weight
            is_it = (y & 1) == colour and (x & 1) == colour
            estimate[y, x] = found
            left_over[y, x] = tile[y, x] - found if is_it else np.float32(0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _finish(  # noqa: PLR0913, PLR0917 - planes in, plane out
    tile: Plane, estimate: Plane, left_over: Plane, colour: int, out: Plane, margin: int
) -> None:
    """Write a colour: measured, or the estimate plus the interpolated residual."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    height, width = out.shape
    for y in range(height):
        up, here, down = left_over[y + margin - 1], left_over[y + margin], left_over[y + margin + 1]
        for x in range(width):
            at = x + margin
            sides = half * (here[at - 1] + here[at + 1] + up[at] + down[at])
            corners = quarter * (up[at - 1] + up[at + 1] + down[at - 1] + down[at + 1])
            is_it = (y & 1) == colour and (x & 1) == colour
            out[y, x] = tile[y + margin, at] if is_it else estimate[y + margin, at] + here[at] + sides + corners


@njit(cache=True, nogil=True)
def _turn(plane: Plane, out: Plane) -> None:
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            out[x, y] = plane[y, x]


def fill(tile: Plane, out: NDArray[np.float32], scratch: NDArray[np.float32]) -> None:
    """Fill in the missing colours of a tile; see ``maths.tiling.Demosaicer``."""
    across, down, green, sums = scratch[0], scratch[1], scratch[2], scratch[3:11]
    turned = (scratch[3].reshape(tile.shape[::-1]), scratch[4].reshape(tile.shape[::-1]))
    _along_rows(tile, across)
    _turn(tile, turned[0])
    _along_rows(turned[0], turned[1])
    _turn(turned[1], down)
    _gbtf.gradients(across, down, scratch[7], scratch[8], 15, 0, tile.shape[0], -1)
    _gbtf.weights(across, down, scratch[7], scratch[8], scratch[3:7], 17, 0, tile.shape[0], -1)
    _combine(tile, across, down, scratch[3:7], green, 19)
    row = np.empty(tile.shape[1], np.float32)
    for colour in range(2):
        for which in range(8):
            _moment(tile, green, colour, which, across, 21)
            _box(across, row, sums[which], 26)
        _lines(sums, 26)
        for which in range(3):
            _box(sums[which], row, sums[3 + which], 31)
        _estimate(tile, green, sums, colour, across, down, 31)
        _finish(tile, across, down, colour, out[2 * colour], _MARGIN)
    out[1] = green[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def build(params: Params) -> Demosaicer:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    return Demosaicer(fill, margin=_MARGIN, num_scratch=11)
