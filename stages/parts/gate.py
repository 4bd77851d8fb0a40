"""The data gate's checks of one picture: does it decode, and do its objects and its mask fit it?"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import images, raw
from stages.core.errors import DataError
from stages.core.findings import Findings
from stages.core.items import Item, Mark
from stages.core.text import is_name
from stages.maths import boxes, mosaic_statistics, near_copies, rle


@dataclass(frozen=True)
class Decoded:
    """What a picture's file holds.

    Attributes:
        content: the file's bytes.
        width: of the upright picture.
        height: of the upright picture.
        pixels: hash of the decoded pixels.
        thumb: what it is compared by with others, see ``maths.near_copies``.
        camera: camera columns of the manifest.
    """

    content: bytes
    width: int
    height: int
    pixels: str
    thumb: near_copies.Thumbnail
    camera: dict[str, Any] = field(default_factory=dict)


def open_picture(item: Item, findings: Findings) -> Decoded | None:
    """Decode a picture; None where it is left out, for its annotation among others."""
    if any("\ud800" <= sign <= "\udfff" for sign in item.name):  # what Python makes of bytes that are no UTF-8
        findings.add("unreadable", item.name, "its name is not UTF-8, so no table can hold it; rename the file")
        return None
    fault = item.fault or _bad_group(item)
    if fault and findings.drops("bad_annotation", item.name, fault):
        return None
    try:
        content = item.load()
        found = _camera_file(item, content, findings) if item.suffix in images.RAW_SUFFIXES else _picture(content)
    except DataError as error:
        findings.add("unreadable", item.name, str(error))
        return None
    if found is not None and item.size and item.size != (found.width, found.height):
        turned = " (turned by its EXIF orientation?)" if item.size == (found.height, found.width) else ""
        detail = f"annotated as {item.size[0]}x{item.size[1]}, the picture is {found.width}x{found.height}{turned}"
        if findings.drops("size_differs", item.name, detail):
            return None
    return found


def _bad_group(item: Item) -> str:
    """Say which group of a picture is no name; empty where all are."""
    bad = [f"{column} is {value!r}" for column, value in sorted(item.groups.items()) if not is_name(value)]
    return f"{bad[0]}; a group's name is one line without control characters" if bad else ""


def _picture(content: bytes) -> Decoded:
    pixels = images.decode(content)
    return Decoded(content, pixels.shape[1], pixels.shape[0], digest(pixels), near_copies.thumbnail(pixels))


def digest(pixels: NDArray[Any]) -> str:
    """Return the hash of decoded pixels or of an index mask, of their type and shape too: 32 hexadecimal digits."""
    head = f"{pixels.dtype}{pixels.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()[:32]


def _camera_file(item: Item, content: bytes, findings: Findings) -> Decoded | None:
    frame = raw.read(content)
    lie = black_level_lie(frame, findings.gate.black_floor_share)
    if lie and findings.drops("wrong_black_level", item.name, lie):
        return None
    without = "the file states no usable white balance; it must come from the picture or the parameters"
    if frame.camera_gains is None and findings.drops("no_white_balance", item.name, without):
        return None
    columns = {
        "camera": frame.camera, "cfa": frame.pattern,
        "black_level": list(frame.black_level), "white_level": frame.white_level,
        "white_balance": None if frame.camera_gains is None else list(frame.camera_gains), "iso": frame.iso,
    }  # fmt: skip
    width, height = frame.size
    thumb, known = near_copies.thumbnail(frame.mosaic), {k: v for k, v in columns.items() if v is not None}
    return Decoded(content, width, height, digest(frame.mosaic), thumb, known)


def black_level_lie(frame: raw.Frame, floor_share: float) -> str | None:
    """Say how a file's black level contradicts its pixels (``maths.mosaic_statistics.wrong_black``)."""
    statistics = mosaic_statistics.measure(frame.mosaic)
    return mosaic_statistics.wrong_black(statistics, frame.black_level, frame.white_level, floor_share)


def check_marks(item: Item, width: int, height: int, findings: Findings) -> tuple[Mark, ...] | None:
    """Check a picture's objects.

    Returns:
        The objects that stay; None where the picture itself is left out.
    """
    kept: list[tuple[int, Mark]] = []
    for position, mark in enumerate(item.marks):
        checked = _check_box(item.name, position, mark, (width, height), findings)
        if checked is not None and _segmentation_fits(item.name, position, checked, (width, height), findings):
            kept.append((position, checked))
    marks = _without_doubles(item.name, kept, findings)
    if _overlap(item.name, marks, (width, height), findings):
        return None
    return marks


