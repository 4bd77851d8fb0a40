"""Reads camera files: the mosaic as the sensor delivered it, and what the file says about it.

LibRaw decodes; nothing is developed here. An uncompressed DNG or TIFF mosaic is copied straight out of the file instead,
several times as fast. Both ways give the same frame. The mosaic is the sensor's active area without the first line where a
margin is odd, as LibRaw cuts it (DefaultCrop is for showing, and not applied); its pattern and levels are those at the
mosaic's own origin. What the tags of a DNG state about levels, white balance and colours is taken from them, because LibRaw
passes over AsShotWhiteXY and large black patterns and knows no white point; for all other files LibRaw tells it.
"""

import mmap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import dng_tags, images, libraw, tiff, uncompressed
from stages.core.errors import DataError
from stages.core.frame import Frame
from stages.core.libraw import UnknownCameraError
from stages.maths import bayer, calibration, orientation

__all__ = ["Frame", "UnknownCameraError", "read", "read_any"]

_TIFF_HEADS = (b"II*\x00", b"MM\x00*", b"II\x55\x00", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW")
_MODEL, _ISO, _DNG_MODEL, _ORIENTATION = 272, 34855, 50708, 274
_CELL = 2


def _maybe_raw(content: bytes) -> bool:
    """Tell by the first bytes whether this may be a camera file (an ordinary TIFF looks the same)."""
    return content.startswith(_TIFF_HEADS) or content[4:12] == b"ftypcrx "


def read(source: Path | bytes) -> Frame:
    """Decode a camera file.

    Args:
        source: the file or its content.

    Raises:
        DataError: missing, empty, truncated, of no known camera, or its sensor has no Bayer pattern; a path is named.
    """
    if isinstance(source, bytes):
        return _decode(source)
    images.regular(source)
    try:
        with source.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if source.stat().st_size else b""
        return _decode(content)
    except OSError as error:
        raise DataError(f"{source} cannot be read ({error.strerror})") from error
    except DataError as error:
        raise type(error)(f"{source}: {error}") from error


def read_any(picture: Path | bytes | NDArray[Any]) -> "NDArray[np.uint8] | Frame":
    """Read a camera file as its frame, any other picture as (H, W, 3) uint8 srgb.

    Args:
        picture: a file, its content, or (H, W, 3) or (H, W) uint8 srgb.

    Raises:
        DataError: it cannot be read; a path is named.
    """
    if isinstance(picture, Path):
        return read(picture) if images.is_raw(picture) else images.read_image(picture)
    if isinstance(picture, bytes):
        try:
            return read(picture) if _maybe_raw(picture) else images.decode(picture)
        except UnknownCameraError:
            return images.decode(picture)  # an ordinary TIFF begins like a camera file
    if picture.dtype != np.uint8 or picture.shape[2:] not in ((), (3,)) or picture.ndim == 1 or not picture.size:
        raise DataError(f"the picture is {picture.dtype} {picture.shape}; expected uint8 (H, W, 3) or (H, W)")
    return np.ascontiguousarray(picture if picture.ndim == len("HWC") else np.repeat(picture[..., None], 3, axis=2))


def _decode(content: tiff.Content) -> Frame:
    if not len(content):
        raise DataError("the file is empty; copy it again from the camera")
    tags = tiff.read(content)
    stated = dng_tags.read(tags) if tags else None
    if tags and stated and stated.pattern and uncompressed.is_plain(stated.directory):
        return _direct(content, tags, stated)
    if stated:
        uncompressed.refuse_cut(content, stated.directory)  # LibRaw would print a line of its own
    frame = libraw.decode(content)
    return _with_stated(frame, tags, stated) if tags else frame


def _direct(content: tiff.Content, tags: tiff.Tiff, stated: dng_tags.Stated) -> Frame:
    """Take the mosaic as it stands in the file, cut as LibRaw cuts it."""
    top, left, bottom, right = stated.area
    area = (top + top % _CELL, left + left % _CELL, bottom, right)
    if area[0] >= bottom or area[1] >= right:
        raise DataError(f"the active area {stated.area} holds no whole cell of the pattern")
    highest = (1 << uncompressed.num_bits(stated.directory)) - 1
    frame = Frame(
        mosaic=uncompressed.mosaic(content, tags.order, stated.directory, area),
        pattern=bayer.crop(str(stated.pattern), top, left),
        black_level=(0.0, 0.0, 0.0, 0.0),
        white_level=float(highest),
        camera_gains=None,
        srgb_from_camera=None,
        orientation=_orientation(tags),
    )
    return _with_stated(frame, tags, stated)


def _with_stated(frame: Frame, tags: tiff.Tiff, stated: dng_tags.Stated | None) -> Frame:
    """Complete a frame by what the tags say."""
    iso = int(tags.number(_ISO) or 0)
    frame = replace(frame, camera=tags.text(_DNG_MODEL, _MODEL), iso=iso if iso > 0 else frame.iso)
    if stated is None:
        return frame
    gains = stated.gains or frame.camera_gains
    if stated.white_level is not None:
        frame = replace(frame, white_level=float(stated.white_level))
    if stated.black_level is not None:
        frame = replace(frame, black_level=_at_origin(stated.black_level, stated.area))
    if any(len(deltas) for deltas in stated.black_deltas):
        frame = _without_deltas(frame, stated)
    if stated.calibration is None:
        return replace(frame, camera_gains=gains)
    try:
        matrix = calibration.srgb_from_camera(stated.calibration, gains)
    except ValueError:
        matrix = calibration.srgb_from_camera(
            stated.calibration, None
        )  # the white balance is no light's: a whim of the user
    return replace(frame, camera_gains=gains, srgb_from_camera=matrix, calibration=stated.calibration)


def _orientation(tags: tiff.Tiff) -> int:
    stated = tags.number(_ORIENTATION)
    return int(stated) if stated is not None and orientation.is_known(int(stated)) else orientation.UPRIGHT


def _at_origin(levels: tuple[float, ...], area: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """Move levels of the active area's first cell to the mosaic's, which begins a line later where a margin is odd."""
    moved = np.roll(np.reshape(levels, (_CELL, _CELL)), (-(area[0] % _CELL), -(area[1] % _CELL)), (0, 1))
    first, second, third, fourth = (float(level) for level in moved.ravel())
    return first, second, third, fourth


def _without_deltas(frame: Frame, stated: dng_tags.Stated) -> Frame:
    """Work BlackLevelDeltaV and H, a black level of each row and column, into the pixels that are not saturated.

    Their mean goes to the black level, so that hardly anything falls below 0; what is left is rounded to digital numbers.
    """
    down, across = (deltas[area % _CELL :] for deltas, area in zip(stated.black_deltas, stated.area[:2], strict=True))
    mean = sum(float(deltas.mean()) for deltas in (down, across) if len(deltas))
    shift = np.zeros(frame.mosaic.shape) + mean
    shift -= down[:, None] if len(down) else 0
    shift -= across[None, :] if len(across) else 0
    moved = (frame.mosaic + shift).round().clip(0, np.iinfo(np.uint16).max).astype(np.uint16)
    mosaic = np.where(frame.mosaic < frame.white_level, moved, frame.mosaic)
    first, second, third, fourth = (level + mean for level in _at_origin(stated.black_level or (0.0,) * 4, stated.area))
    return replace(frame, mosaic=mosaic, black_level=(first, second, third, fourth))
