"""The data contract between stages: one folder with a manifest, COCO annotations, pictures and masks.

Layout of a data set's folder (see ``docs/data.md``)::

    dataset.json        name, source, labels, categories, mask_classes; pixels unless they are plain sRGB
    manifest.parquet    one row per picture
    annotations.json    COCO: boxes, polygons or RLE
    images/             one file per picture
    masks/              index PNG per picture where the data set has semantic masks; 255 = ignore
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.core import annotations, files
from stages.core.annotations import Annotations, ByPicture
from stages.core.errors import DataError
from stages.core.pixels import SRGB, Pixels, of

COLUMNS = ("image_id", "path", "width", "height", "split", "label", "source", "mask")
CAMERA_COLUMNS = ("camera", "cfa", "black_level", "white_level", "white_balance", "iso")
SPLITS = ("train", "val", "test")
UNIT = "unit"  # column; pictures with the same value share splits and count as one draw
NEAR_COPIES = "near_copies"  # column; of a test picture the ids of its copies in train and val, where there are any


@dataclass(frozen=True)
class Info:
    """What a data set is about.

    Attributes:
        name: short name, used for the registered model too.
        source: the part that acquired it.
        labels: classes of ``classify`` in index order; empty when pictures carry no label.
        categories: classes of boxes and instances; COCO ``category_id`` = index + 1.
        mask_classes: classes of the index masks in index order; index 0 is the background.
        pixels: what the prepared pictures hold; files as they came (``data/acquired``) say nothing here.
        category_ids: the ids by which the user's own annotations know the categories; empty where they have none but ours.
        unit: the manifest's column that told which pictures are one unit; empty where none was named.
    """

    name: str
    source: str
    labels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    mask_classes: tuple[str, ...] = ()
    pixels: Pixels = SRGB
    category_ids: tuple[int, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class Dataset:
    """A data set as read from its folder.

    Attributes:
        root: the folder.
        info: what it is about.
        manifest: one row per picture, sorted by ``image_id``; ``path`` and ``mask`` relative to ``root``;
            absent values are None; camera fields and ``group_*`` columns where known.
        coco: COCO dictionary, its annotations packed (``core.annotations``); an image's ``file_name`` is the row's ``path``
            and carries the row's ``image_id`` under ``rawline_id``.
    """

    root: Path
    info: Info
    manifest: pd.DataFrame
    coco: dict[str, Any]

    def subset(self, split: str) -> "Dataset":
        """Return the rows of one split, the annotations with them."""
        rows = self.manifest[self.manifest["split"] == split].reset_index(drop=True)
        keep = set(rows["path"])
        pictures = [image for image in self.coco["images"] if image["file_name"] in keep]
        ids = {image["id"] for image in pictures}
        held = self.coco["annotations"]
        marks = held.of(ids) if isinstance(held, Annotations) else [mark for mark in held if mark["image_id"] in ids]
        return replace(self, manifest=rows, coco={**self.coco, "images": pictures, "annotations": marks})

    def groups(self) -> list[str]:
        """List the ``group_*`` columns."""
        return sorted(str(c) for c in self.manifest.columns if str(c).startswith("group_"))

    def units(self) -> list[str]:
        """Return the unit of each picture, in the manifest's order: its own ``image_id`` where nothing is told."""
        return [str(name) for name in self.manifest[UNIT if UNIT in self.manifest.columns else "image_id"]]

    def num_copied(self) -> int:
        """Count the test pictures of which a copy or near copy is learnt from: it stands in train or val."""
        if NEAR_COPIES not in self.manifest.columns:
            return 0
        learnt = set(self.manifest["image_id"][self.manifest["split"] != "test"])
        held = self.manifest[NEAR_COPIES][self.manifest["split"] == "test"].dropna()
        return sum(not learnt.isdisjoint(names) for names in held)

    def unit_origin(self) -> str:
        """Say what made units of several pictures, in words: the column that tells them, near copies (``acquire``) or both.

        Returns:
            Empty where each picture is a unit of its own.
        """
        names, by = pd.Series(self.units(), dtype="string"), self.info.unit
        shared = names.duplicated(keep=False)
        told = self.manifest[by].notna().to_numpy() if by in self.manifest.columns else np.zeros(len(names), bool)
        column = f"the column {by.removeprefix('group_')}" if (shared & told).any() else ""
        copies = "near copies" if (shared & ~told).any() else ""
        return " and ".join(filter(None, (column, copies)))

    def annotations(self) -> Mapping[str, list[dict[str, Any]]]:
        """Return the annotations of each picture by ``image_id`` (empty list where it has none), read when asked for."""
        numbers = {image["rawline_id"]: image["id"] for image in self.coco["images"]}
        return ByPicture({name: numbers.get(name) for name in self.manifest["image_id"]}, self.coco["annotations"])


