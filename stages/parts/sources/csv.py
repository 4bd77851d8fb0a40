"""A table: path and label of each picture, perhaps its split and index mask; every other column becomes a group.

    path,label,split,camera
    a/1.jpg,cat,train,phone

Paths are relative to the table's folder. Commas, semicolons or tabs separate the cells. An empty cell of the mask says
that there is none, not that all is background.
"""

from pathlib import Path

from stages.core import params
from stages.core.cells import is_missing
from stages.core.errors import DataError
from stages.core.items import Item
from stages.parts.sources import _layout, _table
from stages.parts.sources._sequence import Listed

_EXPECTED = "a folder with the table {table}, or the table itself"


class Params(params.Params):
    """The table and its columns.

    Attributes:
        table: the table's name in the folder; not used where ``path`` is a file.
        path_column: column of the file's path.
        label_column: column of the label; null: none.
        split_column: column of the split; null, or no such column: pictures are split later.
        mask_column: column of the index mask's path; null: none. An empty cell, or one that names no value, is no mask.
        mask_classes: classes of the masks in index order, the background first; empty without masks.
        classes: labels in index order; null: those that occur, sorted (2 before 10).
    """

    table: str
    path_column: str
    label_column: str | None
    split_column: str | None
    mask_column: str | None
    mask_classes: tuple[str, ...]
    classes: tuple[str, ...] | None


def build(params: Params, *, path: Path, seed: int, roots: tuple[Path, ...] = ()) -> Listed:  # noqa: ARG001 - see the family
    """Read the table.

    Raises:
        DataError: it is missing, or a column or value is wrong.
    """
    file = path
    if not path.is_file():
        file = _layout.folder(path, _EXPECTED.format(table=params.table)) / params.table
    if bool(params.mask_column) != bool(params.mask_classes):
        raise DataError("acquire.csv.mask_column and acquire.csv.mask_classes belong together; one of them is empty")
    fence = _layout.Fence(file.parent, roots)
    needed = [c for c in (params.path_column, params.label_column, params.mask_column) if c]
    rows = _table.read(file, needed, _used(params), fence)
    items = [_item(file, fence, number, row, params) for number, row in enumerate(rows, 2)]
    found = {item.label for item in items if item.label}
    classes = params.classes or tuple(sorted(found, key=_layout.natural))
    if strange := sorted(found - set(classes)):
        raise DataError(f"{file}: label {strange[0]!r} is not among acquire.csv.classes ({', '.join(classes)})")
    return Listed(items, classes if params.label_column else (), (), params.mask_classes)


def _used(params: Params) -> set[str | None]:
    return {params.path_column, params.label_column, params.split_column, params.mask_column}


def _item(file: Path, fence: _layout.Fence, number: int, row: dict[str, str], params: Params) -> Item:
    name, where = row[params.path_column], f"{file}, row {number}"
    if not name:
        raise DataError(f"{where}: {params.path_column} is empty")
    label = row[params.label_column] if params.label_column else None
    mask = row[params.mask_column] if params.mask_column else ""
    mask_file = None if is_missing(mask) else file.parent / mask
    split = _table.split(row.get(params.split_column or "", ""), where)
    return Item(
        name=Path(name).as_posix(), suffix=Path(name).suffix.lower(), load=_layout.loader(file.parent / name, fence),
        split=split, label=label or None, load_mask=_layout.mask_loader(mask_file, fence) if mask_file else None,
        groups=_table.groups(row, _used(params)),
    )  # fmt: skip
