"""Gradient-corrected linear interpolation: bilinear plus a share of the Laplacian of the colour measured at the pixel.

Source: H. S. Malvar, L. He, R. Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images",
ICASSP 2004, figure 2.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stages.core import params as core
from stages.maths.bayer import Kernels, interpolate, kernel

_IN_ROW = kernel([[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]])
_KERNELS = Kernels(
    green=kernel([[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]),
    in_row=_IN_ROW,
    in_column=np.ascontiguousarray(_IN_ROW.T),
    across=kernel([[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]]),
)


class Params(core.Params):
    """The method has no choices: the gains 1/2, 5/8 and 3/4 are the paper's."""


def build(params: Params) -> Callable[[NDArray[np.float32], str], NDArray[np.float32]]:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    return partial(interpolate, kernels=_KERNELS)
