"""Packed mosaics: the four values of each 2 x 2 cell as the channels of one pixel, and the way back to the mosaic."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.maths import orientation as exif

CELL = 2


def edge_to_edge(packed: NDArray[Any], shape: tuple[int, ...], orientation: int) -> NDArray[Any]:
    """Return a packed picture that ends where its mosaic ends.

    A mosaic of odd size ends inside its last cells, which were completed: then each cell is drawn out over its pixels and
    what lies beyond the edge is cut off, on whichever side the turn has brought it to. Even sizes are returned as they are.

    Args:
        packed: (ceil(H / 2), ceil(W / 2), 4), upright already.
        shape: height and width of the mosaic as it is stored.
        orientation: the file's, EXIF's number.

    Example:
        >>> cells = np.arange(2.0).reshape(1, 2, 1)
        >>> edge_to_edge(cells, (1, 3), 1)[..., 0].tolist(), edge_to_edge(cells[:, ::-1], (1, 3), 2)[..., 0].tolist()
        ([[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    """
    height, width = shape
    if not (height % CELL or width % CELL):
        return packed
    drawn = exif.as_stored(packed, orientation).repeat(CELL, axis=0).repeat(CELL, axis=1)[:height, :width]
    return np.ascontiguousarray(exif.upright(drawn, orientation))


def mosaic(packed: NDArray[Any]) -> NDArray[Any]:
    """Lay the cells out again: (H, W, 4) becomes the RGGB mosaic (2 H, 2 W).

    Example:
        >>> mosaic(np.array([[[1, 2, 3, 4]]])).tolist()
        [[1, 2], [3, 4]]
    """
    height, width, _ = packed.shape
    return packed.reshape(height, width, CELL, CELL).swapaxes(1, 2).reshape(CELL * height, CELL * width)
