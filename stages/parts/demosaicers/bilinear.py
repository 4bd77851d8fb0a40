"""Bilinear interpolation: the mean of the nearest neighbours of the missing colour."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stages.core import params as core
from stages.maths.bayer import Kernels, interpolate, kernel

_KERNELS = Kernels(
    green=kernel([[0, 1, 0], [1, 0, 1], [0, 1, 0]]),
    in_row=kernel([[0, 0, 0], [1, 0, 1], [0, 0, 0]]),
    in_column=kernel([[0, 1, 0], [0, 0, 0], [0, 1, 0]]),
    across=kernel([[1, 0, 1], [0, 0, 0], [1, 0, 1]]),
)


class Params(core.Params):
    """Bilinear interpolation has no choices."""


def build(params: Params) -> Callable[[NDArray[np.float32], str], NDArray[np.float32]]:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    return partial(interpolate, kernels=_KERNELS)
