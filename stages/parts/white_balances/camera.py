"""White balance as the camera chose it; from the picture where the file has none."""

import math
from collections.abc import Callable
from typing import Any, Literal

from stages.core import params as core
from stages.maths.colour import neutral_gains

Gains = tuple[float, float, float]
_NORMS = {"grey_world": 1.0, "shades_of_grey": 6.0, "white_patch": math.inf}


class Params(core.Params):
    """What stands in for a missing white balance.

    Attributes:
        fallback: an estimate from the picture, or ``none``: leave the colours as the sensor saw them.
    """

    fallback: Literal["grey_world", "shades_of_grey", "white_patch", "none"]


def build(params: Params) -> Callable[..., Gains]:
    """Return the white balance; see the family's head."""

    def balance(mosaic: Any, pattern: str, camera_gains: Gains | None, *levels: Any) -> Gains:
        if camera_gains is not None:
            return camera_gains
        if params.fallback == "none":
            return 1.0, 1.0, 1.0
        return neutral_gains(mosaic, pattern, _NORMS[params.fallback], *levels)

    return balance
