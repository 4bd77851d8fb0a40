"""Arithmetic of boxes given as x, y, width, height in pixels."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
_PAIRS = 2**18  # held at a time: 2 MB a table


def clip(box: Box, width: int, height: int) -> Box:
    """Cut a box at the picture's border; what lies outside altogether has no area left.

    Example:
        >>> clip((-2, 5, 10, 10), 20, 12)
        (0.0, 5.0, 8.0, 7.0)
    """
    x, y, w, h = box
    left, top = min(max(x, 0.0), width), min(max(y, 0.0), height)
    right, bottom = min(max(x + w, 0.0), width), min(max(y + h, 0.0), height)
    return (float(left), float(top), float(right - left), float(bottom - top))


def iou(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return intersection over union of every pair.

    Args:
        boxes: (N, 4) x, y, width, height.
        others: (M, 4).

    Returns:
        (N, M); 0 where both boxes have no area.
    """
    common = np.ones((len(boxes), len(others)))
    for axis in (0, 1):
        from_, to = boxes[:, axis, None], (boxes[:, axis] + boxes[:, axis + 2])[:, None]
        common *= (np.minimum(to, others[:, axis] + others[:, axis + 2]) - np.maximum(from_, others[:, axis])).clip(0)
    union = (boxes[:, 2] * boxes[:, 3])[:, None] + others[:, 2] * others[:, 3] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))


def overlapping(boxes: NDArray[np.float64], least: float) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.float64]]]:
    """Yield each box that overlaps earlier ones, with their places and IoU; a few rows of pairs are held at a time.

    Args:
        boxes: (N, 4) x, y, width, height.
        least: IoU from which two overlap.
    """
    start = 0
    while start < len(boxes):
        stop = min(len(boxes), start + max(1, _PAIRS // len(boxes)))
        found = iou(boxes[start:stop], boxes[:stop])
        for later in start + np.flatnonzero((found >= least).sum(axis=1)):
            row = found[later - start, :later]
            if (earlier := np.flatnonzero(row >= least)).size:
                yield int(later), earlier, row[earlier]
        start = stop
