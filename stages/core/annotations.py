"""The annotations of a data set, packed: in a third or less of the memory that the dictionaries of COCO take.

Who reads one gets a dictionary of its own; changing it changes nothing here.
"""

import marshal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import files
from stages.core.errors import DataError

Mark = dict[str, Any]
Ints = NDArray[np.int64]


class Annotations(Sequence[Mark]):
    """COCO annotations in the file's order.

    Args:
        packed: all of the file's, behind one another, in this process' own form.
        ends: (A,) where each ends.
        pictures: (A,) the ``image_id`` of each.
        chosen: which of them these are.
    """

    def __init__(self, packed: bytes, ends: Ints, pictures: Ints, chosen: Ints) -> None:
        self._packed, self._ends, self._pictures, self._chosen = packed, ends, pictures, chosen

    @property
    def pictures(self) -> Ints:
        """The ``image_id`` of each."""
        return self._pictures[self._chosen]

    def of(self, pictures: set[int]) -> "Annotations":
        """Return those of some pictures; what is packed is shared."""
        inside = np.isin(self.pictures, np.fromiter(pictures, np.int64, len(pictures)))
        return Annotations(self._packed, self._ends, self._pictures, self._chosen[inside])

    def __len__(self) -> int:
        return self._chosen.size

    def __getitem__(self, place: Any) -> Any:
        """Return one annotation, or a list of some."""
        if isinstance(place, slice):
            return [self._read(int(one)) for one in self._chosen[place]]
        return self._read(int(self._chosen[place]))

    def _read(self, at: int) -> Mark:
        start = int(self._ends[at - 1]) if at else 0
        found: Mark = marshal.loads(self._packed[start : int(self._ends[at])])  # noqa: S302 - packed by this process
        return found


class ByPicture(Mapping[str, list[Mark]]):
    """The annotations of each picture by name, an empty list where it has none; read when they are asked for.

    Args:
        numbers: COCO's number of each picture by name, in the order of the names.
        marks: the annotations.
    """

    def __init__(self, numbers: Mapping[str, int | None], marks: Sequence[Mark]) -> None:
        of = marks.pictures if isinstance(marks, Annotations) else np.array([m["image_id"] for m in marks], np.int64)
        self._order = np.argsort(of, kind="stable")
        self._numbers, self._marks, self._of = numbers, marks, of[self._order]

    def __getitem__(self, name: str) -> list[Mark]:
        """Return a picture's annotations in the file's order."""
        number = self._numbers[name]
        if number is None:
            return []
        start, stop = np.searchsorted(self._of, (number, number + 1)).tolist()
        return [self._marks[place] for place in self._order[start:stop].tolist()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def read(path: Path) -> dict[str, Any]:
    """Read ``annotations.json``; its ``annotations`` are packed while it is read.

    Raises:
        DataError: the file is missing or broken, or an annotation belongs to no picture.
    """
    packed, ends, pictures = bytearray(), [], []

    def pack(content: Mark) -> Any:
        if not {"image_id", "bbox", "category_id"} <= content.keys():
            return content
        packed.extend(marshal.dumps(content))
        ends.append(len(packed))
        pictures.append(content["image_id"])
        return None

    content = files.read_json(path, pack)
    held = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(held, list) or any(mark is not None for mark in held):
        raise DataError(
            f"{path} is no COCO file whose annotations have image_id, category_id and bbox; make it again (dvc repro)"
        )
    sizes = np.array(ends, np.int64), np.array(pictures, np.int64)
    return {**content, "annotations": Annotations(bytes(packed), *sizes, np.arange(len(ends)))}
