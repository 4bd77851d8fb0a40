"""White balance from the picture: the brightest of the picture is white (Land 1977)."""

import math
from collections.abc import Callable
from typing import Any

from stages.core import params as core
from stages.maths.colour import neutral_gains

Gains = tuple[float, float, float]


class Params(core.Params):
    """The assumption has no choices."""


def build(params: Params) -> Callable[..., Gains]:  # noqa: ARG001 - the family's form
    """Return the white balance; see the family's head."""

    def balance(mosaic: Any, pattern: str, camera_gains: Gains | None, *levels: Any) -> Gains:  # noqa: ARG001 - the family's form
        return neutral_gains(mosaic, pattern, math.inf, *levels)

    return balance
