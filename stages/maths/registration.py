"""Registers a small grey picture on another one, and says how far apart the two are where they differ most."""

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PIXELS = 0.15  # pixels that a registered picture may be off
_CELLS = 16  # of a side; a window is two by two of them


@numba.njit(cache=True)
def _moved(two: Floats, y: int, x: int, at: Floats) -> tuple[bool, float, float, float]:  # pragma: no cover - compiled
    """Return whether a pixel lies within a picture moved by ``at``, and the value and slopes, by row and column, there."""
    side = two.shape[0]
    middle = (side - 1) / 2
    row = middle + (y - middle) * (1 + at[0]) + at[1]
    column = middle + (x - middle) * (1 + at[2]) + at[3]
    if row < 0 or row > side - 1 or column < 0 or column > side - 1:
        return False, 0.0, 0.0, 0.0
    top, left = min(int(row), side - 2), min(int(column), side - 2)
    down, across = row - top, column - left
    a, b, c, d = two[top, left], two[top, left + 1], two[top + 1, left], two[top + 1, left + 1]
    value = (a * (1 - across) + b * across) * (1 - down) + (c * (1 - across) + d * across) * down
    return True, value, (c - a) * (1 - across) + (d - b) * across, (b - a) * (1 - down) + (d - c) * down


@numba.njit(cache=True)
def registered(  # noqa: C901, PLR0912 - one compiled pass
    one: Floats, two: Floats, at: Floats, rounds: int
) -> float:  # pragma: no cover - compiled
    """Return the correlation of a picture with another one scaled and shifted onto it, where both are.

    Each round regresses ``one`` on the moved ``two``, its derivatives by the four parameters and a constant.

    Args:
        one: (S, S).
        two: (S, S).
        at: (4,) scale less 1 and shift in pixels, of rows and of columns; the start, and what was found.
        rounds: how often the parameters are refined.
    """
    side = one.shape[0]
    middle = (side - 1) / 2
    basis, normal, right = np.empty(6), np.empty((6, 6)), np.empty(6)
    for turn in range(rounds + 1):
        normal[:], right[:] = 0.0, 0.0
        squares = 0.0
        for y in range(side):
            for x in range(side):
                inside, moved, by_row, by_column = _moved(two, y, x, at)
                if not inside:
                    continue
                basis[0], basis[1] = by_row * (y - middle), by_row
                basis[2], basis[3] = by_column * (x - middle), by_column
                basis[4], basis[5] = moved, 1.0
                value = one[y, x]
                squares += value * value
                for i in range(6):
                    right[i] += basis[i] * value
                    for j in range(i, 6):
                        normal[i, j] += basis[i] * basis[j]
        num = normal[5, 5]
        if num < 0.5 * side * side:
            return 0.0
        if turn == rounds:
            spread = (squares - right[5] ** 2 / num) * (normal[4, 4] - normal[4, 5] ** 2 / num)
            return (right[4] - right[5] * normal[4, 5] / num) / np.sqrt(spread) if spread > 0 else 0.0
        for i in range(6):
            for j in range(i):
                normal[i, j] = normal[j, i]
        for i in range(4):
            normal[i, i] += 1e-3 * normal[i, i] + 1e-6
        normal[4, 4] += 1e-6
        found = np.linalg.solve(normal, right)
        if found[4] <= 0.1:  # noqa: PLR2004 - no likeness left to follow
            return 0.0
        for i in range(4):
            limit = 0.13 if i % 2 == 0 else 0.1 * side
            at[i] = min(max(at[i] + found[i] / found[4], -limit), limit)
    return 0.0


@numba.njit(cache=True)
def apart(one: Floats, two: Floats, at: Floats, levels: float) -> float:  # pragma: no cover - compiled
    """Return by how much two pictures differ in the window where they differ most, against what is to be expected.

    The square root of the mean square difference over ``levels`` squared plus the mean square slope times ``PIXELS``
    squared: windows are an eighth of a side, set half of that apart. Neither brightness nor contrast is brought together.

    Args:
        one: (S, S), S a multiple of 16.
        two: (S, S).
        at: (4,) what ``registered`` found.
        levels: grey levels that encoding and resampling change.
    """
    side = one.shape[0]
    cell = side // _CELLS
    num, squares, slopes = np.zeros((_CELLS, _CELLS)), np.zeros((_CELLS, _CELLS)), np.zeros((_CELLS, _CELLS))
    for y in range(side):
        for x in range(side):
            inside, value, by_row, by_column = _moved(two, y, x, at)
            if not inside:
                continue
            own_row = (one[min(y + 1, side - 1), x] - one[max(y - 1, 0), x]) / 2
            own_column = (one[y, min(x + 1, side - 1)] - one[y, max(x - 1, 0)]) / 2
            i, j = y // cell, x // cell
            num[i, j] += 1
            squares[i, j] += (one[y, x] - value) ** 2
            slopes[i, j] += (by_row**2 + by_column**2 + own_row**2 + own_column**2) / 2
    worst = 0.0
    for i in range(_CELLS - 1):
        for j in range(_CELLS - 1):
            held = num[i : i + 2, j : j + 2].sum()
            if held >= 2 * cell * cell:
                expected = held * levels**2 + PIXELS**2 * slopes[i : i + 2, j : j + 2].sum()
                worst = max(worst, squares[i : i + 2, j : j + 2].sum() / expected)
    return float(np.sqrt(worst))
