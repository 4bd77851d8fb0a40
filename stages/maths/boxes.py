"""Arithmetic of boxes given as x, y, width, height in pixels."""

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


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


def iou(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return intersection over union of every pair.

    Args:
        boxes: (N, 4) x, y, width, height.

    Returns:
        (N, N); 0 where both boxes have no area.
    """
    low, high = boxes[:, None, :2], boxes[:, None, :2] + boxes[:, None, 2:]
    sides = (np.minimum(high, high.transpose(1, 0, 2)) - np.maximum(low, low.transpose(1, 0, 2))).clip(0)
    common = sides.prod(axis=2)
    area = boxes[:, 2] * boxes[:, 3]
    union = area[:, None] + area[None, :] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))
