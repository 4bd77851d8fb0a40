"""The rows of a split (``judge.objects``) put together, on disk and as what every figure of detections is read from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.judge import average_precision as ap
from stages.judge.detections import Answer, Flags, Ints, truth
from stages.judge.objects import BITS, Row, Rule, observe
from stages.maths.geometry import Placement

_PER_DETECTION = ("order", "labels", "scores", "came")
_PER_OBJECT = ("objects", "object_labels", "object_areas", "found", "seen")
_TYPES: dict[str, Any] = {
    "order": np.int32, "labels": np.int32, "objects": np.int32, "object_labels": np.int32, "counts": np.int32,
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """The rows of a split, column by column; see ``Row`` for what each holds.

    Attributes:
        num_pictures: N.
        num_classes: K.
        columns: one array each, all pictures behind one another.
        starts: (N + 1,) where each picture's begin, for ``detections``, ``objects`` and ``cells``.
    """

    num_pictures: int
    num_classes: int
    columns: dict[str, NDArray[Any]]
    starts: dict[str, Ints]

    def pictures(self, kind: str) -> Ints:
        """Return the picture of each entry; ``kind`` is ``detections``, ``objects`` or ``cells``."""
        return np.repeat(np.arange(self.num_pictures), np.diff(self.starts[kind]))

    def of(self, picture: int, kind: str, column: str) -> NDArray[Any]:
        """Return one picture's part of a column."""
        start, stop = self.starts[kind][picture : picture + 2]
        return self.columns[column][..., start:stop]

    def save(self, path: Path) -> None:
        """Write them as one ``.npz``."""
        starts = {f"starts_{kind}": value for kind, value in self.starts.items()}
        held: dict[str, Any] = {"num_classes": np.array(self.num_classes), **self.columns, **starts}
        np.savez(path, **held)


def load(path: Path) -> Rows:
    """Read what ``Rows.save`` wrote."""
    with np.load(path) as held:
        columns = {name: held[name] for name in held.files if not name.startswith("starts_") and name != "num_classes"}
        starts = {kind: held[f"starts_{kind}"] for kind in ("detections", "objects", "cells")}
        return Rows(starts["cells"].size - 1, int(held["num_classes"]), columns, starts)


def gather(rows: Sequence[Row], num_classes: int) -> Rows:
    """Put the rows of a split behind one another.

    Args:
        rows: in the manifest's order.
        num_classes: K.
    """
    none = observe(truth([], _NOWHERE, masks=False), _nothing(), Rule(0.0), num_classes)
    names = [*_PER_DETECTION, "right", "wrong", "box_right", "box_wrong", *_PER_OBJECT, "cells", "counts"]
    columns = {name: np.concatenate([getattr(row, name) for row in (none, *rows)], axis=-1) for name in names}
    sizes = {"detections": "labels", "objects": "objects", "cells": "cells"}
    starts = {
        kind: np.cumsum([0, *(getattr(row, name).size for row in rows)]).astype(np.int64) for kind, name in sizes.items()
    }
    typed = {name: column.astype(_TYPES.get(name, column.dtype)) for name, column in columns.items()}
    return Rows(len(rows), num_classes, typed, starts)


_NOWHERE = Placement(1, 1, 1, 1, 1, 1)


def _nothing() -> Answer:
    return Answer(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 4)), np.zeros(0))


def tables(rows: Rows, area: str = "all", *, boxes: bool = False) -> list[ap.Matches]:
    """Return the matches of each class.

    Args:
        rows: of the split.
        area: ``all``, ``small``, ``medium`` or ``large``, by the user's own pixels.
        boxes: of instances, the matches by boxes, over all areas.
    """
    labels, scores, pictures = rows.columns["labels"], rows.columns["scores"], rows.pictures("detections")
    at = list(ap.AREAS).index(area)
    right, wrong = (rows.columns[f"box_{n}"] if boxes else rows.columns[n][at] for n in ("right", "wrong"))
    order = np.lexsort((-scores, labels))  # both steps are stable: ties stay in the order of pictures
    bounds = np.searchsorted(labels[order], np.arange(rows.num_classes + 1))
    low, high = ap.AREAS[area]
    inside = (rows.columns["object_areas"] >= low) & (rows.columns["object_areas"] <= high)
    found = []
    for label in range(rows.num_classes):
        some = order[bounds[label] : bounds[label + 1]]
        own = inside & (rows.columns["object_labels"] == label)
        holders, held = np.unique(rows.pictures("objects")[own], return_counts=True)
        found.append(
            ap.Matches(
                scores[some], pictures[some], _bits(right[some]), _bits(wrong[some]), holders.astype(np.int64),
                held.astype(np.float64), rows.num_pictures,
            )
        )  # fmt: skip
    return found


def _bits(packed: NDArray[np.uint16]) -> Flags:
    return (packed[None] & BITS[:, None]) > 0


def confusion(rows: Rows) -> Ints:
    """Return the detection confusion matrix (K + 1, K + 1) of the split, row = truth, the background last.

    Row k sums to the objects of class k that count, column k to its sure detections without those that are excused; the
    last row holds detections of nothing, the last column missed objects.
    """
    width = rows.num_classes + 1
    total = np.bincount(rows.columns["cells"], rows.columns["counts"], width * width)
    return total.reshape(width, width).astype(np.int64)


def mistakes(rows: Rows) -> dict[str, Ints]:
    """Return how many objects of each picture were ``missed``, how many detections ``false``, how many objects ``confused``.

    Returns:
        (N,) each, by the entries of the confusion matrix.
    """
    real, said = np.divmod(rows.columns["cells"].astype(np.int64), rows.num_classes + 1)
    kinds = {
        "missed": said == rows.num_classes,
        "false": real == rows.num_classes,
        "confused": (real != said) & (real != rows.num_classes) & (said != rows.num_classes),
    }
    of, counts = rows.pictures("cells"), rows.columns["counts"]
    return {word: np.bincount(of[some], counts[some], rows.num_pictures).astype(np.int64) for word, some in kinds.items()}


def above(rows: Rows, most: int | None) -> Ints:
    """Return the pictures that hold more objects of a class than detections of it count: no model can find all of them."""
    if most is None:
        return np.zeros(0, np.int64)
    codes = rows.pictures("objects") * rows.num_classes + rows.columns["object_labels"]
    which, counts = np.unique(codes, return_counts=True)
    return np.unique(which[counts > most] // rows.num_classes)
