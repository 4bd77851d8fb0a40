"""White balance by gains that the user states, the same for every picture."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from stages.core import params as core

Gains = tuple[float, float, float]
_Gain = Annotated[float, Field(gt=0, le=100)]


class Params(core.Params):
    """The gains.

    Attributes:
        red: gain of red; only ratios count.
        green: gain of green.
        blue: gain of blue.
    """

    red: _Gain
    green: _Gain
    blue: _Gain


def build(params: Params) -> Callable[..., Gains]:
    """Return the white balance; see the family's head."""
    return lambda mosaic, pattern, camera_gains, *levels: (params.red, params.green, params.blue)  # noqa: ARG005 - the family's form
