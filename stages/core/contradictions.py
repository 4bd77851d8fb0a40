"""Tells whether copies of one picture are annotated alike: the same label, the same objects, the same index mask.

Files round: a box is the same one while each of its four edges lies less than a pixel from the other's, an outline while no
pixel of it lies more than one pixel from the other's. The order of objects does not matter. Masks from files must be equal.
"""

from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import KDTree

from stages.core.items import Mark, Segmentation
from stages.maths import rle

TOLERANCE_PX = 1.0  # how far apart an edge of the same box stays below; whole pixels against fractions


def same_objects(one: Sequence[Mark], other: Sequence[Mark], height: int, width: int) -> bool:
    """Tell whether two lists hold the same objects, each object of one list with an object of its own in the other.

    Args:
        one: objects of a picture.
        other: those that a copy of it has.
        height: of the picture, in pixels.
        width: likewise.
    """
    held, others = _by_kind(one), _by_kind(other)
    if {kind: len(marks) for kind, marks in held.items()} != {kind: len(marks) for kind, marks in others.items()}:
        return False
    return all(_paired(marks, others[kind], height, width) for kind, marks in held.items())


def _by_kind(marks: Sequence[Mark]) -> dict[tuple[str, tuple[str, ...], bool], list[Mark]]:
    """Sort objects by class, by what keeps them from being counted, and by whether they have an outline."""
    found: dict[tuple[str, tuple[str, ...], bool], list[Mark]] = defaultdict(list)
    for mark in marks:
        found[mark.category, mark.spared, mark.segmentation is not None].append(mark)
    return found


def _paired(one: Sequence[Mark], other: Sequence[Mark], height: int, width: int) -> bool:
    """Tell whether each of N objects has one of N others that is the same (J. Hopcroft and R. Karp, 1973)."""
    near = KDTree(_edges(other)).query_ball_point(_edges(one), np.nextafter(TOLERANCE_PX, 0), p=np.inf)
    same = [
        (row, place)
        for row, places in enumerate(near)
        for place in places
        if _same_outline(one[row].segmentation, other[place].segmentation, height, width)
    ]
    rows, columns = np.array(same, np.int64).reshape(-1, 2).T
    graph = sparse.csr_array((np.ones(len(same), np.int8), (rows, columns)), shape=(len(one), len(other)))
    return bool((csgraph.maximum_bipartite_matching(graph, perm_type="column") >= 0).all())


def _edges(marks: Sequence[Mark]) -> NDArray[np.float64]:
    """Return left, upper, right and lower edges, (N, 4)."""
    found = np.array([mark.bbox for mark in marks], np.float64)
    found[:, 2:] += found[:, :2]
    return found


def _same_outline(one: Segmentation | None, other: Segmentation | None, height: int, width: int) -> bool:
    if one is None or other is None or one == other:
        return one is other or one == other
    square = np.ones((3, 3), np.uint8)
    first, second = (rle.decode(outline, height, width).astype(np.uint8) for outline in (one, other))
    beyond = (first > cv2.dilate(second, square)) | (second > cv2.dilate(first, square))
    return not beyond.any()
