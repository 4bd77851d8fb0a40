"""Draws answers into pictures: boxes, masks and names."""

from collections.abc import Mapping
from colorsys import hsv_to_rgb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

OPACITY = 0.45
TOP = 3
GOLDEN = 0.618034  # neighbouring classes get colours far apart

Picture = NDArray[np.uint8]


def colour(index: int) -> tuple[int, int, int]:
    """Return the colour of a class, the same in every picture."""
    red, green, blue = hsv_to_rgb((0.02 + index * GOLDEN) % 1, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw(image: Picture, task: str, classes: list[str], answer: Mapping[str, Any]) -> Picture:
    """Return the picture with a model's answer drawn in.

    Small pictures are enlarged (by a whole factor, nearest pixel) so that names can be read.

    Args:
        image: (H, W, 3) uint8 srgb, the original.
        task: ``classify``, ``detect``, ``instance`` or ``segment``.
        classes: their names, in order.
        answer: what ``served.Rawline.predict`` returned for it.
    """
    scale = max(1, round(480 / max(image.shape[:2])))
    size = max(14, max(image.shape[:2]) * scale // 40)
    painted = _masks(image, task, answer)
    canvas = Image.fromarray(np.repeat(np.repeat(painted, scale, 0), scale, 1))
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size)
    if task == "classify":
        best = sorted(answer["scores"].items(), key=lambda item: -item[1])[:TOP]
        _legend(pen, font, [(f"{name} {score:.2f}", colour(classes.index(name))) for name, score in best])
    elif task == "segment":
        areas = [(name, area) for name, area in answer["areas"].items() if area > 0]
        _legend(pen, font, [(f"{name} {area:.1%}", _mask_colour(classes.index(name))) for name, area in areas])
    else:
        _boxes(pen, font, answer, scale)
    return np.asarray(canvas)


def _mask_colour(index: int) -> tuple[int, int, int]:
    return (255, 255, 255) if index == 0 else colour(index - 1)


def _masks(image: Picture, task: str, answer: Mapping[str, Any]) -> Picture:
    """Tint the pixels of each class or object."""
    painted = image.astype(np.float64)
    if task == "segment":
        mask = np.asarray(answer["mask"])
        for index in np.unique(mask[mask > 0]):
            painted[mask == index] += OPACITY * (np.array(_mask_colour(int(index))) - painted[mask == index])
    for mask, label in zip(answer.get("masks", ()), answer.get("labels", ()), strict=False):
        painted[mask] += OPACITY * (np.array(colour(int(label) - 1)) - painted[mask])
    return painted.round().clip(0, 255).astype(np.uint8)


def _boxes(pen: ImageDraw.ImageDraw, font: Any, answer: Mapping[str, Any], scale: int) -> None:
    """Draw the boxes, the surest last so that it lies on top."""
    width = max(2, pen.im.size[0] // 240)
    for index in np.argsort(answer["scores"], kind="stable"):
        left, top, right, bottom = (float(v) * scale for v in answer["boxes"][index])
        shade = colour(int(answer["labels"][index]) - 1)
        pen.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=shade, width=width)
        _name(pen, font, (left, top), f"{answer['names'][index]} {answer['scores'][index]:.2f}", shade)


def _name(pen: ImageDraw.ImageDraw, font: Any, at: tuple[float, float], text: str, shade: tuple[int, int, int]) -> None:
    """Write a name above a box, or inside it where there is no room above."""
    _, _, across, down = pen.textbbox((0, 0), text, font=font)
    x = min(at[0], max(0, pen.im.size[0] - across - 4))
    y = at[1] - down - 4 if at[1] >= down + 4 else at[1]
    pen.rectangle((x, y, x + across + 4, y + down + 4), fill=shade)
    pen.text((x + 2, y + 1), text, fill=_ink(shade), font=font)


def _legend(pen: ImageDraw.ImageDraw, font: Any, lines: list[tuple[str, tuple[int, int, int]]]) -> None:
    y = 4.0
    for text, shade in lines:
        _, _, across, down = pen.textbbox((0, 0), text, font=font)
        pen.rectangle((4, y, across + 12, y + down + 6), fill=shade)
        pen.text((8, y + 2), text, fill=_ink(shade), font=font)
        y += down + 8


def _ink(shade: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return black or white, whichever can be read on a colour (ITU-R BT.601 luma)."""
    light = 0.299 * shade[0] + 0.587 * shade[1] + 0.114 * shade[2] > 140  # noqa: PLR2004 - a little above the middle
    return (0, 0, 0) if light else (255, 255, 255)