def _check_box(name: str, position: int, mark: Mark, size: tuple[int, int], findings: Findings) -> Mark | None:
    x, y, w, h = mark.bbox
    text = f"{mark.category} at x {x:g}, y {y:g}, {w:g} x {h:g} px"
    smallest = findings.gate.min_box_px
    if not np.isfinite(mark.bbox).all() or w < smallest or h < smallest:
        findings.add("box_without_area", name, f"{text}: a side is below {smallest:g} px", position)
        return None
    inside = boxes.clip(mark.bbox, *size)
    picture = f"in a picture of {size[0]} x {size[1]}"
    if inside[2] <= 0 or inside[3] <= 0:
        findings.add("box_outside", name, f"{text} {picture}", position)
        return None
    if max(abs(a - b) for a, b in zip(inside, mark.bbox, strict=True)) < 1e-3:  # noqa: PLR2004 - rounding in the file
        return mark if inside == mark.bbox else replace(mark, bbox=inside)
    action = findings.add("box_overhanging", name, f"{text} {picture}", position)
    if action == "clip":
        return replace(mark, bbox=inside) if min(inside[2:]) >= smallest else None
    return mark if action == "warn" else None


def _segmentation_fits(name: str, position: int, mark: Mark, size: tuple[int, int], findings: Findings) -> bool:
    if mark.segmentation is None:
        return True
    try:
        height, width = rle.size(mark.segmentation) or (size[1], size[0])
        area = rle.area(mark.segmentation, height, width)
    except ValueError as error:
        return not findings.drops("bad_segmentation", name, f"{mark.category}: {error}", position)
    if (width, height) != size:
        detail = f"{mark.category}: mask of {width} x {height} in a picture of {size[0]} x {size[1]}"
        return not findings.drops("bad_segmentation", name, detail, position)
    return area > 0 or not findings.drops("bad_segmentation", name, f"{mark.category}: the mask is empty", position)


def _without_doubles(name: str, kept: list[tuple[int, Mark]], findings: Findings) -> tuple[Mark, ...]:
    """Leave out what an earlier box of the same class covers almost exactly, where the rules say so."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, (_, mark) in enumerate(kept):
        places[mark.category].append(place)
    gone: set[int] = set()
    for category, own in places.items():
        given = np.array([kept[place][1].bbox for place in own], dtype=np.float64)
        stays = np.ones(len(own), bool)
        for later, others, shared in boxes.overlapping(given, findings.gate.near_duplicate_iou):
            if not stays[others].any():
                continue
            first = int(np.argmax(stays[others]))
            detail = f"{category} overlaps object {kept[own[others[first]]][0]} with IoU {shared[first]:.2f}"
            if findings.drops("near_duplicate_box", name, detail, kept[own[later]][0]):
                stays[later] = False
                gone.add(own[later])
    return tuple(mark for place, (_, mark) in enumerate(kept) if place not in gone)


def _overlap(name: str, marks: tuple[Mark, ...], size: tuple[int, int], findings: Findings) -> bool:
    """Tell whether the picture is left out because its objects' masks share pixels."""
    areas = [m.segmentation for m in marks if m.segmentation is not None and not m.flags.get("iscrowd")]
    shared = rle.shared_area(areas, size[1], size[0])
    return shared > 0 and findings.drops("overlapping_masks", name, f"{shared} px are counted by more than one object")


def check_mask(item: Item, width: int, height: int, classes: int, findings: Findings) -> NDArray[np.uint8] | None:
    """Check a picture's index mask; None where the picture is left out."""
    try:
        mask = item.load_mask() if item.load_mask else np.zeros((height, width), np.uint8)
    except DataError as error:
        findings.add("bad_mask", item.name, str(error))
        return None
    if mask.shape != (height, width):
        detail = f"the mask is {mask.shape[1]} x {mask.shape[0]}, the picture {width} x {height}"
        findings.add("bad_mask", item.name, detail)
        return None
    wrong = sorted({int(v) for v in np.unique(mask)} - {*range(classes), images.IGNORE})
    if wrong:
        findings.add("bad_mask", item.name, f"value {wrong[0]} in the mask; expected 0 to {classes - 1} or {images.IGNORE}")
        return None
    return mask


def paint_mask(marks: tuple[Mark, ...], categories: tuple[str, ...], width: int, height: int) -> NDArray[np.uint8]:
    """Paint an index mask from instances: class index + 1, later ones on top, 255 where only a box is known."""
    mask = np.zeros((height, width), dtype=np.uint8)
    for mark in marks:
        if mark.segmentation is None:
            x, y, w, h = mark.bbox
            region = mask[int(y) : int(np.ceil(y + h)), int(x) : int(np.ceil(x + w))]
            region[region == 0] = images.IGNORE
        else:
            mask[rle.decode(mark.segmentation, height, width)] = categories.index(mark.category) + 1
    return mask
