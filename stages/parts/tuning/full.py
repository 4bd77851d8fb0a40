"""Everything learns."""

from typing import Annotated, Any

from pydantic import Field

from stages.core.params import Params as Base
from stages.parts.tuning import split


class Params(Base):
    """Parameters.

    Attributes:
        backbone_scale: factor on the learning rate of the backbone, above 0; below 1 keeps more of what it knows.
    """

    backbone_scale: Annotated[float, Field(gt=0, le=10)]


def build(params: Params, *, model: Any) -> list[dict[str, Any]]:
    """Return two groups, head and backbone; see the family's head."""
    return split(model, model.backbone.stages(), params.backbone_scale)
