"""COCO: one JSON for all pictures or one per split; boxes, polygons, run lengths.

    path/
      instances.json                annotations: {all: instances.json}
      images/                       images: images, "{split}2017" for a folder per split, or null: beside the annotation file
      metadata.csv                  file_name and any other columns, which become group_ columns

Where objects have masks, an index mask per picture is painted from them: the class's index + 1, objects in the order of the
file, a later one over an earlier one; an object of which only the box is known becomes 255, ignore.
"""

from pathlib import Path
from typing import Literal

from stages.core import params
from stages.core.errors import DataError
from stages.parts.sources import _coco, _layout, _table
from stages.parts.sources._sequence import Listed

_EXPECTED = "COCO's layout: an annotation file {files} and the pictures {images}"
_CLASSES = "acquire.coco.classes"


class Params(params.Params):
    """Where things lie.

    Attributes:
        annotations: file by split: ``train``, ``val``, ``test``, or ``all`` for pictures that are split later.
        images: folder of the pictures; ``{split}`` stands for the split's name; null: that of the annotation file.
        metadata: table with a column ``file_name``; its other columns become groups; null: none.
        classes: names in index order; null: those of which there is an object, in order of their ids.
        label_from: ``largest``: a picture's label is the class of its largest object; ``none``: no labels.
    """

    annotations: dict[Literal["all", "train", "val", "test"], str]
    images: str | None
    metadata: str | None
    classes: tuple[str, ...] | None
    label_from: Literal["none", "largest"]


def build(params: Params, *, path: Path, seed: int, roots: tuple[Path, ...] = ()) -> Listed:  # noqa: ARG001 - see the family
    """Read all annotations; pictures are read later.

    Raises:
        DataError: the layout is another one, a file is broken, or a class is chosen that no file names.
    """
    expected = _EXPECTED.format(files=" or ".join(params.annotations.values()), images=_where(params))
    _layout.folder(path, expected)
    if not params.annotations:
        raise DataError("acquire.coco.annotations is empty; expected for instance {all: instances.json}")
    if not all((path / file).is_file() for file in params.annotations.values()):
        raise _layout.wrong(path, expected)
    fence = _layout.Fence(path, roots)
    books = {split: _coco.read(path / file, fence) for split, file in sorted(params.annotations.items())}
    declared = _coco.merged(list(books.values()))
    classes, left_out = _layout.classes(declared, _coco.used(list(books.values())), params.classes, _CLASSES)
    lacking = dict.fromkeys(set(declared) - set(classes), _CLASSES)
    labels = params.label_from == "largest"
    groups = _groups(path / params.metadata, fence) if params.metadata else {}
    folders = {split: _pictures(params, path, split, file) for split, file in params.annotations.items()}
    items = [
        item
        for split, book in books.items()
        for item in _coco.items(book, folders[split], fence, None if split == "all" else split, labels, groups, lacking)
    ]
    if not items:
        raise DataError(f"{path}: the annotation files name no image")
    masks = ("background", *classes) if _coco.has_masks(list(books.values())) else ()
    without = len({item.name for item in items} - set(groups)) if groups else 0
    remarks = (f"{without} pictures stand not in {params.metadata} and have no groups",) if without else ()
    own = _coco.category_ids(list(books.values()), classes)
    return Listed(items, classes if labels else (), classes, masks, (*left_out, *remarks), own)


def _where(params: Params) -> str:
    return "beside it" if params.images is None else f"in {params.images}/"


def _pictures(params: Params, path: Path, split: str, file: str) -> Path:
    """Return the folder of a split's pictures, of which ``file`` is the annotation file."""
    return (path / file).parent if params.images is None else path / params.images.format(split=split)


def _groups(file: Path, fence: _layout.Fence) -> dict[str, dict[str, str]]:
    used: set[str | None] = {"file_name"}
    return {row["file_name"]: _table.groups(row, used) for row in _table.read(file, ["file_name"], used, fence)}
