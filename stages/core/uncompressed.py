"""Takes an uncompressed mosaic of 8 to 16 bits straight out of a DNG or TIFF, in one pass, where LibRaw takes several."""

import numpy as np
from numpy.typing import NDArray

from stages.core.dng_tags import Directory
from stages.core.errors import DataError
from stages.core.tiff import Content
from stages.maths.bit_packing import unpack

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _FORMAT = 256, 257, 258, 259, 277, 339
_STRIPS, _STRIP_ROWS, _TILES, _TILE_WIDTH, _TILE_HEIGHT = 273, 278, 324, 322, 323
_STRIP_BYTES, _TILE_BYTES = 279, 325
_FILL_ORDER, _LINEARIZATION, _LAYOUT = 266, 50712, 50711
_PLAIN = {_COMPRESSION: (1,), _SAMPLES: (1,), _FORMAT: (1,), _LAYOUT: (1,), _FILL_ORDER: (1,)}
_LEAST_BITS, _MOST_BITS, _FILE_END = 8, 16, 2**32


def is_plain(directory: Directory) -> bool:
    """Tell whether the mosaic is stored as whole numbers that mean what they say."""
    stated = {**_PLAIN, **directory}
    plain = all(stated[tag] == value for tag, value in _PLAIN.items()) and _LINEARIZATION not in directory
    return plain and _LEAST_BITS <= num_bits(directory) <= _MOST_BITS


def num_bits(directory: Directory) -> int:
    """Return the bits of a pixel, 0 where there are several samples or none is stated."""
    value = directory.get(_BITS)
    return int(value[0]) if isinstance(value, tuple) and len(value) == 1 else 0


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
    bits = num_bits(directory)
    row_bytes = (columns * bits + 7) // 8
    _refuse_beyond((bottom - top) * ((right - left) * bits // 8), content)
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
        _refuse_beyond(offset + (y1 - y) * row_bytes, content)
        rows_read = np.frombuffer(content, np.uint8, (y1 - y) * row_bytes, offset).reshape(-1, row_bytes)
        out[y0 - top : y1 - top, x0 - left : x1 - left] = _numbers(rows_read, order, bits, columns)[
            y0 - y :, x0 - x : x1 - x
        ]
    return out


def refuse_cut(content: Content, directory: Directory) -> None:
    """Refuse a file that ends before its compressed strips or tiles do; others may state any number of bytes.

    Raises:
        DataError: what the file needs and what it has.
    """
    places, sizes = (_TILES, _TILE_BYTES) if _TILES in directory else (_STRIPS, _STRIP_BYTES)
    offsets, counts = (directory.get(tag) for tag in (places, sizes))
    compressed = directory.get(_COMPRESSION, (1,)) != (1,)
    if compressed and isinstance(offsets, tuple) and isinstance(counts, tuple):
        _refuse_beyond(int(max((sum(part) for part in zip(offsets, counts, strict=False)), default=0)), content)


def _numbers(rows: NDArray[np.uint8], order: str, bits: int, columns: int) -> NDArray[np.uint16]:
    """Return bytes as numbers: whole ones in the file's byte order, or packed ones, most significant bit first."""
    if bits == _MOST_BITS:
        return rows.view(order + "u2")
    out: NDArray[np.uint16] = np.empty((len(rows), columns), np.uint16)
    unpack(rows, bits, out)
    return out


def _refuse_beyond(end: int, content: Content) -> None:
    """Refuse a file that ends before its pixels do."""
    if end > len(content):
        raise DataError(
            f"the file is cut short: its pixels need {end} bytes, it has {len(content)}; copy it again from the camera"
        )


def _layout(directory: Directory) -> tuple[tuple[int, ...], int, int, tuple[int, int]]:
    """Return where each strip or tile begins, its rows and columns, and how many there are down and across."""
    height, width = (_numbers_of(directory, tag)[0] for tag in (_HEIGHT, _WIDTH))
    if _TILES in directory:
        offsets, rows, columns = (_numbers_of(directory, tag) for tag in (_TILES, _TILE_HEIGHT, _TILE_WIDTH))
        shape = rows[0], columns[0]
    else:
        offsets = _numbers_of(directory, _STRIPS)
        shape = min(_numbers_of(directory, _STRIP_ROWS)[0] if _STRIP_ROWS in directory else height, height), width
    if min(shape) < 1:
        raise DataError(f"the file states strips or tiles of {shape[1]} x {shape[0]} pixels, it is damaged; copy it again")
    return offsets, *shape, (-(-height // shape[0]), -(-width // shape[1]))


def _numbers_of(directory: Directory, tag: int) -> tuple[int, ...]:
    value = directory.get(tag)
    if not isinstance(value, tuple) or not value or not all(0 <= n < _FILE_END for n in value):
        raise DataError(f"the file's TIFF tag {tag} is {value}, it is damaged; copy it again from the camera")
    return tuple(int(n) for n in value)
