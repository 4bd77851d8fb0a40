"""The class that each picture is of: within these classes two groups are dealt out anew (``judge.permutations``).

A picture is of the class that its label says. Without one it is of the class that it holds most of, as the truth has it:
annotations of objects, or masks, often come without a label of the picture, and a group of difficult objects is no more one
that is treated worse than a group of difficult labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Strata:
    """Classes of pictures.

    Attributes:
        codes: (N,) the class of each picture; of a label and of what a picture holds they are never the same.
        labelled: some pictures have a label.
        held: some have none and hold a class.
    """

    codes: Ints
    labelled: bool
    held: bool

    @property
    def asked(self) -> bool:
        """Tell whether there are several classes, so that they can explain something."""
        return bool((self.codes != self.codes[:1]).any())


def of(labels: Sequence[str | None], held: Any) -> Strata:
    """Return the classes of pictures.

    Args:
        labels: of the N pictures; None or empty where a picture has none.
        held: (N, K) dense or sparse, how much each picture holds of each class.

    Example:
        >>> of(["a", "b", "a"], np.zeros((3, 0))).codes.tolist()
        [0, 1, 0]
        >>> of([None, None, None], np.array([[2, 1], [1, 1], [0, 0]])).codes.tolist()
        [0, 1, 2]
    """
    names = np.array([label or "" for label in labels], dtype=object)
    there = names != ""
    most = most_held(held)
    codes, num = most, held.shape[1] + 1
    codes[there] = num + np.unique(names[there].astype(str), return_inverse=True)[1].ravel()
    found = np.unique(codes, return_inverse=True)[1].ravel().astype(np.int64)
    return Strata(found, bool(there.any()), bool((~there & (most < num - 1)).any()))


def most_held(held: Any) -> Ints:
    """Return the class that each picture holds most of; of several the one of which all pictures hold least.

    Args:
        held: (N, K) dense or sparse, 0 or more.

    Returns:
        (N,) from 0; K where a picture holds nothing.
    """
    table = sparse.coo_array(held)
    table.sum_duplicates()
    rows, columns, numbers = (part[table.data > 0] for part in (*table.coords, table.data))
    totals = np.bincount(columns, numbers, table.shape[1])
    order = np.lexsort((columns, totals[columns], -numbers, rows))
    first, at = np.unique(rows[order], return_index=True)
    found = np.full(table.shape[0], table.shape[1], np.int64)
    found[first] = columns[order][at]
    return found
