"""Writes a mosaic as an uncompressed DNG that every raw developer opens."""

from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from stages.maths import bayer
from stages.maths import orientation as exif

_COLORS = {"R": 0, "G": 1, "B": 2}
_LIGHT_A, _D65 = 17, 21
_CFA_PHOTOMETRIC = 32803
_LONG, _SHORT, _BYTE, _ASCII, _RATIONAL, _SRATIONAL = 4, 3, 1, 2, 5, 10
_LEVELS, _COLORS_TO = 10_000, 1_000_000  # denominators: levels reach 65,535 and must fit 32 bits with theirs


def encode(  # noqa: PLR0913 - the file's tags, each by name
    mosaic: NDArray[np.uint16],
    *,
    pattern: str,
    black_level: Sequence[float],
    white_level: int,
    neutral: Sequence[float],
    color_matrix: NDArray[np.float64],
    model: str,
    iso: int,
    tungsten_matrix: NDArray[np.float64] | None = None,
    orientation: int = 1,
    active_area: tuple[int, int, int, int] | None = None,
) -> bytes:
    """Encode a mosaic; equal input gives equal bytes.

    Args:
        mosaic: (H, W) uint16 digital numbers, any size.
        pattern: colours of the 2 x 2 cell in reading order, for instance ``RGGB``, at the active area's first pixel.
        black_level: (4,) in reading order of the same cell, in digital numbers.
        white_level: digital number of saturation.
        neutral: (3,) camera colours of a white surface (AsShotNeutral).
        color_matrix: (3, 3) camera colours from CIE XYZ for D65 (ColorMatrix1, or 2 beside a tungsten one).
        model: the camera's name.
        iso: sensitivity, up to 65,535 (TIFF's short).
        tungsten_matrix: (3, 3) the same under CIE illuminant A; None where the camera was calibrated once.
        orientation: how the mosaic lies in the file, EXIF's 1 to 8; 1 is upright.
        active_area: top, left, bottom, right of the pixels that saw light; None: all.

    Returns:
        The file's bytes (Adobe DNG 1.4).

    Raises:
        ValueError: the pattern is no Bayer pattern, the active area leads out of the mosaic or the orientation is none.
    """
    top, left, bottom, right = area = active_area or (0, 0, *mosaic.shape)
    if not (0 <= top < bottom <= mosaic.shape[0] and 0 <= left < right <= mosaic.shape[1]):
        raise ValueError(
            f"the active area {area} leads out of a mosaic of {mosaic.shape[0]} rows and {mosaic.shape[1]} columns"
        )
    if not exif.is_known(orientation):
        raise ValueError(f"orientation is {orientation}; expected 1 to 8 (EXIF)")
    tags = [
        (50706, _BYTE, 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50707, _BYTE, 4, bytes((1, 1, 0, 0)), True),  # DNGBackwardVersion
        (50708, _ASCII, 0, model, True),  # UniqueCameraModel
        (271, _ASCII, 0, "Rawline", True),  # Make
        (272, _ASCII, 0, model, True),  # Model
        (274, _SHORT, 1, orientation, True),  # Orientation
        (33421, _SHORT, 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, _BYTE, 4, bytes(_COLORS[c] for c in bayer.check(pattern)), True),  # CFAPattern
        (34855, _SHORT, 1, min(iso, 65535), True),  # ISOSpeedRatings
        (50713, _SHORT, 2, (2, 2), True),  # BlackLevelRepeatDim
        (50714, _RATIONAL, 4, _rationals(black_level, _LEVELS), True),  # BlackLevel
        (50717, _LONG, 1, white_level, True),  # WhiteLevel
        (50728, _RATIONAL, 3, _rationals(neutral, _COLORS_TO), True),  # AsShotNeutral
        (50829, _LONG, 4, area, True),  # ActiveArea
        (50719, _LONG, 2, (0, 0), True),  # DefaultCropOrigin
        (50720, _LONG, 2, (right - left, bottom - top), True),  # DefaultCropSize
    ]
    calibrations = [(tungsten_matrix, _LIGHT_A)] if tungsten_matrix is not None else []
    for number, (matrix, light) in enumerate([*calibrations, (color_matrix, _D65)]):
        values = _rationals(np.ravel(matrix).tolist(), _COLORS_TO)
        tags.append((50721 + number, _SRATIONAL, 9, values, True))  # ColorMatrix1, 2
        tags.append((50778 + number, _SHORT, 1, light, True))  # CalibrationIlluminant1, 2
    out = BytesIO()
    with tifffile.TiffWriter(out, byteorder="<") as writer:
        writer.write(
            mosaic,
            photometric=_CFA_PHOTOMETRIC,
            planarconfig=1,
            subfiletype=0,
            software=False,
            metadata=None,
            extratags=tags,
        )
    return out.getvalue()


def _rationals(values: Sequence[float], denominator: int) -> tuple[int, ...]:
    """Return numerators and denominators one after the other."""
    fractions = [Fraction(round(value * denominator), denominator) for value in values]
    return tuple(number for f in fractions for number in (f.numerator, f.denominator))