def read(root: Path) -> Dataset:
    """Read a data set's folder.

    Raises:
        DataError: the folder or one of its three tables is missing or broken.
    """
    content = files.read_json(root / "dataset.json")
    try:
        manifest = pd.read_parquet(root / "manifest.parquet")
    except (OSError, ValueError) as error:
        raise DataError(f"{root / 'manifest.parquet'} cannot be read: {error}") from error
    held = of(content.pop("pixels", None))
    lists: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    return Dataset(root, Info(**lists, pixels=held), manifest, annotations.read(root / "annotations.json"))


def write(root: Path, info: Info, manifest: pd.DataFrame, marks: Iterable[dict[str, Any]]) -> None:
    """Write the three tables of a data set whose pictures and masks lie in ``root`` already.

    Rows are sorted by ``image_id`` and ids are given in that order, so that equal content gives equal bytes.

    Args:
        root: the folder, for instance the one that ``files.atomic`` gave.
        info: what the data set is about.
        manifest: at least the columns ``COLUMNS``; ``image_id`` unique.
        marks: COCO annotations whose ``image_id`` is the row's ``image_id`` (text) and whose ``category_id`` is
            the index in ``info.categories`` + 1; ``id`` is given here; ``area`` and ``iscrowd`` are kept.

    Raises:
        DataError: a column is missing, an ``image_id`` appears twice or an annotation belongs to no row.
    """
    rows = _checked(manifest)
    number = {name: position + 1 for position, name in enumerate(rows["image_id"])}
    pictures = [
        {"id": number[name], "file_name": path, "width": int(width), "height": int(height), "rawline_id": name}
        for name, path, width, height in zip(rows["image_id"], rows["path"], rows["width"], rows["height"], strict=True)
    ]
    annotations = _numbered(marks, number)
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(info.categories)]
    rows.to_parquet(root / "manifest.parquet", index=False)
    told = asdict(info)
    if info.pixels == SRGB:
        del told["pixels"]
    for key in ("category_ids", "unit"):
        if not told[key]:
            del told[key]
    files.write_json(root / "dataset.json", told)
    files.write_json(root / "annotations.json", {"images": pictures, "annotations": annotations, "categories": categories})


def _checked(manifest: pd.DataFrame) -> pd.DataFrame:
    missing = [column for column in COLUMNS if column not in manifest.columns]
    if missing:
        raise DataError(f"the manifest lacks the columns {', '.join(missing)}")
    twice = manifest["image_id"][manifest["image_id"].duplicated()]
    if len(twice):
        raise DataError(f"image_id {twice.iloc[0]} stands in the manifest twice")
    extra = [c for c in manifest.columns if c not in COLUMNS]
    return manifest[[*COLUMNS, *extra]].sort_values("image_id").reset_index(drop=True)


def _numbered(marks: Iterable[dict[str, Any]], number: dict[str, int]) -> list[dict[str, Any]]:
    numbered = []
    for mark in marks:
        if mark["image_id"] not in number:
            raise DataError(f"an annotation belongs to picture {mark['image_id']}, which the manifest lacks")
        numbered.append({"iscrowd": 0, **mark, "image_id": number[mark["image_id"]]})
    numbered.sort(key=lambda m: (m["image_id"], m["category_id"], list(m["bbox"])))
    return [{**mark, "id": position + 1} for position, mark in enumerate(numbered)]
