"""EXIF's orientation: how a picture lies in the file, 1 to 8 (CIPA DC-008, tag 274)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

UPRIGHT = 1
_BACK = {6: 8, 8: 6}  # all others undo themselves


def is_known(orientation: int) -> bool:
    """Tell whether the number is one of EXIF's eight."""
    return UPRIGHT <= orientation <= 8  # noqa: PLR2004


def swaps_sides(orientation: int) -> bool:
    """Tell whether height becomes width."""
    return orientation >= 5  # noqa: PLR2004


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return a view of (H, W, ...) pixels as they are meant to be seen.

    Raises:
        ValueError: the number is none of EXIF's.

    Example:
        >>> upright(np.array([[1, 2, 3]]), 6).tolist(), upright(np.array([[1, 2, 3]]), 2).tolist()
        ([[1], [2], [3]], [[3, 2, 1]])
    """
    if not is_known(orientation):
        raise ValueError(f"orientation is {orientation}; expected 1 to 8 (EXIF)")
    turned = np.swapaxes(image, 0, 1) if swaps_sides(orientation) else image
    from_below, from_right = orientation in {3, 4, 7, 8}, orientation in {2, 3, 6, 7}
    return turned[:: -1 if from_below else 1, :: -1 if from_right else 1]


def as_stored(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo ``upright``."""
    return upright(image, _BACK.get(orientation, orientation))
