"""Masks as polygons and run lengths, COCO's two ways to write down the exact area of an object."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

Segmentation = list[list[float]] | dict[str, Any]
_MOST_PIXELS = 2**31  # pycocotools counts in 32 bit
_SMALLEST_RING = 6  # three corners


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Encode (H, W) as ``{"size": [H, W], "counts": text}``."""
    return _plain(coco.encode(np.asfortranarray(mask.astype(np.uint8))))


def compress(segmentation: Segmentation) -> Segmentation:
    """Return run lengths in compressed form; polygons stay as they are.

    Raises:
        ValueError: the run lengths are malformed.
    """
    if isinstance(segmentation, dict) and isinstance(segmentation.get("counts"), list):
        return _plain(_coded(segmentation, 0, 0))
    return segmentation


def size(segmentation: Segmentation) -> tuple[int, int] | None:
    """Return (height, width) that run lengths state; None for polygons.

    Raises:
        ValueError: the size is missing or malformed.
    """
    if isinstance(segmentation, list):
        return None
    try:
        height, width = segmentation["size"]
        return int(height), int(width)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError("run lengths without a size") from error


def decode(segmentation: Segmentation, height: int, width: int) -> NDArray[np.bool_]:
    """Decode polygons or run lengths to (H, W).

    Args:
        segmentation: COCO's ``segmentation``.
        height: of the picture; run lengths carry their own, which may differ.
        width: of the picture.

    Raises:
        ValueError: the polygons or run lengths are malformed.
    """
    return np.asarray(coco.decode(_coded(segmentation, height, width)), dtype=bool)


def area(segmentation: Segmentation, height: int, width: int) -> int:
    """Return the number of pixels; see ``decode``."""
    return int(coco.area(_coded(segmentation, height, width)))


def shared_area(segmentations: Sequence[Segmentation], height: int, width: int) -> int:
    """Return by how many pixels the areas together exceed the area of their union.

    Example:
        >>> square = [[0.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0]]
        >>> shared_area([square, square], 8, 8)
        16
    """
    coded = [_coded(segmentation, height, width) for segmentation in segmentations]
    if len(coded) < 2:  # noqa: PLR2004
        return 0
    each = sum(int(coco.area(one)) for one in coded)  # a list of more than 255 overflows in pycocotools 2.0.11
    return each - int(coco.area(coco.merge(coded)))


def _plain(coded: dict[str, Any]) -> dict[str, Any]:
    return {"size": [int(n) for n in coded["size"]], "counts": coded["counts"].decode("ascii")}


def _coded(segmentation: Segmentation, height: int, width: int) -> dict[str, Any]:
    """Return pycocotools' form."""
    try:
        if isinstance(segmentation, list):
            return _from_polygons(segmentation, height, width)
        return _from_counts(segmentation["counts"], *(size(segmentation) or (height, width)))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(f"the segmentation cannot be decoded ({error})") from error


def _from_polygons(rings: list[list[float]], height: int, width: int) -> dict[str, Any]:
    if not rings or any(len(ring) < _SMALLEST_RING or len(ring) % 2 for ring in rings):
        raise ValueError("a polygon needs three corners or more, two numbers each")
    found: dict[str, Any] = coco.merge(coco.frPyObjects(rings, height, width))
    return found


def _from_counts(counts: Any, height: int, width: int) -> dict[str, Any]:
    if not 0 <= height * width < _MOST_PIXELS:
        raise ValueError("they state more pixels than a picture has")
    if isinstance(counts, list):
        if sum(counts) != height * width:
            raise ValueError(f"run lengths cover {sum(counts)} of {height * width} pixels")
        found: dict[str, Any] = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        return found
    coded = {"size": [height, width], "counts": counts.encode("ascii")}
    coco.decode(coded)
    return coded
