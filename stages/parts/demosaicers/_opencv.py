"""OpenCV's demosaicers.

They see the whole frame; its mirrored margin keeps OpenCV's own treatment of borders, which repeats the pixels further in,
out of the picture and makes frames for which it returns zeros (2 x 2) large enough. Values outside 0..1 are clipped.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.maths.tiling import Demosaicer

Planes = NDArray[np.float32]
_MARGIN = 4


def demosaicer(code: int, dtype: type[np.uint8 | np.uint16]) -> Demosaicer:
    """Return one of OpenCV's algorithms in the family's form.

    Args:
        code: one of ``cv2.COLOR_BAYER_RGGB2RGB*``. The older names tell the cell at the second row and column: "BG" is RGGB.
        dtype: what the algorithm computes in; values outside 0..1 are clipped.
    """
    white = np.float32(np.iinfo(dtype).max)

    def fill(tile: Planes, out: Planes, scratch: Planes) -> None:  # noqa: ARG001 - the family's form
        numbers: NDArray[Any] = np.rint(np.clip(tile, 0.0, 1.0) * white).astype(dtype)
        colors = cv2.demosaicing(numbers, code)
        inner = colors[_MARGIN : _MARGIN + out.shape[1], _MARGIN : _MARGIN + out.shape[2]]
        np.divide(inner.transpose(2, 0, 1), white, out=out)

    return Demosaicer(fill, margin=_MARGIN, is_tiled=False)
