"""The one door through which pictures and masks are read and written."""

import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from stages.core.errors import DataError, decoding

RAW_SUFFIXES = frozenset({".dng", ".kdc", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"})
FORMATS = {  # as Pillow calls them, with the endings of their files; the content decides, and nothing else is opened
    "PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "TIFF": (".tif", ".tiff"), "BMP": (".bmp",), "WEBP": (".webp",),
    "GIF": (".gif",), "PPM": (".ppm", ".pgm"), "JPEG2000": (".jp2",), "AVIF": (".avif",),
}  # fmt: skip
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
_FOREIGN = {  # programs (Pillow hands PostScript to Ghostscript) and drawings
    b"%!PS": "PostScript", b"\xc5\xd0\xd3\xc6": "PostScript", b"%PDF": "PDF", b"\xd7\xcd\xc6\x9a": "WMF", b"<svg": "SVG",
}  # fmt: skip
IGNORE = 255
_ORIENTATION = 0x0112  # EXIF's tag
_LYING = (5, 6, 7, 8)  # its values by which width and height change places; others than 1 to 8 mean nothing
_SHOWN = 200
MAX_FILE_BYTES = 2**30  # no camera's file is a fifth of that; what is larger is no picture but would be held in memory


def image_id(content: bytes) -> str:
    """Name a picture by its content: the first 16 hex digits of SHA-256.

    Example:
        >>> image_id(b"")
        'e3b0c44298fc1c14'
    """
    return hashlib.sha256(content).hexdigest()[:16]


def is_raw(path: Path) -> bool:
    """Tell whether the file name is a camera file's."""
    return path.suffix.lower() in RAW_SUFFIXES


def regular(path: Path) -> Path:
    """Return the path of an ordinary file that fits into memory; a device, pipe or socket would never end.

    Raises:
        DataError: missing, out of reach, no ordinary file, or larger than ``MAX_FILE_BYTES``.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise DataError(f"{str(path)[:_SHOWN]!r} cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path} is no ordinary file but a {'folder' if stat.S_ISDIR(found.st_mode) else 'device or pipe'}")
    if found.st_size > MAX_FILE_BYTES:
        raise DataError(f"{path} has {found.st_size:,} bytes; a picture may have {MAX_FILE_BYTES:,}")
    return path


def read_file(path: Path) -> bytes:
    """Return a picture's bytes.

    Raises:
        DataError: see ``regular``.
    """
    try:
        return regular(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture as sRGB, its EXIF orientation applied.

    Args:
        path: one of ``FORMATS`` (not a camera file); 16-bit grey is scaled to 8 bit.

    Returns:
        (H, W, 3) uint8, srgb.

    Raises:
        DataError: the file is missing, empty, truncated or no picture.
    """
    content = read_file(path)
    try:
        return decode(content)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def decode(content: bytes) -> NDArray[np.uint8]:
    """Decode a picture from bytes; see ``read_image``."""
    with _opened(content) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode in ("I;16", "I;16B", "I"):
            grey = np.asarray(upright, dtype=np.float64)
            scale = 257.0 if upright.mode.startswith("I;16") or grey.max(initial=0) > 255 else 1.0  # noqa: PLR2004
            return np.repeat((grey / scale).clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)
        return np.ascontiguousarray(np.asarray(upright.convert("RGB"), dtype=np.uint8))


def upright_size(content: bytes) -> tuple[int, int]:
    """Return width and height of a picture, its EXIF orientation applied, without decoding its pixels.

    Raises:
        DataError: it is no picture, or its head is torn.
    """
    with _opened(content) as picture:
        turned = picture.format == "TIFF"  # Pillow gives the size of these as they come out
        lies = not turned and picture.getexif().get(_ORIENTATION, 1) in _LYING
        return (picture.height, picture.width) if lies else picture.size


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """Open a picture that is of one of ``FORMATS``; what its decoder raises in the block is the file's fault.

    Raises:
        DataError: it is empty, of another format, or cannot be decoded.
    """
    if not content:
        raise DataError("the file is empty")
    with decoding():
        try:
            picture = Image.open(BytesIO(content), formats=tuple(FORMATS))
        except UnidentifiedImageError as error:
            raise DataError(f"not a picture of a format that is read ({', '.join(FORMATS)}){_foreign(content)}") from error
        with picture:
            yield picture


def _foreign(content: bytes) -> str:
    found = [name for head, name in _FOREIGN.items() if content.startswith(head)]
    return f" but {found[0]}" if found else ""


def write_png(path: Path, image: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write a picture as PNG, the same bytes for the same array.

    Args:
        path: the file.
        image: (H, W, 3) srgb or (H, W) index uint8; or (H, W, 3) or (H, W, 4) uint16, whose channels are stored as they are
            (viewers take the fourth for opacity).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if image.dtype == np.uint8:
        Image.fromarray(image).save(path, format="PNG", compress_level=1)
        return
    import cv2  # noqa: PLC0415 - Pillow knows no 16-bit colour

    done, content = cv2.imencode(".png", image[..., _turned(image)], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise DataError(f"{path}: a picture {image.shape} {image.dtype} cannot be written as PNG")
    path.write_bytes(content.tobytes())


def read_deep(path: Path, num_channels: int) -> NDArray[np.uint16]:
    """Read a 16-bit PNG that ``write_png`` wrote: (H, W, C) uint16.

    Args:
        path: the file.
        num_channels: 3 or 4.

    Raises:
        DataError: missing, unreadable, not 16 bit, or another number of channels.
    """
    import cv2  # noqa: PLC0415 - Pillow knows no 16-bit colour

    content = np.frombuffer(read_file(path), np.uint8)
    with decoding(f"{path} cannot be decoded"):
        image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if image is None:
        raise DataError(f"{path} cannot be decoded; it is empty, torn or no picture")
    if image.dtype != np.uint16 or image.shape[2:] != (num_channels,):
        raise DataError(f"{path} is {image.dtype} {image.shape}; expected uint16 (H, W, {num_channels})")
    return np.ascontiguousarray(image[..., _turned(image)])


def _turned(image: NDArray[Any]) -> list[int]:
    """Return the order of channels that cv2 wants for red, green, blue (and a fourth), and back."""
    return [2, 1, 0, 3][: image.shape[2]]


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Read an index mask: (H, W) uint8, class index, 255 = ignore.

    Raises:
        DataError: missing, unreadable or not a single-channel picture.
    """
    content = read_file(path)
    try:
        return _indices(content)
    except DataError as error:
        raise DataError(f"{path}: no mask: {error}") from error


def _indices(content: bytes) -> NDArray[np.uint8]:
    with _opened(content) as picture:
        if picture.mode not in ("L", "P", "1"):
            raise DataError(f"it has mode {picture.mode}; expected a single channel of class indices")
        return np.array(picture, dtype=np.uint8)
