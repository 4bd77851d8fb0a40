"""One folder per class, or one per split with a folder per class in each.

    path/cat/1.jpg  path/dog/2.jpg            or            path/train/cat/1.jpg  path/val/dog/2.jpg

Every file in a class's folder is taken for a picture, so that one that is none comes out at the gate; hidden files are not.
"""

from pathlib import Path

from stages.core import params
from stages.core.errors import DataError, nearest
from stages.core.items import Item
from stages.parts.sources import _layout
from stages.parts.sources._sequence import Listed

_EXPECTED = "one folder per class with its pictures (or train/, val/, test/ with a folder per class each)"


class Params(params.Params):
    """Which classes there are.

    Attributes:
        classes: names of the folders in index order; null: all of them, sorted (2 before 10).
    """

    classes: tuple[str, ...] | None


def build(params: Params, *, path: Path, seed: int, roots: tuple[Path, ...] = ()) -> Listed:  # noqa: ARG001 - see the family
    """List the pictures.

    Raises:
        DataError: the layout is another one.
    """
    _layout.folder(path, _EXPECTED)
    folders = _folders(path)
    splits = {f.name: _layout.SPLIT_NAMES[f.name.lower()] for f in folders if f.name.lower() in _layout.SPLIT_NAMES}
    if splits and len(splits) != len(folders):
        raise _layout.wrong(path, _EXPECTED)
    places = [(sub, splits.get(top.name)) for top in folders for sub in (_folders(top) if splits else [top])]
    if not places:
        raise _layout.wrong(path, _EXPECTED)
    found = {folder.name for folder, _ in places}
    classes = params.classes or tuple(sorted(found, key=_layout.natural))
    if strange := sorted(found - set(classes)):
        hint = nearest(strange[0], classes)
        raise DataError(f"{path} has a folder {strange[0]}/, no class; {hint} (params.yaml: acquire.imagefolder.classes)")
    fence = _layout.Fence(path, roots)
    items = [
        Item(file.relative_to(path).as_posix(), file.suffix.lower(), _layout.loader(file, fence), split, folder.name)
        for folder, split in places
        for file in _layout.visible(folder)
    ]
    if not items:
        raise DataError(f"{path}: the folders {', '.join(sorted(found))} hold no file; expected {_EXPECTED}")
    return Listed(items, classes)


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
