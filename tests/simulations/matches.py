"""Tables of matches made by hand, the one place of the simulations that knows how such a table is laid out."""

import numpy as np
from numpy.typing import NDArray

from stages.judge.average_precision import Matches

Floats = NDArray[np.float64]


def matches(scores: Floats, pictures: NDArray[np.int64], right: NDArray[np.bool_], objects: Floats) -> Matches:
    """Return the table of one class at one IoU threshold.

    Args:
        scores: (D,) of the detections, in any order.
        pictures: (D,) whose detection it is.
        right: (D,) it found an object; the others are false.
        objects: (N,) objects in each picture.
    """
    order = np.argsort(-scores, kind="stable")
    hit = right[order][None]
    holders = np.flatnonzero(objects)
    return Matches(scores[order], pictures[order], hit, ~hit, holders, objects[holders], objects.size)
