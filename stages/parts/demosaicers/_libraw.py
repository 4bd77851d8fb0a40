"""LibRaw's demosaicers: the mosaic goes in as a DNG in memory, and everything but the demosaicing is switched off.

They see the whole frame, in 16 bit: values outside 0..1 are clipped, which lifts the mean of noisy shadows and cuts what
white balance raised above 1. The frame's mirrored margin keeps LibRaw's own, simpler treatment of borders out of the picture
and makes frames that it would refuse as too small large enough.
"""

from io import BytesIO

import numpy as np
import rawpy
from numpy.typing import NDArray

from stages.core import dng
from stages.maths.calibration import XYZ_FROM_SRGB
from stages.maths.tiling import Demosaicer

Planes = NDArray[np.float32]
_MARGIN = 16
_WHITE = 65535
_BLACK = (0.0, 0.0, 0.0, 0.0)
_NEUTRAL = (1.0, 1.0, 1.0)
_CAMERA_FROM_XYZ = np.linalg.inv(XYZ_FROM_SRGB)  # AHD and AAHD compare colours in CIELAB: they take the camera's for sRGB


def demosaicer(algorithm: rawpy.DemosaicAlgorithm) -> Demosaicer:
    """Return one of LibRaw's algorithms in the family's form."""
    params = rawpy.Params(
        demosaic_algorithm=algorithm,
        user_wb=[1.0, 1.0, 1.0, 1.0],
        output_color=rawpy.ColorSpace.raw,
        output_bps=16,
        gamma=(1, 1),
        no_auto_bright=True,
        adjust_maximum_thr=0,  # else a frame without highlights is made brighter
        user_flip=0,
    )

    def fill(tile: Planes, out: Planes, scratch: Planes) -> None:  # noqa: ARG001 - the family's form
        numbers = np.rint(np.clip(tile, 0.0, 1.0) * np.float32(_WHITE)).astype(np.uint16)
        content = dng.encode(
            numbers,
            pattern="RGGB",
            black_level=_BLACK,
            white_level=_WHITE,
            neutral=_NEUTRAL,
            color_matrix=_CAMERA_FROM_XYZ,
            model="mosaic",
            iso=100,
        )
        with rawpy.imread(BytesIO(content)) as file:
            colors = file.postprocess(params)
        inner = colors[_MARGIN : _MARGIN + out.shape[1], _MARGIN : _MARGIN + out.shape[2]]
        np.divide(inner.transpose(2, 0, 1), np.float32(_WHITE), out=out)

    return Demosaicer(fill, margin=_MARGIN, is_tiled=False)
