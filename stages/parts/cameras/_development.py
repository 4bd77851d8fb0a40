"""A camera file developed: the chain of ``maths.camera`` with the white balance and the demosaicer that were chosen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import raw
from stages.maths import bayer, camera
from stages.maths.colour import srgb_from_linear

Gains = tuple[float, float, float]


@dataclass(frozen=True)
class Development:
    """A developed picture and what was done to it.

    Attributes:
        image: (H, W, 3) uint8 srgb, upright.
        gains: white balance used, the smallest 1.
        without_gains: the file states no white balance that is usable.
        matrix_known: the file (or the user) states the camera's colours; else they were taken for sRGB.
        pattern_doubtful: the stated greens differ and the others agree (``maths.bayer.is_doubtful``).
        clipped_share: share of saturated pixels in the mosaic.
        pattern: of the mosaic.
        black_level: used, of each position of the cell.
        white_level: used.
        camera: name, or None.
        iso: sensitivity, or None.
    """

    image: NDArray[np.uint8]
    gains: Gains
    without_gains: bool
    matrix_known: bool
    pattern_doubtful: bool
    clipped_share: float
    pattern: str
    black_level: tuple[float, ...]
    white_level: float
    camera: str | None
    iso: int | None


def develop(
    frame: raw.Frame,
    balance: Callable[[NDArray[np.float32], str, Gains | None], Gains],
    demosaic: Callable[[NDArray[np.float32], str], NDArray[np.float32]],
) -> Development:
    """Develop a camera file's frame.

    Raises:
        ValueError: the levels contradict each other or a gain is not positive.
    """
    mosaic = camera.normalise(frame.mosaic, frame.black_level, frame.white_level)
    red, green, blue = (float(gain) for gain in balance(mosaic, frame.pattern, frame.camera_gains))
    matrix: NDArray[Any] = np.eye(3) if frame.srgb_from_camera is None else frame.srgb_from_camera
    linear = camera.develop(mosaic, frame.pattern, (red, green, blue), matrix, demosaic)
    least = min(red, green, blue)
    return Development(
        image=np.ascontiguousarray(np.rot90(srgb_from_linear(linear), frame.quarter_turns)),
        gains=(red / least, green / least, blue / least),
        without_gains=frame.camera_gains is None,
        matrix_known=frame.srgb_from_camera is not None,
        pattern_doubtful=bayer.is_doubtful(mosaic, frame.pattern),
        clipped_share=float((mosaic >= 1).mean()),
        pattern=frame.pattern,
        black_level=frame.black_level,
        white_level=frame.white_level,
        camera=frame.camera,
        iso=frame.iso,
    )
