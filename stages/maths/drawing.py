"""Boxes, masks and names drawn on pictures, and pictures laid side by side."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0.618034
_WHITE = (255, 255, 255)


def color(index: int) -> tuple[int, int, int]:
    """Return a bright srgb colour for a class; neighbours differ."""
    red, green, blue = colorsys.hsv_to_rgb((0.05 + index * _GOLDEN) % 1.0, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def enlarge(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Repeat each pixel ``factor`` times, so that drawing on it stays fine."""
    return np.ascontiguousarray(image.repeat(factor, axis=0).repeat(factor, axis=1))


def draw_box(image: NDArray[np.uint8], box: Sequence[float], name: str, tint: tuple[int, int, int]) -> None:
    """Draw a box xyxy and its name on the picture itself."""
    left, top, right, bottom = (round(v) for v in box)
    cv2.rectangle(image, (left, top), (right - 1, bottom - 1), tint, 2)
    draw_text(image, name, left + 3, max(12, top + 12))


def draw_text(image: NDArray[np.uint8], text: str, left: int, base: int, tint: tuple[int, int, int] = _WHITE) -> None:
    """Write ASCII on the picture itself, dark around the letters; ``base`` is the y of the letters' foot."""
    for hue, thickness in (((0, 0, 0), 3), (tint, 1)):
        cv2.putText(image, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, 0.42, hue, thickness, cv2.LINE_AA)


def draw_mask(image: NDArray[np.uint8], mask: NDArray[np.bool_], tint: tuple[int, int, int]) -> None:
    """Tint the pixels of a mask (H, W) on the picture itself and draw their outline."""
    image[mask] = (0.5 * image[mask] + 0.5 * np.array(tint)).astype(np.uint8)
    outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, outline, -1, tint, 1)


def grid(rows: Sequence[Sequence[NDArray[np.uint8]]], gap: int = 6) -> NDArray[np.uint8]:
    """Lay pictures (H, W, 3) in rows on white; a shorter row or smaller picture leaves white."""
    height = max(tile.shape[0] for row in rows for tile in row) + gap
    width = max(tile.shape[1] for row in rows for tile in row) + gap
    sheet = np.full((gap + height * len(rows), gap + width * max(len(row) for row in rows), 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            top, left = gap + y * height, gap + x * width
            sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet
