"""LibRaw's AAHD (A. Samsonov), its refinement of AHD, in 16 bit."""

import rawpy

from stages.core import params as core
from stages.maths.tiling import Demosaicer
from stages.parts.demosaicers._libraw import demosaicer


class Params(core.Params):
    """The library leaves no choices."""


def build(params: Params) -> Demosaicer:  # noqa: ARG001 - the family's form
    """Return the demosaicer; see the family's head."""
    return demosaicer(rawpy.DemosaicAlgorithm.AAHD)
