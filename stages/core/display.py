"""Any picture as a screen can show it. For people to look at; no model sees what comes out of here."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.pixels import Pixels

_LEVELS = 65535


def viewable(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a picture as sRGB: of linear light the sRGB curve, of the mosaic's cells both greens as one before it.

    A packed picture is shown in the camera's own colours, without the colour matrix: paler than developed, but neutral.

    Args:
        image: (H, W, 3) uint8 srgb; or light, (H, W, 3) linear_rgb or (H, W, 4) packed_raw: uint16 as it is kept, or float.

    Returns:
        (H, W, 3) uint8 of the same size.
    """
    if image.dtype == np.uint8:
        return image
    from stages.maths import colour  # noqa: PLC0415 - brings numba, which srgb pictures do without

    light: NDArray[np.float32] = image.astype(np.float32)
    light = light / np.float32(_LEVELS) if image.dtype == np.uint16 else light
    if light.shape[2] > len("RGB"):
        light = np.stack([light[..., 0], (light[..., 1] + light[..., 2]) / 2, light[..., 3]], axis=2)
    return colour.srgb_from_linear(light)


def view(pixels: Pixels, path: Path) -> NDArray[np.uint8]:
    """Read a data set's picture and return it as sRGB, see ``viewable``."""
    return viewable(pixels.read(path))
