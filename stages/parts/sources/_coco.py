"""Reads annotations in COCO's JSON."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.errors import DataError
from stages.core.items import Item, Mark
from stages.maths import rle
from stages.parts.sources import _layout, _numbers


@dataclass(frozen=True)
class Book:
    """One annotation file: names of classes in order of their ids, pictures, objects by picture."""

    file: Path
    categories: dict[int, str]
    pictures: list[dict[str, Any]]
    marks: dict[int, list[dict[str, Any]]]


def read(file: Path, fence: _layout.Fence) -> Book:
    """Read one annotation file.

    Args:
        file: the JSON.
        fence: what it may not lead out of.

    Raises:
        DataError: it leads out, is missing, broken JSON, or no COCO; what else stands in it is not shown.
    """
    content = _numbers.read_json(fence.text(file), file)
    if missing := sorted({"images", "annotations", "categories"} - set(content if isinstance(content, dict) else ())):
        raise DataError(
            f"{file} is no COCO file: expected images, annotations and categories; it lacks {', '.join(missing)}"
        )
    try:
        marks: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for mark in content["annotations"]:
            marks[mark["image_id"]].append(mark)
        names = {c["id"]: str(c["name"]) for c in sorted(content["categories"], key=lambda c: c["id"])}
        ids = [picture["id"] for picture in content["images"]]
        _check(file, ids, [picture["file_name"] for picture in content["images"]], marks)
    except (KeyError, TypeError) as error:
        raise DataError(f"{file}: an entry lacks {error}") from error
    return Book(file, names, content["images"], marks)


def _check(file: Path, ids: list[Any], names: list[Any], marks: Mapping[Any, list[Any]]) -> None:
    for values, what in ((ids, "id"), (names, "file_name")):
        seen: set[Any] = set()
        for value in values:
            if value in seen:
                raise DataError(f"{file}: two images have the {what} {value}")
            seen.add(value)
    if stray := sorted(set(marks) - set(ids), key=str):
        raise DataError(f"{file}: {len(marks[stray[0]])} annotations belong to the image id {stray[0]}, which images lacks")


def items(  # noqa: PLR0913, PLR0917 - all that a picture's row is made of
    book: Book,
    folder: Path,
    fence: _layout.Fence,
    split: str | None,
    labels: bool,
    groups: Mapping[str, Mapping[str, str]],
    lacking: Mapping[str, str] | None = None,
) -> Iterator[Item]:
    """Deliver the pictures of one annotation file.

    Args:
        book: the file.
        folder: of the pictures.
        fence: what they may not lead out of.
        split: of all of them, or None.
        labels: a picture's label is the class of its largest object.
        groups: ``group_`` columns by file name.
        lacking: classes that the user left out, each with the key of the choice; a picture with such an object has a fault.
    """
    for picture in book.pictures:
        name = str(picture["file_name"]).encode("utf-8", "backslashreplace").decode()  # JSON holds halves of characters
        marks, faults = [], []
        for raw in book.marks.get(picture["id"], []):
            try:
                marks.append(_mark(raw, book.categories, lacking or {}))
            except (ValueError, KeyError, TypeError) as error:
                faults.append(f"annotation {raw.get('id')}: {error}")
        try:
            size = _size(picture)
        except ValueError as error:
            size = None
            faults.insert(0, str(error))
        yield Item(
            name=name, suffix=Path(name).suffix.lower(), load=_layout.loader(folder / name, fence), split=split,
            label=_layout.largest(marks) if labels else None, marks=tuple(marks),
            size=size,
            groups=groups.get(name, {}), fault="; ".join(faults[:1]) or None,
        )  # fmt: skip


def _size(picture: dict[str, Any]) -> tuple[int, int] | None:
    """Return (width, height) where the file states both."""
    width, height = picture.get("width"), picture.get("height")
    return (_numbers.whole(width, "width"), _numbers.whole(height, "height")) if width and height else None


def _mark(raw: dict[str, Any], categories: dict[int, str], lacking: Mapping[str, str]) -> Mark:
    number = raw["category_id"]
    if number not in categories:
        raise ValueError(f"category_id is {number}; the file names {sorted(categories)}")
    if (name := categories[number]) in lacking:
        raise ValueError(f"class {name}, which {lacking[name]} lacks")
    x, y, w, h = (_numbers.number(value, "bbox") for value in raw["bbox"])
    segmentation = raw.get("segmentation") or None
    if isinstance(segmentation, str):
        raise ValueError("segmentation is text; expected polygons or run lengths")  # noqa: TRY004 - a fault of the file
    if isinstance(segmentation, list):
        _numbers.check_rings(segmentation)
    compact = rle.compress(segmentation) if segmentation is not None else None
    flags = {"iscrowd": _numbers.whole(raw.get("iscrowd", 0), "iscrowd")} | ({"ignore": 1} if raw.get("ignore") else {})
    return Mark(name, (x, y, w, h), compact, flags)


def merged(books: list[Book]) -> tuple[str, ...]:
    """Return the classes of several files in order of their ids.

    Raises:
        DataError: they give one id two names.
    """
    names: dict[int, str] = {}
    for book in books:
        for number, name in book.categories.items():
            if names.setdefault(number, name) != name:
                raise DataError(f"{book.file}: category {number} is {name}; another file calls it {names[number]}")
    return tuple(dict.fromkeys(names[number] for number in sorted(names)))


def used(books: list[Book]) -> set[str]:
    """Return the classes of which there is any object, one that does not count among them."""
    found: set[str] = set()
    for book in books:
        told = (mark.get("category_id") for held in book.marks.values() for mark in held)
        numbers = {number for number in told if isinstance(number, int | float)}  # 2 and 2.0 are one, as for the objects
        found |= {name for number, name in book.categories.items() if number in numbers}
    return found


def category_ids(books: list[Book], classes: tuple[str, ...]) -> tuple[int, ...]:
    """Return the files' own id of each class, of two with one name the lower; empty where they are 1, 2, 3 as ours."""
    lowest: dict[str, int] = {}
    for book in books:
        for number, name in book.categories.items():
            lowest[name] = min(number, lowest.get(name, number))
    found = tuple(lowest[name] for name in classes)
    return () if found == tuple(range(1, len(classes) + 1)) else found


def has_masks(books: list[Book]) -> bool:
    """Tell whether any object has a mask."""
    return any(mark.get("segmentation") for book in books for marks in book.marks.values() for mark in marks)
