"""The camera chain step by step on whole frames, in float64: the oracle of the fused one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def chain(  # noqa: PLR0913, PLR0917
    mosaic: Array,
    pattern: str,
    black_level: Sequence[float],
    white_level: float,
    gains: Sequence[float],
    matrix: Array,
    demosaic: Callable[[Array, str], Array],
) -> Array:
    """Return (H, W, 3) linear sRGB: black, white, balance, demosaicing, clip at 1, colour matrix."""
    balanced = np.empty(mosaic.shape)
    for place, color in enumerate(pattern):
        here = (slice(place // 2, None, 2), slice(place % 2, None, 2))
        share = (mosaic[here].astype(np.float64) - black_level[place]) / (white_level - black_level[place])
        balanced[here] = np.minimum(share, 1.0) * gains["RGB".index(color)] / min(gains)
    return np.asarray(np.minimum(demosaic(balanced, pattern), 1.0) @ np.asarray(matrix).T)


def srgb(linear: Array) -> Array:
    """Apply the sRGB curve of IEC 61966-2-1 and round to 8 bit."""
    light = np.clip(linear, 0.0, 1.0)
    return np.rint(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)).astype(np.uint8)


def bilinear(mosaic: Array, pattern: str) -> Array:
    """Average the nearest neighbours of each colour, the frame mirrored (reflect 101)."""
    padded = np.pad(mosaic, 1, mode="reflect")
    colors = np.array(list(pattern)).reshape(2, 2)
    out = np.empty((*mosaic.shape, 3))
    for y in range(mosaic.shape[0]):
        for x in range(mosaic.shape[1]):
            for channel, color in enumerate("RGB"):
                around = {
                    (dy, dx): padded[y + 1 + dy, x + 1 + dx]
                    for dy in (-1, 0, 1)
                    for dx in (-1, 0, 1)
                    if colors[(y + dy) % 2, (x + dx) % 2] == color
                }
                nearest = min(abs(dy) + abs(dx) for dy, dx in around)
                out[y, x, channel] = np.mean([v for (dy, dx), v in around.items() if abs(dy) + abs(dx) == nearest])
    return out
