"""White balance from the picture: the mean of the picture is grey (Buchsbaum 1980)."""

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
        return neutral_gains(mosaic, pattern, 1.0, *levels)

    return balance
