"""From the camera's colours to what a screen shows: the sRGB curve, white balance estimates, colour differences."""

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


def neutral_gains(mosaic: NDArray[np.float32], pattern: str, norm: float) -> tuple[float, float, float]:
    """Estimate the white balance from the picture by Minkowski norm.

    ``norm`` 1 takes the mean as grey (grey world, Buchsbaum 1980), infinity the brightest as white (white patch, Land 1977),
    6 lies between (shades of grey, G. D. Finlayson and E. Trezzi, "Shades of Gray and Colour Constancy", CIC 2004).
    Cells with a saturated pixel are left out: their colour is not the light's.

    Args:
        mosaic: (H, W), black 0, white 1.
        pattern: its pattern.
        norm: at least 1.

    Returns:
        Red, green and blue gain, green = 1; (1, 1, 1) where a colour is absent or black.
    """
    height, width = mosaic.shape
    cells = mosaic[: height - height % 2, : width - width % 2].reshape(height // 2, 2, width // 2, 2).transpose(0, 2, 1, 3)
    cells = cells.reshape(-1, 4).clip(0.0, None)
    unsaturated = cells[cells.max(axis=1, initial=0.0) < _SATURATED]
    cells = unsaturated if len(unsaturated) else cells
    means = [_norm(cells[:, [p for p, c in enumerate(pattern) if c == color]], norm) for color in "RGB"]
    if min(means) <= 0 or not np.isfinite(means).all():
        return 1.0, 1.0, 1.0
    return means[1] / means[0], 1.0, means[1] / means[2]


def _norm(values: NDArray[np.float32], norm: float) -> float:
    if values.size == 0:
        return 0.0
    wide = values.mean(axis=1, dtype=np.float64)  # both greens of a cell as one value
    peak = float(wide.max())
    if np.isinf(norm) or peak <= 0:
        return peak
    return float(peak * ((wide / peak) ** norm).mean() ** (1 / norm))


def apply_matrix(linear: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Multiply each pixel's colour (H, W, 3) by a (3, 3) matrix."""
    return np.asarray(linear @ matrix.T.astype(np.float32))
