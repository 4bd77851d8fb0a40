"""Reads annotations in Pascal VOC's XML."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from stages.core.errors import DataError
from stages.core.items import Mark
from stages.parts.sources import _layout, _numbers

Corners = Literal["edges", "pixels"]


@dataclass(frozen=True)
class Page:
    """One annotation file.

    Attributes:
        marks: its objects.
        size: (width, height) where it states them.
        difficult: number of objects that are not learnt from because they are marked difficult.
        fault: why it could not be read, else None.
    """

    marks: tuple[Mark, ...] = ()
    size: tuple[int, int] | None = None
    difficult: int = 0
    fault: str | None = None


def read(path: Path, fence: _layout.Fence, corners: Corners, keep_difficult: bool) -> Page:
    """Read one annotation file.

    Args:
        path: the XML.
        fence: what it may not lead out of.
        corners: ``pixels``: corners name the first and last pixel, counted from 1, as in VOC's own files; ``edges``: corners
            are the box's edges, counted from 0, as labelImg and most converters write them.
        keep_difficult: learn from objects marked difficult; else they are flagged ``ignore``. Judging spares both.
    """
    try:
        root = ET.fromstring(fence.read_bytes(path))  # noqa: S314 - the user's own files; entities are not expanded from outside
        everything = [_mark(node, corners) for node in root.findall("object")]
        size = root.find("size")
        stated = None if size is None else (_number(size, "width"), _number(size, "height"))
    except DataError as error:
        return Page(fault=str(error))
    except FileNotFoundError:
        return Page(fault=f"{path.name} is missing")
    except OSError as error:
        return Page(fault=f"{path.name} cannot be read ({error.strerror})")
    except ET.ParseError as error:
        return Page(fault=f"{path.name} is broken XML at line {error.position[0]}, column {error.position[1]}")
    except ValueError as error:
        return Page(fault=f"{path.name}: {error}")
    hard = [mark for mark in everything if mark.flags["difficult"] and not keep_difficult]
    marks = tuple(replace(mark, flags={**mark.flags, "ignore": 1}) if mark in hard else mark for mark in everything)
    known = (int(stated[0]), int(stated[1])) if stated and min(stated) > 0 else None  # some writers state 0 x 0
    return Page(marks, known, len(hard))


def _mark(node: ET.Element, corners: Corners) -> Mark:
    name, box = (node.findtext("name") or "").strip(), node.find("bndbox")
    if not name or box is None:
        raise ValueError("an object has no name or no bndbox")
    left, top, right, bottom = (_number(box, key) for key in ("xmin", "ymin", "xmax", "ymax"))
    if corners == "pixels":
        left, top = left - 1, top - 1
    flags = {key: int(_number(node, key, "0")) for key in ("difficult", "truncated")}
    return Mark(name, (left, top, right - left, bottom - top), None, flags)


def _number(node: ET.Element, key: str, default: str | None = None) -> float:
    return _numbers.number((node.findtext(key) or default or "").strip(), key)
