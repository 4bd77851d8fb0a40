"""The simulated camera's inner loops: one pass from a picture to digital numbers, with noise that belongs to a place.

Each pair of neighbours draws from Philox 2x32-10 (J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
2011) at the counter (column / 2, row) with the seed as its key, and becomes two Gaussian numbers by Box and Muller (1958).
So a pixel's noise depends on the seed and its place alone: not on tiles, threads or order. The loops use additions,
multiplications and square roots only, whose results IEEE 754 fixes: equal bits on every machine.

All compiled functions stand in this one file because numba's cache notices changes of a function's own file alone.
"""

import numba
import numpy as np
from numpy.typing import NDArray

_F = np.float32
_MULTIPLIER, _BUMP, _ROUNDS = 0xD256D193, 0x9E3779B9, 10
# sin(2 pi t) / t on |t| <= 1/4 in powers of t squared, fitted by least squares at Chebyshev's points; error below 2e-11.
_S = tuple(_F(v) for v in (6.283185306, -41.341701929, 81.605209375, -76.703665766, 41.999956400, -14.336827615))
# log(1 + x) between sqrt(1/2) and sqrt(2): S. L. Moshier, Cephes library, logf.
_L = tuple(
    _F(v)
    for v in (
        7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )
)  # fmt: skip
_LN2 = _F(0.69314718)
_HALF_ROOT = np.int32(0x3F3504F3)  # bits of sqrt(1/2) as float32


@numba.njit(nogil=True)
def philox(first, second, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # pragma: no cover - compiled
    """Return two 32-bit numbers for a counter of two and a key (Philox 2x32-10)."""
    for _ in range(_ROUNDS):
        product = np.uint64(first) * np.uint64(_MULTIPLIER)
        first = np.uint32(np.uint32(product >> np.uint64(32)) ^ key ^ second)
        second = np.uint32(product)
        key = np.uint32(key + np.uint32(_BUMP))
    return first, second


@numba.njit(nogil=True)
def _log(u):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # pragma: no cover - compiled
    """Natural logarithm of a float32 above 0, to about 1e-7."""
    bits = _F(u).view(np.int32)
    exponent = np.int32(np.int32(bits - _HALF_ROOT) >> np.int32(23))
    x = np.int32(bits - np.int32(exponent << np.int32(23))).view(np.float32) - _F(1)
    p = _L[0]
    for n in range(1, 9):
        p = p * x + _L[n]
    return x + (x * x * (p * x - _F(0.5)) + _F(exponent) * _LN2)


@numba.njit(nogil=True)
def _sine(t):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # pragma: no cover - compiled
    """sin(2 pi t) for |t| <= 1/4."""
    square = t * t
    p = _S[5]
    for n in range(4, -1, -1):
        p = p * square + _S[n]
    return p * t


@numba.njit(cache=True, nogil=True)
def fill_normals(out: NDArray[np.float32], row: int, left: int, seed: int) -> None:  # pragma: no cover - compiled
    """Fill a row with the Gaussian numbers of its pixels.

    Args:
        out: (W,) float32, W even.
        row: of the frame.
        left: first column in the frame, even.
        seed: 0 to 2**32 - 1.
    """
    key, second = np.uint32(seed), np.uint32(row)
    for pair in range(out.size // 2):
        one, two = philox(np.uint32(left // 2 + pair), second, key)
        uniform = (_F(one >> np.uint32(9)) + _F(0.5)) * _F(2.0**-23)  # exact, between 0 and 1: reaches 5.8 sigma
        radius = np.sqrt(_F(-2) * _log(uniform))
        turn = _F(np.int32(two) >> np.int32(8)) * _F(2.0**-24)  # -1/2 to 1/2 of a turn
        size = abs(turn)
        out[2 * pair] = radius * _sine(_F(0.25) - size)
        sine = _sine(min(size, _F(0.5) - size))
        out[2 * pair + 1] = radius * (-sine if turn < 0 else sine)


@numba.njit(cache=True, nogil=True)
def render_codes(  # noqa: PLR0913, PLR0917
    picture: NDArray[np.uint8], tables: NDArray[np.float32], levels: NDArray[np.float32], white: float,
    seed: int, top: int, left: int, out: NDArray[np.uint16],
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Render 8-bit codes by the tables (4, 3, 256) of the cell's positions."""
    height, width = out.shape
    signal = np.empty(width, np.float32)
    normal = np.empty(width + 3, np.float32)
    for y in range(height):
        row = picture[y]
        for start in range(2):
            table = tables[2 * ((top + y) % 2) + (left + start) % 2]
            red, green, blue = table[0], table[1], table[2]
            for x in range(start, width, 2):
                signal[x] = red[row[x, 0]] + green[row[x, 1]] + blue[row[x, 2]]
        _read_out(signal, normal, levels, white, seed, top + y, left, out[y])


@numba.njit(cache=True, nogil=True)
def render_linear(  # noqa: PLR0913, PLR0917
    picture: NDArray[np.float32], weights: NDArray[np.float32], levels: NDArray[np.float32], white: float,
    seed: int, top: int, left: int, out: NDArray[np.uint16],
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Render linear sRGB by the weights (4, 3) of the cell's positions."""
    height, width = out.shape
    signal = np.empty(width, np.float32)
    normal = np.empty(width + 3, np.float32)
    for y in range(height):
        row = picture[y]
        for start in range(2):
            w = weights[2 * ((top + y) % 2) + (left + start) % 2]
            for x in range(start, width, 2):
                signal[x] = w[0] * row[x, 0] + w[1] * row[x, 1] + w[2] * row[x, 2]
        _read_out(signal, normal, levels, white, seed, top + y, left, out[y])


@numba.njit(nogil=True)
def _read_out(  # noqa: PLR0913, PLR0917
    signal: NDArray[np.float32], normal: NDArray[np.float32], levels: NDArray[np.float32], white: float,
    seed: int, y: int, left: int, out: NDArray[np.uint16],
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Add noise and black level to a row's signal in DN, round half to even and clip; levels are those of each column."""
    zero, first = np.float32(0), left % 2
    black = levels[y % 2, 0, first : first + out.size]
    if seed >= 0:
        fill_normals(normal[: out.size + first + (out.size + first) % 2], y, left - first, seed)
        gain, read = levels[y % 2, 1, first : first + out.size], levels[y % 2, 2, first : first + out.size]
        drawn = normal[first : first + out.size]
        for x in range(out.size):
            value = max(signal[x], zero)
            value = black[x] + value + np.sqrt(value * gain[x] + read[x]) * drawn[x]
            out[x] = np.uint16(np.int32(np.rint(min(max(value, zero), white))))
    else:
        for x in range(out.size):
            out[x] = np.uint16(np.int32(np.rint(min(black[x] + max(signal[x], zero), white))))
