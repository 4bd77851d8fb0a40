"""From the camera's colours to what a screen shows: the sRGB curve, white balance estimates, colour differences."""

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

_LEVELS = 65535
_SATURATED = 0.98


def _srgb_codes() -> NDArray[np.uint8]:
    """Return the 8-bit sRGB code of each of 65,536 linear levels (IEC 61966-2-1)."""
    linear = np.arange(_LEVELS + 1) / _LEVELS
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # noqa: PLR2004
    return np.asarray((curve * 255).round().astype(np.uint8))


_CODES = _srgb_codes()


def srgb_from_linear(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Apply the sRGB curve (IEC 61966-2-1) and round to 8 bit.

    A table of 65,536 levels is finer than the steepest part of the curve needs (0.05 codes a level), so that each 8-bit code
    turned linear comes back as itself.

    Args:
        linear: any shape; values outside [0, 1] are clipped here and only here.

    Returns:
        uint8, same shape.

    Example:
        >>> srgb_from_linear(np.array([-0.1, 0.0, 0.214, 1.0, 2.0], dtype=np.float32)).tolist()
        [0, 0, 127, 255, 255]
    """
    scaled = np.clip(linear, 0.0, 1.0) * np.float32(_LEVELS) + np.float32(0.5)
    return _CODES[scaled.astype(np.uint16)]


def neutral_gains(
    mosaic: NDArray[np.uint16] | NDArray[np.float32],
    pattern: str,
    norm: float,
    black_level: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    white_level: float = 1.0,
) -> tuple[float, float, float]:
    """Estimate the white balance from the picture by Minkowski norm.

    ``norm`` 1 takes the mean as grey (grey world, Buchsbaum 1980), infinity the brightest as white (white patch, Land 1977),
    6 lies between (shades of grey, G. D. Finlayson and E. Trezzi, "Shades of Gray and Colour Constancy", CIC 2004).
    Cells with a saturated pixel are left out: their colour is not the light's. Both greens of a cell count as one value.

    Args:
        mosaic: (H, W) digital numbers as the file holds them, or float32.
        pattern: its pattern.
        norm: at least 1.
        black_level: (4,) of the cell's positions in reading order.
        white_level: where pixels saturate.

    Returns:
        Red, green and blue gain, green = 1; (1, 1, 1) where a colour is absent or black.
    """
    black = np.asarray(black_level, np.float32)
    scale = (1.0 / (white_level - black.astype(np.float64))).astype(np.float32)
    order = np.array([pattern.index("R"), pattern.index("G"), pattern.rindex("G"), pattern.index("B")])
    means: NDArray[np.float64] = np.zeros(len("RGB"))
    for limit in (_SATURATED, np.inf):
        count, peaks = (1, np.ones(3)) if norm == 1 else _peaks(mosaic, order, black, scale, limit)
        if count and np.isfinite(norm) and peaks.min() > 0:
            count, sums = _powers(mosaic, order, black, scale, limit, peaks, norm)
            means = peaks * (sums / max(count, 1)) ** (1 / norm)
        elif count:
            means = peaks
        if count:
            break  # else every cell is saturated: take them as they are
    if means.min() <= 0 or not np.isfinite(means).all():
        return 1.0, 1.0, 1.0
    red, green, blue = (float(mean) for mean in means)
    return green / red, 1.0, green / blue


@numba.njit(cache=True, nogil=True)
def _cell(above, below, x, order, black, scale):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0913, PLR0917  # pragma: no cover - compiled
    """Return red, first green, second green and blue of a cell, black 0 and white 1."""
    zero = np.float32(0)
    first = max((np.float32(above[x]) - black[0]) * scale[0], zero)
    second = max((np.float32(above[x + 1]) - black[1]) * scale[1], zero)
    third = max((np.float32(below[x]) - black[2]) * scale[2], zero)
    fourth = max((np.float32(below[x + 1]) - black[3]) * scale[3], zero)
    if order[0] == 0:
        return first, second, third, fourth
    if order[0] == 1:
        return second, first, fourth, third
    if order[0] == 2:  # noqa: PLR2004 - positions of red in the cell
        return third, first, fourth, second
    return fourth, second, third, first


@numba.njit(cache=True, nogil=True)
def _peaks(mosaic, order, black, scale, limit):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # pragma: no cover - compiled
    """Return how many cells lie below the limit, and the largest red, green and blue among them."""
    count, peaks = 0, np.zeros(3)
    for y in range(mosaic.shape[0] // 2):
        above, below = mosaic[2 * y], mosaic[2 * y + 1]
        top_red, top_green, top_blue = np.float32(0), np.float32(0), np.float32(0)
        for x in range(0, mosaic.shape[1] - 1, 2):
            red, green, other, blue = _cell(above, below, x, order, black, scale)
            if max(red, green, other, blue) < limit:
                count += 1
                top_red = max(top_red, red)
                top_green = max(top_green, np.float32(0.5) * (green + other))
                top_blue = max(top_blue, blue)
        peaks[0], peaks[1], peaks[2] = max(peaks[0], top_red), max(peaks[1], top_green), max(peaks[2], top_blue)
    return count, peaks


@numba.njit(cache=True, nogil=True)
def _powers(mosaic, order, black, scale, limit, peaks, norm):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0913, PLR0917  # pragma: no cover - compiled
    """Return how many cells lie below the limit, and their sums of (colour / peak) ** norm."""
    count, sums = 0, np.zeros(3)
    whole = int(norm) if norm == int(norm) else 0
    for y in range(mosaic.shape[0] // 2):
        above, below = mosaic[2 * y], mosaic[2 * y + 1]
        for x in range(0, mosaic.shape[1] - 1, 2):
            red, green, other, blue = _cell(above, below, x, order, black, scale)
            if max(red, green, other, blue) < limit:
                count += 1
                green = np.float32(0.5) * (green + other)
                sums[0] += _power(red / peaks[0], whole, norm)
                sums[1] += _power(green / peaks[1], whole, norm)
                sums[2] += _power(blue / peaks[2], whole, norm)
    return count, sums


@numba.njit(cache=True, nogil=True)
def _power(base, whole, norm):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # pragma: no cover - compiled
    if whole == 0:
        return base**norm
    out = base
    for _ in range(whole - 1):
        out *= base
    return out
