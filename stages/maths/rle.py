"""Masks as compressed run lengths, COCO's format for the exact area of an object."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Encode (H, W) as ``{"size": [H, W], "counts": text}``."""
    found = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(n) for n in found["size"]], "counts": found["counts"].decode("ascii")}


def decode(segmentation: list[list[float]] | dict[str, Any], height: int, width: int) -> NDArray[np.bool_]:
    """Decode polygons, compressed or plain run lengths to (H, W).

    Args:
        segmentation: COCO's ``segmentation``.
        height: of the picture; run lengths carry their own, which may differ.
        width: of the picture.

    Raises:
        ValueError: the polygons or run lengths are malformed.
    """
    try:
        if isinstance(segmentation, list):
            coded = coco.merge(coco.frPyObjects(segmentation, height, width))
        elif isinstance(segmentation["counts"], list):
            coded = coco.frPyObjects(segmentation, *segmentation["size"])
        else:
            coded = {**segmentation, "counts": segmentation["counts"].encode("ascii")}
        return np.asarray(coco.decode(coded), dtype=bool)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"segmentation cannot be decoded ({error})") from error
