"""What may be done to a picture's tones and details: contrast limits, denoising, smoothing, sharpening.

Exposure and contrast are one factor and one offset on linear light, so that they join the colour matrix. The others look at
a neighbourhood and follow the tiles, on the finished picture.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_BYTE = 255.0
_REACH = 3.0  # a Gaussian is cut at three standard deviations


def linear_gain(limits: tuple[float, float], exposure_ev: float) -> tuple[float, float]:
    """Return factor and offset that bring ``limits`` to 0 and 1 and then expose by ``exposure_ev`` stops.

    Example:
        >>> linear_gain((0.25, 0.75), 1.0)
        (4.0, -1.0)
    """
    low, high = limits
    factor = 2.0**exposure_ev / max(high - low, 1e-6)
    return factor, -low * factor


def denoise(picture: NDArray[Any], strength: float) -> NDArray[Any]:
    """Average pixels of like colour within 2 px (bilateral filter, Tomasi and Manduchi 1998).

    Linear light is filtered as its square root, where shot noise is alike in shadows and lights.

    Args:
        picture: (H, W, 3) uint8 srgb or float32 linear_rgb.
        strength: what differs by this share of the range counts as another colour.
    """
    if picture.dtype == np.uint8:
        return np.asarray(cv2.bilateralFilter(picture, 5, strength * _BYTE, 2.0, borderType=cv2.BORDER_REFLECT_101))
    root = np.sqrt(np.abs(picture)) * np.sign(picture)
    found = np.asarray(cv2.bilateralFilter(root, 5, strength, 2.0, borderType=cv2.BORDER_REFLECT_101))
    return np.asarray(found * np.abs(found))


def smooth(picture: NDArray[Any], sigma_px: float) -> NDArray[Any]:
    """Blur with a Gaussian of this standard deviation in pixels."""
    side = 2 * int(np.ceil(_REACH * sigma_px)) + 1
    return np.asarray(cv2.GaussianBlur(picture, (side, side), sigma_px, borderType=cv2.BORDER_REFLECT_101))


def sharpen(picture: NDArray[Any], amount: float, sigma_px: float = 1.0) -> NDArray[Any]:
    """Add ``amount`` of what a Gaussian blur takes away (unsharp mask)."""
    blurred = smooth(picture, sigma_px)
    return np.asarray(cv2.addWeighted(picture, 1.0 + amount, blurred, -amount, 0.0))
