"""The backbone is a fixed feature extractor; the head alone learns."""

from typing import Any

from stages.core.params import Params as Base
from stages.parts.tuning import split


class Params(Base):
    """No parameters."""


def build(params: Params, *, model: Any) -> list[dict[str, Any]]:  # noqa: ARG001 - the family's form
    """Return one group, the head; see the family's head."""
    return split(model, [], 1.0)
