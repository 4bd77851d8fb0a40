"""OpenCV's edge-aware interpolation: green along the smaller gradient, red and blue bilinear, in 16 bit."""

import cv2
import numpy as np

from stages.core import params as core
from stages.maths.tiling import Demosaicer
from stages.parts.demosaicers._opencv import demosaicer


class Params(core.Params):
    """The library leaves no choices."""


def build(params: Params) -> Demosaicer:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    return demosaicer(cv2.COLOR_BAYER_RGGB2RGB_EA, np.uint16)
