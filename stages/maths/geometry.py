"""How a picture is brought to one size, and boxes, polygons and masks with it, there and back.

Coordinates are those of edges: a picture W pixels wide spans 0 to W, so a box maps by scale and offset alone. Masks take the
nearest pixel by its centre (cv2's INTER_NEAREST takes its corner and shifts a mask by up to half a pixel).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.maths import rle

Fit = Literal["stretch", "letterbox", "none"]


@dataclass(frozen=True)
class Placement:
    """Where a picture comes to lie on its canvas.

    Attributes:
        width: of the picture as it was.
        height: of the picture as it was.
        new_width: of the picture on the canvas.
        new_height: of the picture on the canvas.
        canvas_width: of the result.
        canvas_height: of the result.
        offset_x: left edge of the picture on the canvas.
        offset_y: top edge of the picture on the canvas.
    """

    width: int
    height: int
    new_width: int
    new_height: int
    canvas_width: int
    canvas_height: int
    offset_x: int = 0
    offset_y: int = 0

    @property
    def scale_x(self) -> float:
        """Canvas pixels per original pixel, across."""
        return self.new_width / self.width

    @property
    def scale_y(self) -> float:
        """Canvas pixels per original pixel, down."""
        return self.new_height / self.height


def place(width: int, height: int, fit: Fit, size_px: int | None, cell: int = 1) -> Placement:
    """Say how a picture is brought to size.

    Args:
        width: of the picture.
        height: of the picture.
        fit: ``stretch`` fills the square, ``letterbox`` keeps the shape and pads, ``none`` changes nothing.
        size_px: side of the square; None changes nothing.
        cell: side of the block of the picture's pixels that one pixel of its array stands for: where nothing is to be
            changed, the result has as many pixels as there are whole or broken blocks.

    Example:
        >>> at = place(200, 100, "letterbox", 50)
        >>> at.scale_x, at.new_width, at.new_height, at.offset_x, at.offset_y
        (0.25, 50, 25, 0, 12)
    """
    if fit == "none" or size_px is None:
        new = -(-width // cell), -(-height // cell)
        return Placement(width, height, *new, *new)
    if fit == "stretch":
        return Placement(width, height, size_px, size_px, size_px, size_px)
    longest = max(width, height)
    new_width, new_height = (max(1, round(side * size_px / longest)) for side in (width, height))
    return Placement(
        width, height, new_width, new_height, size_px, size_px, (size_px - new_width) // 2, (size_px - new_height) // 2
    )


def place_image(image: NDArray[Any], at: Placement, pad_value: float) -> NDArray[Any]:
    """Bring (H, W, C) to size: area average when it shrinks, bicubic when it grows; padding has one grey value.

    Args:
        image: uint8 or float32, the picture of ``at`` from edge to edge, whatever the size of its array: of a packed mosaic
            each pixel covers a cell of the picture.
        at: where it comes to lie.
        pad_value: of each channel in the padding.
    """
    if image.shape[:2] == (at.canvas_height, at.canvas_width) == (at.new_height, at.new_width):
        return image
    shrinks = at.new_width * at.new_height <= image.shape[1] * image.shape[0]
    resized = cv2.resize(image, (at.new_width, at.new_height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return _on_canvas(resized, at, pad_value)


def place_mask(mask: NDArray[np.uint8], at: Placement, pad_value: int) -> NDArray[np.uint8]:
    """Bring (H, W) class indices to size; ``pad_value`` is the index of what is ignored."""
    resized = cv2.resize(mask, (at.new_width, at.new_height), interpolation=cv2.INTER_NEAREST_EXACT)
    return _on_canvas(resized, at, pad_value)


def _on_canvas(image: NDArray[Any], at: Placement, value: float) -> NDArray[Any]:
    canvas = np.full((at.canvas_height, at.canvas_width, *image.shape[2:]), value, dtype=image.dtype)
    canvas[at.offset_y : at.offset_y + at.new_height, at.offset_x : at.offset_x + at.new_width] = image
    return canvas


def inside(canvas: NDArray[Any], at: Placement) -> NDArray[Any]:
    """Return the part of a canvas that is picture, without the padding."""
    return canvas[at.offset_y : at.offset_y + at.new_height, at.offset_x : at.offset_x + at.new_width]


def mask_back(mask: NDArray[np.uint8], at: Placement) -> NDArray[np.uint8]:
    """Bring a mask (h, w) from the canvas back to the picture as it was (H, W); bool masks as uint8."""
    return np.asarray(
        cv2.resize(np.ascontiguousarray(inside(mask, at)), (at.width, at.height), interpolation=cv2.INTER_NEAREST_EXACT)
    )


def boxes_to(boxes: NDArray[np.floating], at: Placement) -> NDArray[np.float64]:
    """Map boxes (N, 4) xyxy from the picture to the canvas."""
    scale = np.array([at.scale_x, at.scale_y] * 2)
    offset = np.array([at.offset_x, at.offset_y] * 2)
    return np.asarray(np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * scale + offset)


def boxes_back(boxes: NDArray[np.floating], at: Placement) -> NDArray[np.float64]:
    """Map boxes (N, 4) xyxy from the canvas to the picture; what lies on the padding is cut off."""
    scale = np.array([at.scale_x, at.scale_y] * 2)
    mapped = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) - np.array([at.offset_x, at.offset_y] * 2)) / scale
    return np.asarray(mapped.clip(0.0, np.array([at.width, at.height] * 2)))


def polygon_to(points: Sequence[float], at: Placement) -> list[float]:
    """Map a COCO polygon (x, y, x, y ...)."""
    pairs = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    mapped = pairs * (at.scale_x, at.scale_y) + (at.offset_x, at.offset_y)
    return [round(float(v), 4) for v in mapped.ravel()]


def place_annotation(mark: dict[str, Any], at: Placement) -> dict[str, Any]:
    """Map one COCO annotation: box, area, polygons or RLE; everything else stays.

    A box maps exactly. An RLE mask takes the nearest pixels and its area is counted again; it may end up empty.
    """
    x, y, width, height = mark["bbox"]
    left, top, right, bottom = boxes_to(np.array([[x, y, x + width, y + height]]), at)[0]
    placed = {**mark, "bbox": [round(float(v), 4) for v in (left, top, right - left, bottom - top)]}
    placed["area"] = round(float(mark.get("area", width * height)) * at.scale_x * at.scale_y, 4)
    segmentation = mark.get("segmentation")
    if isinstance(segmentation, dict):
        mask = place_mask(rle.decode(segmentation, at.height, at.width).astype(np.uint8), at, 0).astype(np.bool_)
        placed |= {"segmentation": rle.encode(mask), "area": int(mask.sum())}
    elif segmentation:
        placed["segmentation"] = [polygon_to(points, at) for points in segmentation]
    return placed
