"""A folder of camera files, perhaps with a table that says more about them.

    path/  a.dng  b.nef  manifest.csv:  file,label,split,light
                                        a.dng,cat,train,day

Without a table all camera files below the folder are taken; with one, those that it lists. ``label`` and ``split`` are
optional columns; every other one becomes a group.
"""

from pathlib import Path

from stages.core import images, params
from stages.core.items import Item
from stages.parts.sources import _layout, _table
from stages.parts.sources._sequence import Listed

_EXPECTED = f"a folder of camera files ({', '.join(sorted(images.RAW_SUFFIXES))})"

_USED: set[str | None] = {"file", "label", "split"}


class Params(params.Params):
    """The table.

    Attributes:
        manifest: name of the table in the folder; null: none.
    """

    manifest: str | None


def build(params: Params, *, path: Path, seed: int, roots: tuple[Path, ...] = ()) -> Listed:  # noqa: ARG001 - see the family
    """List the camera files.

    Raises:
        DataError: there are none, or the table is wrong.
    """
    _layout.folder(path, _EXPECTED)
    fence = _layout.Fence(path, roots)
    everything = _layout.visible(path)
    files = {f.relative_to(path).as_posix(): f for f in everything if f.suffix.lower() in images.RAW_SUFFIXES}
    if not files:
        raise _layout.wrong(path, _EXPECTED)
    if params.manifest is None:
        others = len(everything) - len(files)
        remarks = (f"{others} files that are no camera files were left out",) if others else ()
        return Listed([_item(fence, name, {}, "") for name in files], remarks=remarks)
    table = path / params.manifest
    rows = _table.read(table, ["file"], _USED, fence)
    items = [_item(fence, row["file"], row, f"{table}, row {number}") for number, row in enumerate(rows, 2)]
    left_out = len(set(files) - {item.name for item in items})
    remarks = (f"{left_out} camera files stand not in {params.manifest} and were left out",) if left_out else ()
    labels = sorted({item.label for item in items if item.label}, key=_layout.natural)
    return Listed(items, tuple(labels), remarks=remarks)


def _item(fence: _layout.Fence, name: str, row: dict[str, str], where: str) -> Item:
    groups = _table.groups(row, _USED)
    split = _table.split(row.get("split", ""), where)
    return Item(
        name,
        Path(name).suffix.lower(),
        _layout.loader(fence.folder / name, fence),
        split,
        row.get("label") or None,
        groups=groups,
    )
