"""What a source delivers: one picture with everything its data set says about it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Segmentation = list[list[float]] | dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """One annotated object.

    Attributes:
        category: its class.
        bbox: x, y, width, height in pixels, the left upper corner of the first pixel is (0, 0).
        segmentation: COCO polygons or compressed RLE (``size``, ``counts`` as text), where the object has a mask.
        flags: further COCO keys to keep, for instance ``iscrowd``, ``difficult``, ``truncated``.
    """

    category: str
    bbox: tuple[float, float, float, float]
    segmentation: Segmentation | None = None
    flags: Mapping[str, int] = field(default_factory=dict)

    @property
    def spared(self) -> tuple[str, ...]:
        """Why no model is judged by it: crowds, difficult and ignored objects neither help nor harm."""
        return tuple(flag for flag in ("iscrowd", "difficult", "ignore") if self.flags.get(flag))

    @property
    def counts(self) -> bool:
        """Tell whether a model is judged by it."""
        return not self.spared


@dataclass(frozen=True)
class Item:
    """One picture as its data set describes it; nothing is read before ``load`` is called.

    Attributes:
        name: the name the user knows it by, unique in the source.
        suffix: file ending with the dot, lower case.
        load: returns the file's bytes, or raises DataError.
        split: ``train``, ``val`` or ``test`` where the data set says so.
        label: its class, where pictures carry one.
        marks: its objects.
        load_mask: returns the index mask (H, W) uint8, or raises DataError; None where there is no mask: it is painted from
            the objects where the source has any, and else nothing is known of the picture's pixels.
        size: (width, height) as the annotation states it, where it does.
        groups: ``group_*`` columns.
        camera: camera columns as far as the source knows them better than the file.
        fault: what is wrong with the picture's annotation; the gate decides what becomes of it.
    """

    name: str
    suffix: str
    load: Callable[[], bytes]
    split: str | None = None
    label: str | None = None
    marks: tuple[Mark, ...] = ()
    load_mask: Callable[[], NDArray[np.uint8]] | None = None
    size: tuple[int, int] | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    camera: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None


def group_column(name: str) -> str:
    """Return the manifest's name of a column that groups pictures.

    Example:
        >>> group_column("Skin tone"), group_column("group_light")
        ('group_skin_tone', 'group_light')
    """
    word = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    return word if word.startswith("group_") else f"group_{word}"


def group_columns(names: Iterable[str]) -> dict[str, str]:
    """Return the manifest's name of each of several columns that group pictures.

    Raises:
        ValueError: two of them become one, of which one would take the other's place.

    Example:
        >>> group_columns(["Skin tone", "light"])
        {'Skin tone': 'group_skin_tone', 'light': 'group_light'}
    """
    heads: dict[str, str] = {}
    for name in names:
        column = group_column(name)
        if column in heads:
            raise ValueError(f"{heads[column]!r} and {name!r} both become {column}; rename one of them")
        heads[column] = name
    return {name: column for column, name in heads.items()}


class Source(Protocol):
    """What ``build`` of a part of the family ``sources`` returns."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes of pictures in index order."""

    @property
    def categories(self) -> tuple[str, ...]:
        """Classes of objects in index order."""

    @property
    def mask_classes(self) -> tuple[str, ...]:
        """Classes of index masks in index order, the background first; empty without masks."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know of how the source was read, one line each."""

    def __len__(self) -> int:
        """Count the pictures."""

    def __iter__(self) -> Iterator[Item]:
        """Deliver the pictures one after the other, in an order of names."""
