"""Pascal VOC: one XML per picture, and lists of names for the splits.

    path/
      JPEGImages/        a.jpg b.jpg
      Annotations/       a.xml b.xml
      ImageSets/Main/    train.txt val.txt test.txt (or trainval.txt), one name a line

Everingham et al. (2010), "The Pascal Visual Object Classes Challenge".
"""

from pathlib import Path
from typing import Literal

from stages.core import params
from stages.core.errors import DataError
from stages.core.items import Item
from stages.parts.sources import _layout, _voc
from stages.parts.sources._sequence import Listed

_EXPECTED = "Pascal VOC's layout: {annotations}/*.xml beside {images}/*"


class Params(params.Params):
    """Where things lie and how they are meant.

    Attributes:
        images: folder of the pictures.
        annotations: folder of the XML files.
        image_sets: folder of the lists of names; null: no lists, every annotated picture is taken and split later.
        masks: folder of index masks (``SegmentationClass``); null: none. Their values follow ``classes``.
        classes: names in index order; null: those that occur, sorted.
        corners: ``pixels`` as VOC itself counts, or ``edges`` as labelImg does.
        keep_difficult: learn from objects marked difficult; in judging they neither help nor harm, as VOC has it.
        label_from: ``largest``: a picture's label is the class of its largest object; ``none``: no labels.
    """

    images: str
    annotations: str
    image_sets: str | None
    masks: str | None
    classes: tuple[str, ...] | None
    corners: _voc.Corners
    keep_difficult: bool
    label_from: Literal["none", "largest"]


def build(params: Params, *, path: Path, seed: int, roots: tuple[Path, ...] = ()) -> Listed:  # noqa: ARG001 - see the family
    """Read all annotations; pictures are read later.

    Raises:
        DataError: the layout is another one, or masks are asked for without ``classes``.
    """
    expected = _EXPECTED.format(annotations=params.annotations, images=params.images)
    _layout.folder(path, expected)
    if not (path / params.annotations).is_dir() or not (path / params.images).is_dir():
        raise _layout.wrong(path, expected)
    if params.masks and params.classes is None:
        raise DataError(
            "acquire.voc.masks needs acquire.voc.classes: the order of names gives the masks' values their meaning"
        )
    files = _layout.by_stem(_layout.pictures(path / params.images))
    known = {p.stem for p in (path / params.annotations).glob("*.xml")}
    fence = _layout.Fence(path, roots)
    splits = _splits(fence, params.image_sets)
    names = sorted(splits) if splits is not None else sorted(known | set(files))
    if not names:
        raise _layout.wrong(path, expected)
    pages = {
        n: _voc.read(path / params.annotations / f"{n}.xml", fence, params.corners, params.keep_difficult) for n in names
    }
    classes = params.classes or tuple(sorted({m.category for page in pages.values() for m in page.marks}))
    items = [_item(fence, name, files, pages[name], (splits or {}).get(name), classes, params) for name in names]
    return Listed(
        items,
        classes if params.label_from == "largest" else (),
        classes,
        ("background", *classes) if params.masks else (),
        _remarks(names, known, pages),
    )


def _item(  # noqa: PLR0913, PLR0917 - all that one picture's list, page and file say
    fence: _layout.Fence,
    name: str,
    files: dict[str, Path],
    page: _voc.Page,
    split: str | None,
    classes: tuple[str, ...],
    params: Params,
) -> Item:
    file = files.get(name, fence.folder / params.images / f"{name}.jpg")
    unknown = sorted({mark.category for mark in page.marks} - set(classes))
    fault = page.fault or (f"{name}.xml names the class {unknown[0]}, which acquire.voc.classes lacks" if unknown else None)
    mask = None
    if params.masks:
        mask = _layout.mask_loader(fence.folder / params.masks / f"{name}.png", fence)
    label = _layout.largest(page.marks) if params.label_from == "largest" else None
    return Item(
        file.name, file.suffix.lower(), _layout.loader(file, fence), split, label, page.marks, mask, page.size, fault=fault
    )


def _splits(fence: _layout.Fence, folder: str | None) -> dict[str, str] | None:
    """Read the lists; a name's first word counts, VOC writes a flag behind it in lists of one class."""
    if folder is None:
        return None
    lists = {name: fence.folder / folder / f"{name}.txt" for name in ("train", "val", "test", "trainval")}
    there = {name: file for name, file in lists.items() if file.is_file()}
    if not there:
        place = fence.folder / folder
        raise DataError(
            f"{place} has none of train.txt, val.txt, test.txt, trainval.txt (params.yaml: acquire.voc.image_sets)"
        )
    if "train" in there or "val" in there:
        there.pop("trainval", None)
    found: dict[str, str] = {}
    for split, file in sorted(there.items()):
        for line in filter(str.strip, fence.text(file).splitlines()):
            name = line.split()[0]
            if found.setdefault(name, split) != split:
                raise DataError(f"{file}: {name} stands in {found[name]}.txt too; a picture has one split")
    return {name: {"trainval": "train"}.get(split, split) for name, split in found.items()}


def _remarks(names: list[str], known: set[str], pages: dict[str, _voc.Page]) -> tuple[str, ...]:
    left_out, difficult = len(known - set(names)), sum(page.difficult for page in pages.values())
    lines = [
        f"{left_out} annotated pictures stand in no list and were left out" if left_out else "",
        f"{difficult} objects marked difficult are not learnt from, nor judged" if difficult else "",
    ]
    return tuple(filter(None, lines))
