"""What the libraries do with the same mosaic."""

from io import BytesIO
from typing import Any

import cv2
import numpy as np
import rawpy
from numpy.typing import NDArray

_PLAIN = {"no_auto_bright": True, "adjust_maximum_thr": 0.0, "user_flip": 0}


def _kernel(rows: list[list[float]]) -> NDArray[np.float32]:
    weights = np.array(rows, dtype=np.float64)
    return np.asarray(weights / weights.sum(), dtype=np.float32)


_IN_ROW = _kernel([[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]])
_GREEN = _kernel([[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]])
_ACROSS = _kernel([[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]])


def filter2d_malvar(mosaic: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Malvar, He and Cutler 2004 by four ``cv2.filter2D`` over an RGGB mosaic: the usual way to write it in Python."""
    green, in_row, in_column, across = (
        np.asarray(cv2.filter2D(mosaic, -1, k, borderType=cv2.BORDER_REFLECT_101))
        for k in (_GREEN, _IN_ROW, np.ascontiguousarray(_IN_ROW.T), _ACROSS)
    )
    for y in (0, 1):
        for x in (0, 1):
            here = (slice(y, None, 2), slice(x, None, 2))
            values = {
                (0, 0): (mosaic, green, across),
                (0, 1): (in_row, mosaic, in_column),
                (1, 0): (in_column, mosaic, in_row),
                (1, 1): (across, green, mosaic),
            }[y, x]
            for channel, plane in enumerate(values):
                out[(*here, channel)] = plane[here]


def libraw(content: bytes, method: str, *, developed: bool) -> Any:
    """Return a call that lets LibRaw demosaic a decoded file, and with ``developed`` do the whole chain to sRGB uint8."""
    file = rawpy.imread(BytesIO(content))
    file.raw_image.max()  # decodes
    method = getattr(rawpy.DemosaicAlgorithm, method)
    if developed:
        return lambda: file.postprocess(demosaic_algorithm=method, use_camera_wb=True, output_bps=8, **_PLAIN)
    raw = {"output_color": rawpy.ColorSpace.raw, "gamma": (1, 1), "user_wb": [1, 1, 1, 1], "output_bps": 16}
    return lambda: file.postprocess(demosaic_algorithm=method, **raw, **_PLAIN)
