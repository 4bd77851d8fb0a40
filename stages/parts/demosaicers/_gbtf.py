"""Kernels of gradient-based threshold-free demosaicing that several methods share.

A plane of colour differences holds green minus the other colour of the row (horizontal) or column (vertical), at every
pixel: at a red or blue pixel the green is estimated, at a green pixel the other colour. Each kernel works on all columns
without a branch, on the part of the planes that lies ``skip`` pixels inside: there its neighbours are known. Views of a row
begin where the leftmost neighbour lies, so that no index is negative: the compiler then works on many pixels at a time.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Plane = NDArray[np.float32]
_FAST = {"contract", "nsz"}
# Differences of 0..1 values smaller than this (squared, over 25 pixels) count as none.
_TINY = np.float32(1e-8)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _differences(tile: Plane, across: Plane, down: Plane, skip: int) -> None:
    """Write the colour differences along rows and columns: linear interpolation with Hamilton and Adams's correction."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    height, width = tile.shape
    for y in range(skip, height - skip):
        up2, up1, down1, down2 = tile[y - 2, skip:], tile[y - 1, skip:], tile[y + 1, skip:], tile[y + 2, skip:]
        here, row, column = tile[y, skip - 2 :], across[y, skip:], down[y, skip:]
        odd = (y + skip) & 1
        for x in range(width - 2 * skip):
            is_green = ((x + odd) & 1) == 1
            centre = half * here[x + 2]
            h = half * (here[x + 1] + here[x + 3]) - quarter * (here[x] + here[x + 4]) - centre
            v = half * (up1[x] + down1[x]) - quarter * (up2[x] + down2[x]) - centre
            row[x] = -h if is_green else h
            column[x] = -v if is_green else v


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def gradients(across: Plane, down: Plane, rough_h: Plane, rough_v: Plane, skip: int) -> None:
    """Write how much each difference changes over two pixels along its own direction."""
    height, width = across.shape
    for y in range(skip, height - skip):
        here, above, below = across[y, skip - 1 :], down[y - 1, skip:], down[y + 1, skip:]
        out_h, out_v = rough_h[y, skip:], rough_v[y, skip:]
        for x in range(width - 2 * skip):
            out_h[x] = abs(here[x + 2] - here[x])
            out_v[x] = abs(below[x] - above[x])


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def weights(  # noqa: PLR0913, PLR0917 - planes in, planes out
    across: Plane, down: Plane, rough_h: Plane, rough_v: Plane, planes: NDArray[np.float32], skip: int
) -> None:
    """Write, for 5 x 5 pixels around each, the weight of a direction and the weight times the mean difference along it.

    ``planes`` (4, H, W): weight and weighted mean along rows, then along columns.
    """
    one, fifth = np.float32(1.0), np.float32(0.2)
    height, width = across.shape
    inner = width - 2 * skip
    sum_h, sum_v = np.empty(inner + 4, np.float32), np.empty(inner + 4, np.float32)
    left = skip - 2
    for y in range(skip, height - skip):
        a, b, c, d, e = (
            rough_h[y - 2, left:], rough_h[y - 1, left:], rough_h[y, left:], rough_h[y + 1, left:], rough_h[y + 2, left:]
        )  # fmt: skip
        for x in range(inner + 4):
            sum_h[x] = (a[x] + e[x]) + (b[x] + d[x]) + c[x]
        p, q, r, s, t = (
            rough_v[y - 2, left:], rough_v[y - 1, left:], rough_v[y, left:], rough_v[y + 1, left:], rough_v[y + 2, left:]
        )  # fmt: skip
        for x in range(inner + 4):
            sum_v[x] = (p[x] + t[x]) + (q[x] + s[x]) + r[x]
        row, weight, mean = across[y, left:], planes[0, y, skip:], planes[1, y, skip:]
        for x in range(inner):
            h = (sum_h[x] + sum_h[x + 4]) + (sum_h[x + 1] + sum_h[x + 3]) + sum_h[x + 2]
            h = one / (h * h + _TINY)
            weight[x] = h
            mean[x] = h * fifth * ((row[x] + row[x + 4]) + (row[x + 1] + row[x + 3]) + row[x + 2])
        up2, up1, mid, down1, down2 = (
            down[y - 2, skip:], down[y - 1, skip:], down[y, skip:], down[y + 1, skip:], down[y + 2, skip:]
        )  # fmt: skip
        weight, mean = planes[2, y, skip:], planes[3, y, skip:]
        for x in range(inner):
            v = (sum_v[x] + sum_v[x + 4]) + (sum_v[x + 1] + sum_v[x + 3]) + sum_v[x + 2]
            v = one / (v * v + _TINY)
            weight[x] = v
            mean[x] = v * fifth * ((up2[x] + down2[x]) + (up1[x] + down1[x]) + mid[x])


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _combine(planes: NDArray[np.float32], out: Plane, skip: int) -> None:
    """Write the colour difference: the mean of the four directions, each seen from two pixels away."""
    height, width = out.shape
    for y in range(skip, height - skip):
        weight, mean, row = planes[0, y, skip - 2 :], planes[1, y, skip - 2 :], out[y, skip:]
        weight_up, weight_down = planes[2, y - 2, skip:], planes[2, y + 2, skip:]
        up, down = planes[3, y - 2, skip:], planes[3, y + 2, skip:]
        for x in range(width - 2 * skip):
            total = (weight[x] + weight[x + 4]) + (weight_up[x] + weight_down[x])
            row[x] = ((mean[x] + mean[x + 4]) + (up[x] + down[x])) / total


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def mean_differences(tile: Plane, scratch: NDArray[np.float32]) -> None:
    """Write the colour difference averaged over the four directions to plane 2 of 8, from 7 pixels inside on."""
    across, down, rough_h, rough_v = scratch[0], scratch[1], scratch[2], scratch[3]
    _differences(tile, across, down, 2)
    gradients(across, down, rough_h, rough_v, 3)
    weights(across, down, rough_h, rough_v, scratch[4:8], 5)
    _combine(scratch[4:8], rough_h, 7)
