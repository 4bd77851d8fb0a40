"""A camera file, decoded: what reading gives and developing takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.maths import calibration as maths
from stages.maths import orientation as exif


@dataclass(frozen=True)
class Frame:
    """A camera file, decoded.

    Attributes:
        mosaic: (H, W) uint16 digital numbers of the active area, not turned yet.
        pattern: colours of the 2 x 2 cell at the mosaic's origin, in reading order: RGGB, BGGR, GRBG or GBRG.
        black_level: (4,) of each position of the cell in reading order, in digital numbers.
        white_level: digital number of saturation.
        camera_gains: (3,) white balance the camera chose, green = 1; None where the file has none that is usable.
        srgb_from_camera: (3, 3) linear sRGB from white-balanced camera colours, each row's sum 1, for the light of
            ``camera_gains`` (D65 without them); None where unknown.
        orientation: how the mosaic lies in the file, EXIF's 1 to 8; 1 is upright.
        camera: name, or None.
        iso: sensitivity, or None.
        calibration: what a DNG states about its colours: gives the matrix for another white balance; else None.
    """

    mosaic: NDArray[np.uint16]
    pattern: str
    black_level: tuple[float, float, float, float]
    white_level: float
    camera_gains: tuple[float, float, float] | None
    srgb_from_camera: NDArray[np.float64] | None
    orientation: int = exif.UPRIGHT
    camera: str | None = None
    iso: int | None = None
    calibration: maths.Calibration | None = None

    def matrix_for(self, gains: tuple[float, float, float]) -> NDArray[np.float64] | None:
        """Return linear sRGB from colours that these gains balanced; None where the colours are unknown.

        A white balance found otherwise than by the camera means another light, and so another matrix.
        """
        if self.calibration is None:
            return self.srgb_from_camera
        try:
            return maths.srgb_from_camera(self.calibration, gains)
        except ValueError:  # no light there is: the gains are a matter of taste
            return self.srgb_from_camera

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        height, width = self.mosaic.shape
        return (height, width) if exif.swaps_sides(self.orientation) else (width, height)
