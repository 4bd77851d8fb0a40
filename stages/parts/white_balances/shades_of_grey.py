"""White balance from the picture by Minkowski norm, between grey world and white patch (Finlayson and Trezzi 2004)."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from stages.core import params as core
from stages.maths.colour import neutral_gains

Gains = tuple[float, float, float]


class Params(core.Params):
    """How the picture is averaged.

    Attributes:
        norm: 1 is grey world, large is white patch; the paper's best is 6.
    """

    norm: Annotated[float, Field(ge=1, le=100)]


def build(params: Params) -> Callable[..., Gains]:
    """Return the white balance; see the family's head."""

    def balance(mosaic: Any, pattern: str, camera_gains: Gains | None, *levels: Any) -> Gains:  # noqa: ARG001 - the family's form
        return neutral_gains(mosaic, pattern, params.norm, *levels)

    return balance
