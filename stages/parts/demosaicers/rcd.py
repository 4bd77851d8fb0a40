"""Ratio corrected demosaicing: colour values steered by the ratio of a low-pass filter, directions weighed smoothly.

1. Direction: the energy of a high-pass filter (1 -3 -1 6 -1 -3 1) along the column and along the row over three pixels;
   ``share`` = column / (column + row), 1 where only the column varies. Where the mean of the four diagonal neighbours is the
   more decided one (farther from 1/2) it replaces the pixel's own.
2. Green at red and blue: each direct neighbour n gives n (1 + (l - l') / (l + l')), l and l' the 3 x 3 low-pass of the
   mosaic here and two pixels towards it: hues stay alike where brightness changes. The two of an axis are weighed by the
   gradients on the other side, the axes by the share.
3. Red at blue and back: colour differences of the four diagonal neighbours, weighed likewise along both diagonals.
4. Red and blue at green: colour differences of the four direct neighbours, weighed likewise.

Written from the method's published description, not from its code. Two things differ for the sake of values below black: the
ratio's denominator is |l| + |l'|, the same for light and never smaller than the numerator, and no denominator is 0.

Source: L. Sanz Rodriguez, "Ratio Corrected Demosaicing", 2017 (release 2.3).
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.core import params as core
from stages.maths.tiling import Demosaicer

Planes = NDArray[np.float32]
_MARGIN = 10
_NUM_SCRATCH = 6
_LEAST = np.float32(1e-5)  # of a gradient: keeps weights apart from 0; a fifteenth of a 12-bit step
_LEAST_ENERGY = np.float32(1e-10)


class Params(core.Params):
    """The method has no choices."""


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _energy(tile: Planes, down: np.int64, right: np.int64, out: Planes) -> None:
    """Write the squared high-pass along a direction, given by its step (step 1)."""
    three, six = np.float32(3.0), np.float32(6.0)
    height, width = tile.shape
    for y in range(3, height - 3):
        back3, back2 = tile[y - 3 * down, 3 - 3 * right :], tile[y - 2 * down, 3 - 2 * right :]
        back1, next1 = tile[y - down, 3 - right :], tile[y + down, 3 + right :]
        here, made = tile[y, 3:], out[y, 3:]
        next2, next3 = tile[y + 2 * down, 3 + 2 * right :], tile[y + 3 * down, 3 + 3 * right :]
        for x in range(width - 6):
            high = (back3[x] + next3[x]) - (back1[x] + next1[x]) - three * (back2[x] + next2[x]) + six * here[x]
            made[x] = high * high


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _share(  # noqa: PLR0913, PLR0917 - compiled code takes no records
    first: Planes, down: np.int64, right: np.int64, second: Planes, below: np.int64, aside: np.int64, out: Planes
) -> None:
    """Write first / (first + second), energies of two directions, each summed over three pixels along its own (step 1)."""
    least = _LEAST_ENERGY
    height, width = first.shape
    for y in range(4, height - 4):
        f1, f2, f3 = first[y - down, 4 - right :], first[y, 4:], first[y + down, 4 + right :]
        s1, s2, s3 = second[y - below, 4 - aside :], second[y, 4:], second[y + below, 4 + aside :]
        made = out[y, 4:]
        for x in range(width - 8):
            a, b = max(least, f1[x] + f3[x] + f2[x]), max(least, s1[x] + s3[x] + s2[x])
            made[x] = a / (a + b)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _most_decided(share: Planes, out: Planes) -> None:
    """Write the share here or its mean over the four diagonal neighbours, whichever is farther from 1/2 (step 1)."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    height, width = share.shape
    for y in range(5, height - 5):
        up, here, down, made = share[y - 1, 4:], share[y, 5:], share[y + 1, 4:], out[y, 5:]
        for x in range(width - 10):
            own, around = here[x], quarter * ((up[x] + down[x + 2]) + (up[x + 2] + down[x]))
            made[x] = around if abs(half - own) < abs(half - around) else own


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _low_pass(tile: Planes, out: Planes) -> None:
    """Write the 3 x 3 binomial mean."""
    quarter, eighth, sixteenth = np.float32(1 / 4), np.float32(1 / 8), np.float32(1 / 16)
    height, width = tile.shape
    for y in range(1, height - 1):
        up, here, down, made = tile[y - 1], tile[y], tile[y + 1], out[y, 1:]
        for x in range(width - 2):
            sides = (up[x + 1] + down[x + 1]) + (here[x] + here[x + 2])
            corners = (up[x] + down[x + 2]) + (up[x + 2] + down[x])
            made[x] = quarter * here[x + 1] + eighth * sides + sixteenth * corners


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _guess_green(tile: Planes, low: Planes, down: np.int64, right: np.int64, out: Planes) -> None:
    """Write green at red and blue as the two neighbours along a direction tell it (step 2)."""
    least = _LEAST
    height, width = tile.shape
    for y in range(5, height - 5):
        b4, b3 = tile[y - 4 * down, 5 - 4 * right :], tile[y - 3 * down, 5 - 3 * right :]
        b2, b1 = tile[y - 2 * down, 5 - 2 * right :], tile[y - down, 5 - right :]
        n1, n2 = tile[y + down, 5 + right :], tile[y + 2 * down, 5 + 2 * right :]
        n3, n4 = tile[y + 3 * down, 5 + 3 * right :], tile[y + 4 * down, 5 + 4 * right :]
        low_back, low_here, low_next = low[y - 2 * down, 5 - 2 * right :], low[y, 5:], low[y + 2 * down, 5 + 2 * right :]
        here, made = tile[y, 5:], out[y, 5:]
        for x in range(width - 10):
            both = least + abs(b1[x] - n1[x])
            back = both + (abs(here[x] - b2[x]) + abs(b1[x] - b3[x])) + abs(b2[x] - b4[x])
            ahead = both + (abs(here[x] - n2[x]) + abs(n1[x] - n3[x])) + abs(n2[x] - n4[x])
            bright = least + abs(low_here[x])
            from_back = b1[x] + b1[x] * (low_here[x] - low_back[x]) / (bright + abs(low_back[x]))
            from_ahead = n1[x] + n1[x] * (low_here[x] - low_next[x]) / (bright + abs(low_next[x]))
            made[x] = (ahead * from_back + back * from_ahead) / (back + ahead)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _guess_color(plane: Planes, green: Planes, down: np.int64, right: np.int64, out: Planes) -> None:
    """Write a colour as the two neighbours along a direction, where ``plane`` has it, tell it (steps 3 and 4)."""
    least = _LEAST
    height, width = plane.shape
    for y in range(7, height - 7):
        b3, b1 = plane[y - 3 * down, 7 - 3 * right :], plane[y - down, 7 - right :]
        n1, n3 = plane[y + down, 7 + right :], plane[y + 3 * down, 7 + 3 * right :]
        back2, back1 = green[y - 2 * down, 7 - 2 * right :], green[y - down, 7 - right :]
        next1, next2 = green[y + down, 7 + right :], green[y + 2 * down, 7 + 2 * right :]
        here, made = green[y, 7:], out[y, 7:]
        for x in range(width - 14):
            both = least + abs(b1[x] - n1[x])
            back = both + (abs(b1[x] - b3[x]) + abs(here[x] - back2[x]))
            ahead = both + (abs(n1[x] - n3[x]) + abs(here[x] - next2[x]))
            made[x] = here[x] + (ahead * (b1[x] - back1[x]) + back * (n1[x] - next1[x])) / (back + ahead)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _mix(guesses: tuple[Planes, Planes], share: Planes, known: Planes, at_green: np.int64, out: Planes) -> None:
    """Write both directions' guesses mixed by the share at the greens (1) or at the others (0), elsewhere what is known."""
    height, width = share.shape
    for y in range(5, height - 5):
        one, two, weight, kept, made = guesses[0][y, 5:], guesses[1][y, 5:], share[y, 5:], known[y, 5:], out[y, 5:]
        odd = y + at_green
        for x in range(width - 10):
            is_kept = ((x + odd) & 1) == 0
            value, mixed = kept[x], one[x] + weight[x] * (two[x] - one[x])
            made[x] = value if is_kept else mixed


