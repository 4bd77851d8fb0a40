"""Takes an uncompressed 16-bit mosaic straight out of a DNG or TIFF: a copy, where LibRaw takes several."""

import numpy as np
from numpy.typing import NDArray

from stages.core.dng_tags import Directory
from stages.core.errors import DataError
from stages.core.tiff import Content

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _FORMAT = 256, 257, 258, 259, 277, 339
_STRIPS, _STRIP_ROWS, _TILES, _TILE_WIDTH, _TILE_HEIGHT = 273, 278, 324, 322, 323
_LINEARIZATION, _LAYOUT = 50712, 50711
_PLAIN = {_BITS: (16,), _COMPRESSION: (1,), _SAMPLES: (1,), _FORMAT: (1,), _LAYOUT: (1,)}
_BYTES = 2


def is_plain(directory: Directory) -> bool:
    """Tell whether the mosaic is stored as 16-bit numbers that mean what they say."""
    stated = {_COMPRESSION: (1,), _SAMPLES: (1,), _FORMAT: (1,), _LAYOUT: (1,), **directory}
    return all(stated.get(tag) == value for tag, value in _PLAIN.items()) and _LINEARIZATION not in directory


def mosaic(content: Content, order: str, directory: Directory, area: tuple[int, int, int, int]) -> NDArray[np.uint16]:
    """Copy the pixels of an area.

    Args:
        content: the file.
        order: its byte order, ``<`` or ``>``.
        directory: the one that ``is_plain``.
        area: top, left, bottom, right.

    Returns:
        (bottom - top, right - left) uint16, its own memory.

    Raises:
        DataError: the file ends before its pixels do, or its layout contradicts itself.
    """
    top, left, bottom, right = area
    offsets, rows, columns, (down, across) = _layout(directory)
    _refuse_beyond((bottom - top) * (right - left) * _BYTES, content)
    out: NDArray[np.uint16] = np.empty((bottom - top, right - left), np.uint16)
    if len(offsets) < down * across:
        raise DataError(
            f"the file states {len(offsets)} of its {down * across} strips or tiles; copy it again from the camera"
        )
    for number, offset in enumerate(offsets[: down * across]):
        y, x = number // across * rows, number % across * columns
        y0, y1, x0, x1 = max(y, top), min(y + rows, bottom), max(x, left), min(x + columns, right)
        if y0 >= y1 or x0 >= x1:
            continue
        _refuse_beyond(offset + (y1 - y) * columns * _BYTES, content)
        pixels = np.frombuffer(content, order + "u2", (y1 - y) * columns, offset).reshape(-1, columns)
        out[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y0 - y :, x0 - x : x1 - x]
    return out


def _refuse_beyond(end: int, content: Content) -> None:
    """Refuse a file that ends before its pixels do."""
    if end > len(content):
        raise DataError(
            f"the file is cut short: its pixels need {end} bytes, it has {len(content)}; copy it again from the camera"
        )


def _layout(directory: Directory) -> tuple[tuple[int, ...], int, int, tuple[int, int]]:
    """Return where each strip or tile begins, its rows and columns, and how many there are down and across."""
    (height,), (width,) = (_tuple(directory, tag) for tag in (_HEIGHT, _WIDTH))
    if _TILES in directory:
        offsets, rows, columns = (_tuple(directory, tag) for tag in (_TILES, _TILE_HEIGHT, _TILE_WIDTH))
        shape = rows[0], columns[0]
    else:
        offsets = _tuple(directory, _STRIPS)
        shape = min(_tuple(directory, _STRIP_ROWS)[0] if _STRIP_ROWS in directory else height, height), width
    if min(shape) < 1:
        raise DataError(f"the file states strips or tiles of {shape[1]} x {shape[0]} pixels, it is damaged; copy it again")
    return offsets, *shape, (-(-height // shape[0]), -(-width // shape[1]))


def _tuple(directory: Directory, tag: int) -> tuple[int, ...]:
    value = directory.get(tag)
    if not isinstance(value, tuple) or not value:
        raise DataError(f"the file lacks TIFF tag {tag}, it is damaged; copy it again from the camera")
    return tuple(int(n) for n in value)
