"""A frame that a plain method can work on: mirrored beyond its border, red at its origin."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def at(plane: Array, down: int, right: int) -> Array:
    """Return for each pixel the value so many rows below and columns to the right."""
    return np.roll(plane, (-down, -right), (0, 1))


def is_color(color: str, shape: tuple[int, ...]) -> Array:
    """Tell where an RGGB mosaic has this colour."""
    cell = np.array(["R", "G", "G", "B"]).reshape(2, 2) == color
    return np.tile(cell, ((shape[0] + 1) // 2, (shape[1] + 1) // 2))[: shape[0], : shape[1]]


def whole(method: Callable[[Array], Array], mosaic: Array, pattern: str, margin: int = 16) -> Array:
    """Apply ``method`` (RGGB mosaic to colours, its border of ``margin`` pixels meaningless) to a frame of any pattern."""
    top, left = divmod(pattern.index("R"), 2)
    padded = np.pad(mosaic.astype(np.float64), ((margin + top, margin + 1), (margin + left, margin + 1)), mode="reflect")
    found = method(padded)
    return np.asarray(found[margin + top :, margin + left :][: mosaic.shape[0], : mosaic.shape[1]])