@njit(cache=True, nogil=True)
def _cut(plane: Planes, even: np.int64, odd: np.int64, out: Planes) -> None:
    """Copy the inner part's even rows to the plane ``even`` of ``out`` and the odd rows to ``odd``."""
    _, height, width = out.shape
    for line in range(height):
        row, made = plane[line + _MARGIN, _MARGIN:], out[odd if line % 2 else even, line]
        for x in range(width):
            made[x] = row[x]


@njit(cache=True, nogil=True)
def fill(tile: Planes, out: Planes, scratch: Planes) -> None:
    """Fill in the missing colours of a tile; see ``maths.tiling.Demosaicer``."""
    zero, one, two = np.int64(0), np.int64(1), np.int64(2)  # plain numbers would have each value compiled for itself
    first, second, third, share, fourth, green = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5]
    _energy(tile, one, zero, first)
    _energy(tile, zero, one, second)
    _share(first, one, zero, second, zero, one, third)
    _most_decided(third, share)
    _low_pass(tile, third)
    _guess_green(tile, third, one, zero, first)
    _guess_green(tile, third, zero, one, second)
    _mix((first, second), share, tile, zero, green)
    _cut(green, one, one, out)

    _energy(tile, one, one, first)
    _energy(tile, one, -one, second)
    _share(first, one, one, second, one, -one, third)
    _most_decided(third, fourth)
    _guess_color(tile, green, one, one, first)
    _guess_color(tile, green, one, -one, second)
    other = third  # red at blue and back
    _mix((first, second), fourth, tile, zero, other)

    _guess_color(other, green, one, zero, first)
    _guess_color(tile, green, zero, one, second)
    _mix((first, second), share, tile, one, fourth)  # a row's own red or blue
    _cut(fourth, zero, two, out)
    _guess_color(tile, green, one, zero, first)
    _guess_color(other, green, zero, one, second)
    _mix((first, second), share, other, one, fourth)
    _cut(fourth, two, zero, out)


def build(params: Params) -> Demosaicer:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    method: Any = fill
    return Demosaicer(method, margin=_MARGIN, num_scratch=_NUM_SCRATCH)
