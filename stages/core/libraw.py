"""Lets LibRaw (through rawpy) decode a camera file and say what it knows of it."""

from io import BytesIO
from typing import Any

import numpy as np
import rawpy
from numpy.typing import NDArray

from stages.core.dng_tags import usable_gains
from stages.core.errors import DataError, decoding
from stages.core.frame import Frame
from stages.core.tiff import Content

_ORIENTATIONS = {0: 1, 1: 2, 3: 3, 2: 4, 4: 5, 6: 6, 7: 7, 5: 8}  # EXIF's, of LibRaw's flip: 1 and 2 mirror, 4 swaps
_CELL = 2
_INSTEAD = "develop it elsewhere and give the picture as PNG, JPEG or TIFF"


class UnknownCameraError(DataError):
    """The content is no camera file that LibRaw knows; it may be a picture of another kind."""


def decode(content: Content) -> Frame:
    """Decode a camera file.

    Raises:
        UnknownCameraError: it is none that LibRaw knows.
        DataError: it is damaged, or its sensor has no Bayer pattern.
    """
    with decoding("camera file cannot be decoded"):
        return _decode(content)


def _decode(content: Content) -> Frame:
    try:
        with rawpy.imread(BytesIO(content)) as file:
            return _frame(file)
    except rawpy.LibRawFileUnsupportedError as error:
        raise UnknownCameraError(
            "no camera file that LibRaw knows; expected DNG or a camera's own format, or rename it to what it is"
        ) from error
    except NotImplementedError as error:  # how the binding speaks of filters it cannot lay out
        raise DataError(f"the sensor's pattern is none that can be laid out ({error}); {_INSTEAD}") from error
    except rawpy.LibRawUnsufficientMemoryError as error:
        raise MemoryError(str(error)) from error
    except rawpy.LibRawError as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise DataError(
            f"camera file cannot be decoded, it may be cut short ({reason}); copy it again from the camera"
        ) from error


def _frame(file: Any) -> Frame:
    """Return what LibRaw says."""
    cell = _cell(file)
    blacks = file.black_level_per_channel
    iso = file.other.iso_speed
    return Frame(
        mosaic=file.raw_image_visible.copy(),
        pattern="".join("RGBG"[c] for c in cell),
        black_level=(float(blacks[cell[0]]), float(blacks[cell[1]]), float(blacks[cell[2]]), float(blacks[cell[3]])),
        white_level=float(file.white_level),
        camera_gains=usable_gains(file.camera_whitebalance),
        srgb_from_camera=_matrix(file),
        orientation=_ORIENTATIONS.get(file.sizes.flip, 1),
        iso=int(iso) if iso > 0 else None,
    )


def _cell(file: Any) -> tuple[int, ...]:
    """Return LibRaw's colour numbers (second green is 3) of the 2 x 2 cell at the origin of the active area."""
    if file.raw_type != rawpy.RawType.Flat or file.raw_pattern is None:
        raise DataError(f"the file holds developed or stacked colours, no mosaic of one colour per pixel; {_INSTEAD}")
    names = file.color_desc.decode()
    pattern = file.raw_pattern
    if pattern.shape != (_CELL, _CELL) or names != "RGBG" or file.num_colors != len("RGB"):
        shape = " x ".join(map(str, pattern.shape))
        raise DataError(
            f"the sensor's pattern is {shape} of '{names}', no Bayer pattern (X-Trans, monochrome, four colours); {_INSTEAD}"
        )
    top, left = file.sizes.top_margin % _CELL, file.sizes.left_margin % _CELL
    cell = np.roll(pattern, (-top, -left), (0, 1)).ravel()
    if sorted(cell) != [0, 1, 2, 3] or (cell[0] % 2) == (cell[1] % 2):
        raise DataError(f"the sensor's pattern is {[names[c] for c in cell]}; expected RGGB, BGGR, GRBG or GBRG")
    return tuple(int(c) for c in cell)


def _matrix(file: Any) -> NDArray[np.float64] | None:
    """Return linear sRGB from white-balanced camera colours as LibRaw computes it from the file or its own table."""
    matrix = np.asarray(file.color_matrix, dtype=np.float64)[:3, :3]
    known = np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-6  # noqa: PLR2004
    return matrix / matrix.sum(axis=1, keepdims=True) if known else None
