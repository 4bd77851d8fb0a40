"""Kernels that correct linear interpolation by a local slope between two colours, for methods of residual interpolation.

The residual left by a regression line is interpolated instead of the colour itself (minimised-Laplacian residual
interpolation: D. Kiku, Y. Monno, M. Tanaka, M. Okutomi, "Minimized-Laplacian residual interpolation for color image
demosaicking", SPIE 9023, 2014). With a slope that changes slowly the offset of the line cancels, and what remains is

    estimate = mean of the neighbours + slope * (guide - mean of the guide at the neighbours),

the slope fitted to second differences of both colours nearby. Slope 1 is Hamilton and Adams's interpolation. How kernels go
down a tile together, and what rings are, is said in ``_gbtf``.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Plane = NDArray[np.float32]
# Rows that a chain of kernels takes in at a time, and the mask of its rings (compiled code keeps to its own file's numbers).
_BLOCK, _KEEP = 16, 31
_FAST = {"contract", "nsz"}


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _along_rows(tile: Plane, out: Plane, prior: float, low: float, high: float, skip: int) -> None:  # noqa: PLR0913, PLR0917
    """Write green minus the row's other colour, by the slope fitted at the six nearest pixels of the row where it is known.

    ``prior`` is the weight of slope 1 (a sum of squares); slopes stay within ``low`` to ``high``. Looks 8 pixels far.
    """
    half, quarter, two = np.float32(0.5), np.float32(0.25), np.float32(2.0)
    pull, least, most = np.float32(prior), np.float32(low), np.float32(high)
    height, width = tile.shape
    inner = width - 2 * skip
    second, product, square = (
        np.empty(inner + 12, np.float32),
        np.empty(inner + 10, np.float32),
        np.empty(inner + 10, np.float32),
    )
    for y in range(skip, height - skip):
        far = tile[y, skip - 8 :]
        for x in range(inner + 12):
            second[x] = two * far[x + 2] - (far[x] + far[x + 4])
        for x in range(inner + 10):
            guide = half * (second[x] + second[x + 2])
            product[x] = guide * second[x + 1]
            square[x] = guide * guide
        here, row = tile[y, skip - 1 :], out[y, skip:]
        odd = (y + skip) & 1
        for x in range(inner):
            over = (product[x] + product[x + 10]) + (product[x + 2] + product[x + 8]) + (product[x + 4] + product[x + 6])
            under = (square[x] + square[x + 10]) + (square[x + 2] + square[x + 8]) + (square[x + 4] + square[x + 6])
            slope = min(max((over + pull) / (under + pull), least), most)
            value = half * (here[x] + here[x + 2]) + slope * quarter * second[x + 6] - here[x + 1]
            row[x] = -value if ((x + odd) & 1) == 1 else value


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _column_products(  # noqa: PLR0913, PLR0917 - plane in, rings out
    tile: Plane, product: Plane, square: Plane, skip: int, start: int, end: int
) -> None:
    """Write guide times colour and guide squared, both second differences along columns; looks 3 pixels far."""
    half, two = np.float32(0.5), np.float32(2.0)
    width = tile.shape[1]
    for y in range(max(skip, start - skip), end - skip):
        a, b, c, d = tile[y - 3], tile[y - 2], tile[y - 1], tile[y]
        e, f, g = tile[y + 1], tile[y + 2], tile[y + 3]
        of_both, of_guide = product[y & _KEEP], square[y & _KEEP]
        for x in range(width):
            guide = half * ((c[x] + e[x]) - (a[x] + g[x]))
            own = two * d[x] - (b[x] + f[x])
            of_both[x] = guide * own
            of_guide[x] = guide * guide


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _along_columns(  # noqa: PLR0913, PLR0917 - planes in, plane out
    tile: Plane,
    product: Plane,
    square: Plane,
    out: Plane,
    prior: float,
    low: float,
    high: float,
    skip: int,
    start: int,
    end: int,
) -> None:
    """Write green minus the column's other colour; see ``_along_rows``."""
    half, quarter, two = np.float32(0.5), np.float32(0.25), np.float32(2.0)
    pull, least, most = np.float32(prior), np.float32(low), np.float32(high)
    width = tile.shape[1]
    for y in range(max(skip, start - skip), end - skip):
        up5, up3, over1 = (y - 5) & _KEEP, (y - 3) & _KEEP, (y - 1) & _KEEP
        under1, down3, down5 = (y + 1) & _KEEP, (y + 3) & _KEEP, (y + 5) & _KEEP
        a, b, c = product[up5, skip:], product[up3, skip:], product[over1, skip:]
        d, e, f = product[under1, skip:], product[down3, skip:], product[down5, skip:]
        p, q, r = square[up5, skip:], square[up3, skip:], square[over1, skip:]
        s, t, u = square[under1, skip:], square[down3, skip:], square[down5, skip:]
        up2, up1, here = tile[y - 2, skip:], tile[y - 1, skip:], tile[y, skip:]
        down1, down2, row = tile[y + 1, skip:], tile[y + 2, skip:], out[y, skip:]
        odd = (y + skip) & 1
        for x in range(width - 2 * skip):
            over = (a[x] + f[x]) + (b[x] + e[x]) + (c[x] + d[x])
            under = (p[x] + u[x]) + (q[x] + t[x]) + (r[x] + s[x])
            slope = min(max((over + pull) / (under + pull), least), most)
            second = two * here[x] - (up2[x] + down2[x])
            value = half * (up1[x] + down1[x]) + slope * quarter * second - here[x]
            row[x] = -value if ((x + odd) & 1) == 1 else value


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _laplacians(plane: Plane, out: Plane, skip: int, start: int, end: int) -> None:
    """Write the Laplacian over pixels of the same kind."""
    four = np.float32(4.0)
    width = plane.shape[1]
    for y in range(max(skip, start - skip), end - skip):
        up, here, down, row = plane[y - 2, skip:], plane[y, skip - 2 :], plane[y + 2, skip:], out[y & _KEEP, skip:]
        for x in range(width - 2 * skip):
            row[x] = four * here[x + 2] - ((here[x] + here[x + 4]) + (up[x] + down[x]))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _slopes(  # noqa: PLR0913, PLR0917 - planes in, planes out
    of_green: Plane, of_color: Plane, weight: Plane, weighted: Plane, prior: float, skip: int, start: int, end: int
) -> None:
    """Write at each red or blue pixel the weight of its slope on green, and weight times slope.

    The slope is fitted to Laplacians of the 25 nearest pixels of the same kind; its weight is the inverse of what is left.
    """
    one, two, pull, zero = np.float32(1.0), np.float32(2.0), np.float32(prior), np.float32(0.0)
    width = of_green.shape[1]
    inner = width - 2 * skip
    over, under, power = np.empty(inner + 8, np.float32), np.empty(inner + 8, np.float32), np.empty(inner + 8, np.float32)
    left = skip - 4
    for y in range(max(skip, start - skip), end - skip):
        up4, up2, mid, down2, down4 = (y - 4) & _KEEP, (y - 2) & _KEEP, y & _KEEP, (y + 2) & _KEEP, (y + 4) & _KEEP
        a, b, c = of_green[up4, left:], of_green[up2, left:], of_green[mid, left:]
        d, e = of_green[down2, left:], of_green[down4, left:]
        p, q, r = of_color[up4, left:], of_color[up2, left:], of_color[mid, left:]
        s, t = of_color[down2, left:], of_color[down4, left:]
        for x in range(inner + 8):
            over[x] = (a[x] * p[x] + e[x] * t[x]) + (b[x] * q[x] + d[x] * s[x]) + c[x] * r[x]
            under[x] = (a[x] * a[x] + e[x] * e[x]) + (b[x] * b[x] + d[x] * d[x]) + c[x] * c[x]
            power[x] = (p[x] * p[x] + t[x] * t[x]) + (q[x] * q[x] + s[x] * s[x]) + r[x] * r[x]
        row, times = weight[mid, skip:], weighted[mid, skip:]
        for x in range(inner):
            top = (over[x] + over[x + 8]) + (over[x + 2] + over[x + 6]) + over[x + 4]
            bottom = (under[x] + under[x + 8]) + (under[x + 2] + under[x + 6]) + under[x + 4]
            total = (power[x] + power[x + 8]) + (power[x + 2] + power[x + 6]) + power[x + 4]
            slope = (top + pull) / (bottom + pull)
            left_over = max(total - two * slope * top + slope * slope * bottom, zero)
            trust = one / (left_over + pull)
            row[x] = trust
            times[x] = trust * slope


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _mean_slopes(weight: Plane, weighted: Plane, out: Plane, skip: int, start: int, end: int) -> None:  # noqa: PLR0913, PLR0917
    """Write the weighted mean slope of the nine nearest pixels of the same kind."""
    width = weight.shape[1]
    inner = width - 2 * skip
    over, under = np.empty(inner + 4, np.float32), np.empty(inner + 4, np.float32)
    left = skip - 2
    for y in range(max(skip, start - skip), end - skip):
        up2, mid, down2 = (y - 2) & _KEEP, y & _KEEP, (y + 2) & _KEEP
        a, b, c = weighted[up2, left:], weighted[mid, left:], weighted[down2, left:]
        p, q, r = weight[up2, left:], weight[mid, left:], weight[down2, left:]
        for x in range(inner + 4):
            over[x] = (a[x] + c[x]) + b[x]
            under[x] = (p[x] + r[x]) + q[x]
        row = out[mid, skip:]
        for x in range(inner):
            row[x] = ((over[x] + over[x + 4]) + over[x + 2]) / ((under[x] + under[x + 4]) + under[x + 2])


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _colors(  # noqa: PLR0913, PLR0917 - planes in, planes out
    tile: Plane, green: Plane, slope: Plane, out: NDArray[np.float32], margin: int, start: int, end: int
) -> None:
    """Write the three colours: red and blue from their neighbours' means, corrected by the slope on green."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    width = out.shape[2]
    left = margin - 1
    for y in range(max(0, start - 2 * margin), end - 2 * margin):
        at, odd = y + margin, y & 1
        up, here, down = tile[at - 1, left:], tile[at, left:], tile[at + 1, left:]
        green_up, green_here, green_down = green[at - 1, left:], green[at, left:], green[at + 1, left:]
        slope_up, slope_down = slope[(at - 1) & _KEEP, left:], slope[(at + 1) & _KEEP, left:]
        slope_here = slope[at & _KEEP, left:]
        of_row, middle, of_column = out[2 * odd, y], out[1, y], out[2 - 2 * odd, y]
        for x in range(width):
            is_green = ((x + odd) & 1) == 1
            centre, measured = green_here[x + 1], here[x + 1]
            beside = centre - half * (green_here[x] + green_here[x + 2])
            over = centre - half * (green_up[x + 1] + green_down[x + 1])
            corners = centre - quarter * ((green_up[x] + green_down[x + 2]) + (green_up[x + 2] + green_down[x]))
            row = half * ((here[x] + here[x + 2]) + (slope_here[x] + slope_here[x + 2]) * beside)
            column = half * ((up[x + 1] + down[x + 1]) + (slope_up[x + 1] + slope_down[x + 1]) * over)
            steep = (slope_up[x] + slope_down[x + 2]) + (slope_up[x + 2] + slope_down[x])
            across = quarter * (((up[x] + down[x + 2]) + (up[x + 2] + down[x])) + steep * corners)
            middle[x] = centre
            of_row[x] = row if is_green else measured
            of_column[x] = column if is_green else across


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def differences(  # noqa: PLR0913, PLR0917 - plane in, planes out
    tile: Plane, rings: NDArray[np.float32], across: Plane, down: Plane, prior: float, low: float, high: float
) -> None:
    """Write green minus the other colour along rows and columns, 8 pixels inside; ``rings`` (2, 32, W) are room.

    ``prior`` is the weight of slope 1 (a sum of squares); slopes stay within ``low`` to ``high``.
    """
    _along_rows(tile, across, prior, low, high, 8)
    product, square = rings[0], rings[1]
    for start in range(0, tile.shape[0], _BLOCK):
        end = min(start + _BLOCK, tile.shape[0])
        _column_products(tile, product, square, 3, start, end)
        _along_columns(tile, product, square, down, prior, low, high, 8, start, end)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def red_and_blue(  # noqa: PLR0913, PLR0917 - planes in, planes out
    tile: Plane, green: Plane, rings: NDArray[np.float32], prior: float, out: NDArray[np.float32], margin: int
) -> None:
    """Write the three colours from green, which is right 10 pixels further out than ``margin``; (5, 32, W) are room."""
    of_green, of_color, weight, weighted, slope = rings[0], rings[1], rings[2], rings[3], rings[4]
    skip = margin - 8
    for start in range(0, tile.shape[0], _BLOCK):
        end = min(start + _BLOCK, tile.shape[0])
        _laplacians(green, of_green, skip, start, end)
        _laplacians(tile, of_color, skip, start, end)
        _slopes(of_green, of_color, weight, weighted, prior, skip + 4, start, end)
        _mean_slopes(weight, weighted, slope, skip + 6, start, end)
        _colors(tile, green, slope, out, margin, start, end)
