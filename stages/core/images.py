"""The one door through which pictures and masks are read and written."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from stages.core.errors import DataError

RAW_SUFFIXES = frozenset({".dng", ".kdc", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"})
IGNORE = 255


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


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture as sRGB, its EXIF orientation applied.

    Args:
        path: any format Pillow reads (not a camera file); 16-bit grey is scaled to 8 bit.

    Returns:
        (H, W, 3) uint8, srgb.

    Raises:
        DataError: the file is missing, empty, truncated or no picture.
    """
    try:
        return decode(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def decode(content: bytes) -> NDArray[np.uint8]:
    """Decode a picture from bytes; see ``read_image``."""
    if not content:
        raise DataError("the file is empty")
    try:
        with Image.open(BytesIO(content)) as picture:
            upright = ImageOps.exif_transpose(picture)
            if upright.mode in ("I;16", "I;16B", "I"):
                grey = np.asarray(upright, dtype=np.float64)
                scale = 257.0 if upright.mode.startswith("I;16") or grey.max(initial=0) > 255 else 1.0  # noqa: PLR2004
                return np.repeat((grey / scale).clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)
            return np.ascontiguousarray(np.asarray(upright.convert("RGB"), dtype=np.uint8))
    except UnidentifiedImageError as error:
        raise DataError("not a picture that Pillow can read") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot be decoded ({error})") from error


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

    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    try:
        image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    except cv2.error as error:
        raise DataError(f"{path} cannot be decoded ({' '.join(str(error).split())})") from error
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
    try:
        with Image.open(path) as picture:
            if picture.mode not in ("L", "P", "1"):
                raise DataError(f"{path}: mask has mode {picture.mode}; expected a single channel of class indices")
            return np.array(picture, dtype=np.uint8)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise DataError(f"{path}: mask cannot be decoded ({error})") from error
