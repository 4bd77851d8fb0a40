"""Menon, Andriani and Calvagno (IEEE TIP 16(1), 2007), step by step on the three colours."""

import numpy as np

from tests.references.demosaicers.frame import Array, at, is_color, whole


def _mean(plane: Array, by_row: Array, *, with_own: bool) -> Array:
    """Return the mean of both neighbours along the chosen direction, the pixel itself counted or not."""
    beside = at(plane, 0, -1) + at(plane, 0, 1)
    over = at(plane, -1, 0) + at(plane, 1, 0)
    chosen = np.where(by_row, beside, over)
    return (chosen + plane) / 3 if with_own else chosen / 2


def _along_row(mosaic: Array) -> Array:
    sides = (at(mosaic, 0, -1) + at(mosaic, 0, 1)) / 2
    return sides + (2 * mosaic - at(mosaic, 0, -2) - at(mosaic, 0, 2)) / 4


def _rggb(mosaic: Array) -> Array:
    red, green, blue = (is_color(color, mosaic.shape) for color in "RGB")
    in_row = np.where(green, mosaic, _along_row(mosaic))
    in_column = np.where(green, mosaic, _along_row(mosaic.T).T)

    change_row = np.abs((mosaic - in_row) - at(mosaic - in_row, 0, 2))
    change_column = np.abs((mosaic - in_column) - at(mosaic - in_column, 2, 0))
    row = column = np.zeros(())
    for along, side, weight in [(0, 0, 3), (-2, 0, 3), (-1, -1, 1), (-1, 1, 1)] + [
        (a, s, 1) for a in (0, -2) for s in (-2, 2)
    ]:
        row = row + weight * at(change_row, side, along)
        column = column + weight * at(change_column, along, side)
    by_row = column >= row
    g = np.where(by_row, in_row, in_column)

    red_rows = np.broadcast_to(np.arange(len(mosaic))[:, None] % 2 == 0, mosaic.shape)
    r = np.where(green, g + _mean(mosaic - g, red_rows, with_own=False), mosaic)
    b = np.where(green, g + _mean(mosaic - g, ~red_rows, with_own=False), mosaic)
    r, b = (
        np.where(blue, b + _mean(r - b, by_row, with_own=False), r),
        np.where(red, r + _mean(b - r, by_row, with_own=False), b),
    )

    # The refining step: green at red and blue, then both at green, then each at the other.
    g = np.where(red, r - _mean(r - g, by_row, with_own=True), np.where(blue, b - _mean(b - g, by_row, with_own=True), g))
    r = np.where(green, g + _mean(r - g, red_rows, with_own=False), r)
    b = np.where(green, g + _mean(b - g, ~red_rows, with_own=False), b)
    r, b = (
        np.where(blue, b + _mean(r - b, by_row, with_own=True), r),
        np.where(red, r - _mean(r - b, by_row, with_own=True), b),
    )
    return np.stack([r, g, b], axis=-1)


def menon2007(mosaic: Array, pattern: str) -> Array:
    """Filter along rows and columns, decide, refine."""
    return whole(_rggb, mosaic, pattern)
