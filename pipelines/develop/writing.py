"""Writes what was developed: pictures for people, numbers for programs.

sRGB is 8 bit: JPEG (quality 95, colours at full resolution), PNG or TIFF. Linear light is TIFF of 32-bit floats, 1 = white,
or of 16 bit, 65535 = white and what lies outside cut. Packed mosaics have four channels: TIFF of floats, or npy. TIFF is not
compressed: it is written ten times as fast as the rest of the chain takes. Equal content gives equal bytes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import files, images
from stages.core.errors import DataError, InfrastructureError, ParamsError, nearest

QUALITY = 95
KINDS = {"jpg": ".jpg", "png": ".png", "tiff": ".tif", "tiff16": ".tif", "npy": ".npy"}
BY_OUTPUT = {  # the first is the default
    "srgb": ("jpg", "png", "tiff", "npy"),
    "linear_rgb": ("tiff", "tiff16", "npy"),
    "packed_raw": ("tiff", "npy"),
}
_MEANING = {"uint8": "sRGB", "float32": "linear; 0 is black, 1 is white", "uint16": "linear; 0 is black, 65535 is white"}


def kind(output: str, wanted: str | None) -> str:
    """Return how an output is written.

    Raises:
        ParamsError: the format cannot hold this output.
    """
    known = BY_OUTPUT[output]
    if wanted is None or wanted in known:
        return wanted or known[0]
    raise ParamsError(f"--format is '{wanted}', which does not go with {output}; {nearest(wanted, known)}")


def write(target: Path, image: NDArray[Any], kind: str) -> None:
    """Write a developed picture atomically.

    Args:
        target: the file.
        image: (H, W, 3) uint8 srgb, or (H, W, 3 or 4) float32, uint16 for ``tiff16``.
        kind: one of ``KINDS``.

    Raises:
        DataError: the folder cannot be written to.
        InfrastructureError: the disk is full.
    """
    try:
        with files.atomic(target) as temporary:
            _WRITERS[kind](temporary, image)
    except InfrastructureError:
        raise
    except OSError as error:
        raise DataError(f"{target} cannot be written ({error.strerror or error})") from error


def _jpg(target: Path, image: NDArray[Any]) -> None:
    import cv2  # noqa: PLC0415 - only where it is needed

    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, content = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    target.write_bytes(content.tobytes())


def _tiff(target: Path, image: NDArray[Any]) -> None:
    import tifffile  # noqa: PLC0415 - only where it is needed

    tifffile.imwrite(
        target,
        image,
        photometric="rgb",
        planarconfig="contig",
        extrasamples=None if image.shape[2] == len("RGB") else ["unspecified"],
        metadata=None,
        software=False,
        description=_MEANING[str(image.dtype)],
    )


def _npy(target: Path, image: NDArray[Any]) -> None:
    np.save(target, image, allow_pickle=False)


_WRITERS: dict[str, Callable[[Path, NDArray[Any]], None]] = {
    "jpg": _jpg,
    "png": images.write_png,
    "tiff": _tiff,
    "tiff16": _tiff,
    "npy": _npy,
}
