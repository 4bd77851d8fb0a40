"""Writes a mosaic as an uncompressed DNG that every raw developer opens."""

from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO

import numpy as np
import tifffile
from numpy.typing import NDArray

_COLORS = {"R": 0, "G": 1, "B": 2}
_D65 = 21
_CFA_PHOTOMETRIC = 32803
_LONG, _SHORT, _BYTE, _ASCII, _RATIONAL, _SRATIONAL = 4, 3, 1, 2, 5, 10
_DENOMINATOR = 10_000


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
) -> bytes:
    """Encode a mosaic; equal input gives equal bytes.

    Args:
        mosaic: (H, W) uint16 digital numbers.
        pattern: colours of the 2 x 2 cell in reading order, for instance ``RGGB``.
        black_level: (4,) in reading order of the cell, in digital numbers.
        white_level: digital number of saturation.
        neutral: (3,) camera colours of a white surface (AsShotNeutral).
        color_matrix: (3, 3) camera colours from CIE XYZ for D65 (ColorMatrix1).
        model: the camera's name.
        iso: sensitivity.

    Returns:
        The file's bytes (Adobe DNG 1.4).
    """
    tags = [
        (50706, _BYTE, 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50707, _BYTE, 4, bytes((1, 1, 0, 0)), True),  # DNGBackwardVersion
        (50708, _ASCII, 0, model, True),  # UniqueCameraModel
        (271, _ASCII, 0, "Rawline", True),  # Make
        (272, _ASCII, 0, model, True),  # Model
        (274, _SHORT, 1, 1, True),  # Orientation: as stored
        (33421, _SHORT, 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, _BYTE, 4, bytes(_COLORS[c] for c in pattern), True),  # CFAPattern
        (34855, _SHORT, 1, iso, True),  # ISOSpeedRatings
        (50713, _SHORT, 2, (2, 2), True),  # BlackLevelRepeatDim
        (50714, _RATIONAL, 4, _rationals(black_level), True),  # BlackLevel
        (50717, _LONG, 1, white_level, True),  # WhiteLevel
        (50721, _SRATIONAL, 9, _rationals(color_matrix.ravel().tolist()), True),  # ColorMatrix1
        (50728, _RATIONAL, 3, _rationals(neutral), True),  # AsShotNeutral
        (50778, _SHORT, 1, _D65, True),  # CalibrationIlluminant1
    ]
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


def _rationals(values: Sequence[float]) -> tuple[int, ...]:
    """Return numerators and denominators one after the other."""
    fractions = [Fraction(round(value * _DENOMINATOR), _DENOMINATOR) for value in values]
    return tuple(number for f in fractions for number in (f.numerator, f.denominator))
