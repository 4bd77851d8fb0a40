"""Paints handwriting on photographs of textures, with the exact area of every object."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_MAX_INK = 16.0


def stroke(digit: NDArray[np.float64], height_px: int, angle_deg: float) -> NDArray[np.float64]:
    """Turn a coarse handwritten digit into a smooth stroke.

    Args:
        digit: (8, 8) ink, 0 to 16, as in scikit-learn's digits.
        height_px: height of the result's ink.
        angle_deg: rotation, counter-clockwise.

    Returns:
        (h, w) coverage in [0, 1], cropped to the ink; h is ``height_px``.
    """
    padded = np.pad(digit / _MAX_INK, 2)
    fine = ndimage.zoom(padded, 12, order=3, mode="nearest", grid_mode=True)
    turned = ndimage.rotate(ndimage.gaussian_filter(fine, 3.0), angle_deg, order=1, reshape=False)
    rows, columns = np.nonzero(turned > 0.5 * turned.max())
    ink = turned[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] / turned.max()
    scale = height_px / ink.shape[0]
    width_px = max(2, round(ink.shape[1] * scale))
    sized = ndimage.zoom(ink, (height_px / ink.shape[0], width_px / ink.shape[1]), order=1, mode="nearest", grid_mode=True)
    return np.asarray(((sized - 0.5) * height_px / 12.0 + 0.5).clip(0.0, 1.0))


def place(coverage: NDArray[np.float64], top: int, left: int, size_px: int) -> NDArray[np.float64]:
    """Put a stroke on an empty square of ``size_px``, cut at its border."""
    out = np.zeros((size_px, size_px))
    height, width = coverage.shape
    y, x = max(0, top), max(0, left)
    bottom, right = min(size_px, top + height), min(size_px, left + width)
    out[y:bottom, x:right] = coverage[y - top : bottom - top, x - left : right - left]
    return out


def paint(scene: NDArray[np.float64], coverage: NDArray[np.float64], ink: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay opaque ink (3,) on a scene (H, W, 3), both linear; a soft shadow around it sets it off from what lies below."""
    shadow = 0.55 * np.clip(ndimage.gaussian_filter(coverage, 2.0) * 1.5, 0.0, 1.0)
    return np.asarray(scene * (1 - shadow[..., None]) * (1 - coverage[..., None]) + ink * coverage[..., None])


def visible(layers: list[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Return the part of each layer (H, W) that no later layer covers."""
    covered = np.zeros_like(layers[0])
    out = []
    for layer in reversed(layers):
        out.append(layer & ~covered)
        covered = covered | layer
    return out[::-1]


def bounding_box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Return x, y, width, height of the pixels that are set.

    Example:
        >>> bounding_box(np.array([[False, False], [False, True]]))
        (1.0, 1.0, 1.0, 1.0)
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = float(columns[0]), float(rows[0])
    return (x, y, float(columns[-1]) + 1.0 - x, float(rows[-1]) + 1.0 - y)
