"""Draws truth and prediction into pictures and lays pictures out as a contact sheet."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from stages.maths import rle

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
TRUTH: Colour = (46, 204, 113)  # green: what is there
FALSE: Colour = (235, 64, 52)  # red: what the model said
SPARED: Colour = (255, 214, 10)  # yellow: what is there and does not count
PALETTE: tuple[Colour, ...] = (
    (0, 0, 0), (230, 97, 1), (31, 120, 180), (51, 160, 44), (227, 26, 28), (106, 61, 154), (253, 191, 111),
    (166, 206, 227), (178, 223, 138), (251, 154, 153), (202, 178, 214), (255, 255, 153),
)  # fmt: skip
THUMB_PX = 208
LINE_PX = 17
TITLE_PX = 19
GAP_PX = 10
MOST_TEXTS = 12  # more would hide what they name
LEGEND = (
    "Most mistakes first. Green: what is there; red: what the model said. Names stand at what was missed or wrong, in a"
    f" picture at the first {MOST_TEXTS} of either."
)
SPARED_LEGEND = " Yellow: crowds and what is marked difficult or ignored, which count neither way."


def enlarged(image: Picture, at_least_px: int = THUMB_PX) -> tuple[Picture, int]:
    """Enlarge a small picture by a whole factor, so that what is drawn into it stays sharp; return the factor too."""
    factor = max(1, -(-at_least_px // max(image.shape[:2])))
    return image.repeat(factor, axis=0).repeat(factor, axis=1), factor


def with_boxes(
    image: Picture, boxes: Sequence[Sequence[float]], texts: Sequence[str], colour: Colour, factor: int
) -> Picture:
    """Draw boxes, xyxy in the pixels of the picture before it was enlarged by ``factor``, with a short text each.

    Of many texts the first ``MOST_TEXTS`` are written.
    """
    named = [place for place, text in enumerate(texts) if text][:MOST_TEXTS]
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(11)
    for place, ((x0, y0, x1, y1), text) in enumerate(zip(boxes, texts, strict=True)):
        left, right = sorted((x0 * factor, x1 * factor))
        top, bottom = sorted((y0 * factor, y1 * factor))
        pen.rectangle((left, top, right, bottom), outline=colour, width=2)
        if place in named:
            beside = max(0.0, min(left + 2, canvas.width - font.getlength(text) - 1))  # whole, at the right edge too
            at = (beside, max(0, top - 13) if colour == TRUTH else min(canvas.height - 13, bottom + 1))
            pen.rectangle(pen.textbbox(at, text, font=font), fill=colour)
            pen.text(at, text, fill=(0, 0, 0), font=font)
    return np.asarray(canvas)


def with_outline(image: Picture, inside: NDArray[np.bool_], colour: Colour, factor: int) -> Picture:
    """Draw the outline of a mask (H, W) of the picture before it was enlarged by ``factor``."""
    big = inside.repeat(factor, axis=0).repeat(factor, axis=1)
    padded = np.pad(big, 2)
    core = big.copy()
    for down in (-2, 0, 2):
        for right in (-2, 0, 2):
            core &= padded[2 + down : padded.shape[0] - 2 + down, 2 + right : padded.shape[1] - 2 + right]
    drawn = image.copy()
    drawn[big & ~core] = colour
    return drawn


def painted(mask: NDArray[np.uint8], image: Picture) -> Picture:
    """Paint an index mask over a grey version of its picture; 255 (ignore) stays grey."""
    grey = image.mean(axis=2, keepdims=True).repeat(3, axis=2)
    colours = np.array([PALETTE[1 + (k - 1) % (len(PALETTE) - 1)] if k else (0, 0, 0) for k in range(256)], np.float64)
    share = np.where((mask == 0) | (mask == 255), 0.0, 0.75)[..., None]  # noqa: PLR2004 - 255 = ignore
    mixed: NDArray[np.float64] = grey * (1 - share) + colours[mask] * share
    return mixed.astype(np.uint8)


def side_by_side(pictures: Sequence[Picture]) -> Picture:
    """Put pictures of one height next to each other with a thin white line between."""
    line = np.full((pictures[0].shape[0], 3, 3), 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, line)][:-1], axis=1)


def key(names: Sequence[str]) -> list[tuple[str, Colour]]:
    """Return the colour of each class but the background, as ``painted`` uses them."""
    return [(name, PALETTE[1 + (k - 1) % (len(PALETTE) - 1)]) for k, name in enumerate(names) if k]


def caption(mistakes: Mapping[str, int], num_objects: int) -> str:
    r"""Say what went wrong in a picture of objects, the kinds of mistake that count its objects as a share of them.

    Args:
        mistakes: numbers of ``missed`` and ``confused`` objects and of ``false`` detections, those that are not 0, in the
            order in which they are said.
        num_objects: objects in the picture.

    Example:
        >>> caption({"missed": 4}, 4), caption({"missed": 1, "false": 2, "confused": 3}, 9)
        ('4 of 4 objects missed', '1 of 9 objects missed,\n2 false, 3 confused')
        >>> caption({"false": 2}, 1), caption({"false": 1}, 0)
        ('2 false beside 1 object', '1 false beside 0 objects')
    """
    what = f"{num_objects} object{'s' if num_objects != 1 else ''}"
    first = next((kind for kind in ("missed", "confused") if kind in mistakes), None)
    rest = ", ".join(f"{number} {kind}" for kind, number in mistakes.items() if kind != first)
    if first is None:
        return f"{rest} beside {what}"
    return f"{mistakes[first]} of {what} {first}" + (f",\n{rest}" if rest else "")


def sheet(
    pictures: Sequence[Picture],
    captions: Sequence[str],
    title: str,
    columns: int = 4,
    colours: Sequence[tuple[str, Colour]] = (),
) -> Picture:
    """Lay pictures out in rows with their captions below and one title above.

    Args:
        pictures: (H, W, 3) uint8 each; shrunk or enlarged to one width.
        captions: lines of text each, separated by newlines; what is wider than a picture is broken.
        title: what it is and how it is read; takes as many lines as it needs.
        columns: pictures in a row.
        colours: what is named in a line below, each after a square of its colour.
    """
    wide = max((p.shape[1] / p.shape[0] for p in pictures), default=1.0)
    columns = min(columns if wide < 2 else 2, max(len(pictures), 1))  # noqa: PLR2004 - pairs side by side need the room
    width = THUMB_PX if wide < 2 else 2 * THUMB_PX + GAP_PX  # noqa: PLR2004
    thumbs = [Image.fromarray(p) for p in pictures]
    scaled = [t.resize((width, max(1, round(t.height * width / t.width))), Image.Resampling.LANCZOS) for t in thumbs]
    tall = max((t.height for t in scaled), default=0)
    small = ImageFont.load_default(12)
    captions = ["\n".join(part for line in c.split("\n") for part in _broken(line, small, width)) for c in captions]
    lines = max((c.count("\n") + 1 for c in captions), default=1)
    cell = tall + lines * LINE_PX + GAP_PX
    whole, font = columns * (width + GAP_PX) + GAP_PX, ImageFont.load_default(14)
    told = _broken(title, font, whole - 2 * GAP_PX)
    below = 34 + (len(told) - 1) * TITLE_PX
    head = below + (24 if colours else 0)
    canvas = Image.new("RGB", (whole, head + -(-len(pictures) // columns) * cell + GAP_PX), (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    _draw_key(pen, colours, below)
    for number, line in enumerate(told):
        pen.text((GAP_PX, 9 + number * TITLE_PX), line, fill=(20, 20, 20), font=font)
    for index, (thumb, caption) in enumerate(zip(scaled, captions, strict=True)):
        left, top = GAP_PX + index % columns * (width + GAP_PX), head + index // columns * cell
        canvas.paste(thumb, (left, top))
        pen.multiline_text((left, top + thumb.height + 2), caption, fill=(20, 20, 20), font=small, spacing=3)
    return np.asarray(canvas)


def _broken(text: str, font: Any, width: float) -> list[str]:
    """Break a text into lines of a width in pixels; a longer word has a line of its own."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _draw_key(pen: ImageDraw.ImageDraw, colours: Sequence[tuple[str, Colour]], top: int) -> None:
    """Write the names below the title, each after a square of its colour, as many as the line holds."""
    font, left = ImageFont.load_default(12), float(GAP_PX)
    for name, colour in colours:
        pen.rectangle((left, top + 2, left + 12, top + 14), fill=colour)
        pen.text((left + 17, top + 1), name, fill=(20, 20, 20), font=font)
        left += 17 + pen.textlength(name, font=font) + 14


def with_marks(  # noqa: PLR0913 - a picture, what is drawn on it, and how
    image: Picture, marks: Sequence[Mapping[str, Any]], texts: list[str], colour: Colour, factor: int, *, outlines: bool
) -> Picture:
    """Draw boxes of marks, and outlines of their masks: with outlines a box stands round those alone that carry a text.

    Args:
        image: (H, W, 3), enlarged by ``factor``.
        marks: annotations in the pixels of the picture before.
        texts: one each, empty for none.
        colour: of lines and texts.
        factor: the enlargement.
        outlines: whether the marks have masks.
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    for mark in marks if outlines else []:
        image = with_outline(image, rle.decode(mark["segmentation"], height, width), colour, factor)
    kept = [i for i, text in enumerate(texts) if text or not outlines]
    boxes = [(x, y, x + w, y + h) for x, y, w, h in (marks[i]["bbox"] for i in kept)]
    return with_boxes(image, boxes, [texts[i] for i in kept], colour, factor)
