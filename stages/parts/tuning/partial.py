"""The head and the last blocks of the backbone learn."""

from typing import Annotated, Any

from pydantic import Field

from stages.core.params import Params as Base
from stages.parts.tuning import split


class Params(Base):
    """Parameters.

    Attributes:
        num_stages: how many blocks learn, counted from the output (a ResNet has five: stem and four layers).
        backbone_scale: factor on their learning rate, above 0.
    """

    num_stages: Annotated[int, Field(ge=1, le=5)]
    backbone_scale: Annotated[float, Field(gt=0, le=10)]


def build(params: Params, *, model: Any) -> list[dict[str, Any]]:
    """Return two groups, head and last blocks; see the family's head."""
    return split(model, model.backbone.stages()[-params.num_stages :], params.backbone_scale)
