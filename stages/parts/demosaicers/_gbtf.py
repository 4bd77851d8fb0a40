"""Kernels of gradient-based threshold-free demosaicing that several methods share.

A plane of colour differences holds green minus the other colour of the row (horizontal) or column (vertical), at every
pixel: at a red or blue pixel the green is estimated, at a green pixel the other colour. Each kernel works on all columns
without a branch, on the part of the planes that lies ``skip`` pixels inside: there its neighbours are known. Views of a row
begin where the leftmost neighbour lies, so that no index is negative: the compiler then works on many pixels at a time.

A chain of kernels goes down the tile a few rows at a time: with rows up to ``start`` taken in before and up to ``end`` now,
each does those from ``start - skip`` to ``end - skip``. What one hands to the next then stays in cache, in rings: working
planes of 32 rows (or the tile's, if fewer), row y kept at ``y & keep``; ``keep`` is 31, or -1 for planes with all rows.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Plane = NDArray[np.float32]
# Rows that a chain of kernels takes in at a time, and the mask of its rings.
_BLOCK, _KEEP = 16, 31
_FAST = {"contract", "nsz"}
# Differences of 0..1 values smaller than this (squared, over 25 pixels) count as none.
_TINY = np.float32(1e-8)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _differences(  # noqa: PLR0913, PLR0917 - planes in, planes out
    tile: Plane, across: Plane, down: Plane, skip: int, start: int, end: int, keep: int
) -> None:
    """Write the colour differences along rows and columns: linear interpolation with Hamilton and Adams's correction."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    width = tile.shape[1]
    for y in range(max(skip, start - skip), end - skip):
        up2, up1, down1, down2 = tile[y - 2, skip:], tile[y - 1, skip:], tile[y + 1, skip:], tile[y + 2, skip:]
        here, row, column = tile[y, skip - 2 :], across[y & keep, skip:], down[y & keep, skip:]
        odd = (y + skip) & 1
        for x in range(width - 2 * skip):
            is_green = ((x + odd) & 1) == 1
            centre = half * here[x + 2]
            h = half * (here[x + 1] + here[x + 3]) - quarter * (here[x] + here[x + 4]) - centre
            v = half * (up1[x] + down1[x]) - quarter * (up2[x] + down2[x]) - centre
            row[x] = -h if is_green else h
            column[x] = -v if is_green else v


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def gradients(  # noqa: PLR0913, PLR0917 - planes in, planes out
    across: Plane, down: Plane, rough_h: Plane, rough_v: Plane, skip: int, start: int, end: int, keep: int
) -> None:
    """Write how much each difference changes over two pixels along its own direction."""
    width = across.shape[1]
    for y in range(max(skip, start - skip), end - skip):
        here, above, below = across[y & keep, skip - 1 :], down[(y - 1) & keep, skip:], down[(y + 1) & keep, skip:]
        out_h, out_v = rough_h[y & keep, skip:], rough_v[y & keep, skip:]
        for x in range(width - 2 * skip):
            out_h[x] = abs(here[x + 2] - here[x])
            out_v[x] = abs(below[x] - above[x])


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def weights(  # noqa: PLR0913, PLR0917 - planes in, planes out
    across: Plane,
    down: Plane,
    rough_h: Plane,
    rough_v: Plane,
    planes: NDArray[np.float32],
    skip: int,
    start: int,
    end: int,
    keep: int,
) -> None:
    """Write, for 5 x 5 pixels around each, the weight of a direction and the weight times the mean difference along it.

    ``planes`` (4, H, W): weight and weighted mean along rows, then along columns.
    """
    one, fifth = np.float32(1.0), np.float32(0.2)
    width = across.shape[1]
    inner = width - 2 * skip
    sum_h, sum_v = np.empty(inner + 4, np.float32), np.empty(inner + 4, np.float32)
    left = skip - 2
    for y in range(max(skip, start - skip), end - skip):
        up2, up1, mid, down1, down2 = (y - 2) & keep, (y - 1) & keep, y & keep, (y + 1) & keep, (y + 2) & keep
        a, b, c, d, e = (
            rough_h[up2, left:], rough_h[up1, left:], rough_h[mid, left:], rough_h[down1, left:], rough_h[down2, left:]
        )  # fmt: skip
        for x in range(inner + 4):
            sum_h[x] = (a[x] + e[x]) + (b[x] + d[x]) + c[x]
        p, q, r, s, t = (
            rough_v[up2, left:], rough_v[up1, left:], rough_v[mid, left:], rough_v[down1, left:], rough_v[down2, left:]
        )  # fmt: skip
        for x in range(inner + 4):
            sum_v[x] = (p[x] + t[x]) + (q[x] + s[x]) + r[x]
        row, weight, mean = across[mid, left:], planes[0, mid, skip:], planes[1, mid, skip:]
        for x in range(inner):
            h = (sum_h[x] + sum_h[x + 4]) + (sum_h[x + 1] + sum_h[x + 3]) + sum_h[x + 2]
            h = one / (h * h + _TINY)
            weight[x] = h
            mean[x] = h * fifth * ((row[x] + row[x + 4]) + (row[x + 1] + row[x + 3]) + row[x + 2])
        i, j, k, m, n = (
            down[up2, skip:], down[up1, skip:], down[mid, skip:], down[down1, skip:], down[down2, skip:]
        )  # fmt: skip
        weight, mean = planes[2, mid, skip:], planes[3, mid, skip:]
        for x in range(inner):
            v = (sum_v[x] + sum_v[x + 4]) + (sum_v[x + 1] + sum_v[x + 3]) + sum_v[x + 2]
            v = one / (v * v + _TINY)
            weight[x] = v
            mean[x] = v * fifth * ((i[x] + n[x]) + (j[x] + m[x]) + k[x])


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _combine(  # noqa: PLR0913, PLR0917 - planes in, plane out
    planes: NDArray[np.float32], out: Plane, skip: int, start: int, end: int, keep: int
) -> None:
    """Write the colour difference, all rows: the mean of the four directions, each seen from two pixels away."""
    width = out.shape[1]
    for y in range(max(skip, start - skip), end - skip):
        weight, mean, row = planes[0, y & keep, skip - 2 :], planes[1, y & keep, skip - 2 :], out[y, skip:]
        weight_up, weight_down = planes[2, (y - 2) & keep, skip:], planes[2, (y + 2) & keep, skip:]
        up, down = planes[3, (y - 2) & keep, skip:], planes[3, (y + 2) & keep, skip:]
        for x in range(width - 2 * skip):
            total = (weight[x] + weight[x + 4]) + (weight_up[x] + weight_down[x])
            row[x] = ((mean[x] + mean[x + 4]) + (up[x] + down[x])) / total


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def mean_differences(tile: Plane, rings: NDArray[np.float32], out: Plane) -> None:
    """Write the colour difference averaged over the four directions, 7 pixels inside; ``rings`` (8, 32, W) are room."""
    across, down, rough_h, rough_v = rings[0], rings[1], rings[2], rings[3]
    for start in range(0, tile.shape[0], _BLOCK):
        end = min(start + _BLOCK, tile.shape[0])
        _differences(tile, across, down, 2, start, end, _KEEP)
        gradients(across, down, rough_h, rough_v, 3, start, end, _KEEP)
        weights(across, down, rough_h, rough_v, rings[4:], 5, start, end, _KEEP)
        _combine(rings[4:], out, 7, start, end, _KEEP)
