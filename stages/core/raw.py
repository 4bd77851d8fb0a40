"""Reads camera files: the mosaic as the sensor delivered it, and what the file says about it.

LibRaw (through rawpy) decodes and tells the metadata; nothing is developed here. The mosaic is the sensor's active area
(LibRaw leaves out one line more where a margin is odd), its pattern the one at the mosaic's own origin. Camera name and ISO
come from the TIFF tags, because the binding leaves them out.
"""

import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
from numpy.typing import NDArray

from stages.core import images
from stages.core.errors import DataError

_TIFF_HEADS = (b"II*\x00", b"MM\x00*", b"II\x55\x00", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW")
_MODEL, _ISO, _EXIF, _DNG_MODEL = 272, 34855, 34665, 50708
_HEADER = 8
_ASCII, _WHOLE = 2, {3: "H", 4: "I"}
_QUARTER_TURNS = {0: 0, 3: 2, 5: 1, 6: 3}  # LibRaw's flip: counter-clockwise quarter turns that make the picture upright
_CELL = 2


class UnknownCameraError(DataError):
    """The content is no camera file that LibRaw knows; it may be a picture of another kind."""


@dataclass(frozen=True)
class Frame:
    """A camera file, decoded.

    Attributes:
        mosaic: (H, W) uint16 digital numbers of the active area, not turned yet.
        pattern: colours of the 2 x 2 cell at the mosaic's origin, in reading order: RGGB, BGGR, GRBG or GBRG.
        black_level: (4,) of each position of the cell in reading order, in digital numbers.
        white_level: digital number of saturation.
        camera_gains: (3,) white balance the camera chose, green = 1; None where the file has none that is usable.
        srgb_from_camera: (3, 3) linear sRGB from white-balanced camera colours, each row's sum 1; None where unknown.
        quarter_turns: counter-clockwise quarter turns that make the picture upright.
        camera: name, or None.
        iso: sensitivity, or None.
    """

    mosaic: NDArray[np.uint16]
    pattern: str
    black_level: tuple[float, float, float, float]
    white_level: float
    camera_gains: tuple[float, float, float] | None
    srgb_from_camera: NDArray[np.float64] | None
    quarter_turns: int = 0
    camera: str | None = None
    iso: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        height, width = self.mosaic.shape
        return (height, width) if self.quarter_turns % 2 else (width, height)


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
    try:
        return _decode(source.read_bytes())
    except OSError as error:
        raise DataError(f"{source} cannot be read ({error.strerror})") from error
    except DataError as error:
        raise DataError(f"{source}: {error}") from error


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


def _decode(content: bytes) -> Frame:
    if not content:
        raise DataError("the file is empty")
    try:
        with rawpy.imread(BytesIO(content)) as file:
            return _frame(file, _tags(content))
    except rawpy.LibRawFileUnsupportedError as error:
        raise UnknownCameraError("no camera file that LibRaw knows") from error
    except rawpy.LibRawError as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise DataError(f"camera file cannot be decoded, it may be cut short ({reason})") from error


def _frame(file: Any, tags: dict[int, Any]) -> Frame:
    cell = _cell(file)
    pattern = "".join("RGBG"[c] for c in cell)
    blacks = file.black_level_per_channel
    model = str(tags.get(_DNG_MODEL) or tags.get(_MODEL) or "").strip("\x00 ")
    iso = tags.get(_ISO) or file.other.iso_speed
    return Frame(
        mosaic=file.raw_image_visible.copy(),
        pattern=pattern,
        black_level=(float(blacks[cell[0]]), float(blacks[cell[1]]), float(blacks[cell[2]]), float(blacks[cell[3]])),
        white_level=float(file.white_level),
        camera_gains=usable_gains(file.camera_whitebalance),
        srgb_from_camera=_matrix(file),
        quarter_turns=_QUARTER_TURNS.get(file.sizes.flip, 0),
        camera=model or None,
        iso=int(iso) if isinstance(iso, (int, float)) and iso > 0 else None,
    )


def _cell(file: Any) -> tuple[int, ...]:
    """Return LibRaw's colour numbers (second green is 3) of the 2 x 2 cell at the origin of the active area."""
    if file.raw_type != rawpy.RawType.Flat or file.raw_pattern is None:
        raise DataError("the file holds developed or stacked colours, no mosaic of one colour per pixel")
    names = file.color_desc.decode()
    pattern = file.raw_pattern
    if pattern.shape != (_CELL, _CELL) or names != "RGBG" or file.num_colors != len("RGB"):
        shape = " x ".join(map(str, pattern.shape))
        raise DataError(
            f"the sensor's pattern is {shape} of '{names}', no Bayer pattern (X-Trans, monochrome or four colours)"
        )
    top, left = file.sizes.top_margin % _CELL, file.sizes.left_margin % _CELL
    cell = np.roll(pattern, (-top, -left), (0, 1)).ravel()
    if sorted(cell) != [0, 1, 2, 3] or (cell[0] % 2) == (cell[1] % 2):
        raise DataError(f"the sensor's pattern is {[names[c] for c in cell]}; expected RGGB, BGGR, GRBG or GBRG")
    return tuple(int(c) for c in cell)


def usable_gains(gains: Any) -> tuple[float, float, float] | None:
    """Return red, green and blue gains with green = 1, or None where they say nothing.

    Files without a white balance state zeros, NaN or four ones.

    Example:
        >>> usable_gains([2.0, 1.0, 1.5, 0.0]), usable_gains([1.0, 1.0, 1.0, 1.0]), usable_gains([0.0, 1.0, 0.0, 0.0])
        ((2.0, 1.0, 1.5), None, None)
    """
    values = np.asarray(gains, dtype=np.float64)[:3]
    if values.shape != (3,) or not np.isfinite(values).all() or (values <= 0).any() or np.ptp(values) == 0:
        return None
    red, green, blue = (round(float(v), 6) for v in values / values[1])
    return red, green, blue


def _matrix(file: Any) -> NDArray[np.float64] | None:
    """Return linear sRGB from white-balanced camera colours as LibRaw computes it from the file or its own table."""
    matrix = np.asarray(file.color_matrix, dtype=np.float64)[:3, :3]
    known = np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-6  # noqa: PLR2004
    return matrix / matrix.sum(axis=1, keepdims=True) if known else None


def _tags(content: bytes) -> dict[int, str | int]:
    """Return text and whole numbers among the TIFF tags of the first directory and of EXIF.

    Name and ISO are a courtesy: where the file is built otherwise or its tags are broken, they are left out.
    """
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None or len(content) < _HEADER:
        return {}
    found = _directory(content, order, struct.unpack_from(order + "I", content, 4)[0])
    if isinstance(at := found.get(_EXIF), int):
        found = {**_directory(content, order, at), **found}
    return found


def _directory(content: bytes, order: str, at: int) -> dict[int, str | int]:
    """Read one TIFF directory (TIFF 6.0, section 2): text, and the first of whole numbers."""
    found: dict[int, str | int] = {}
    try:
        for entry in range(struct.unpack_from(order + "H", content, at)[0]):
            place = at + 2 + 12 * entry
            tag, kind, count = struct.unpack_from(order + "HHI", content, place)
            if kind == _ASCII:
                start = place + 8 if count <= 4 else struct.unpack_from(order + "I", content, place + 8)[0]  # noqa: PLR2004
                found[tag] = content[start : start + count].split(b"\0")[0].decode("utf-8", "replace").strip()
            elif kind in _WHOLE and count:
                found[tag] = struct.unpack_from(order + _WHOLE[kind], content, place + 8)[0]
    except struct.error:
        pass  # the directory leads out of the file: what was read so far will do
    return found
