"""SimCLR (Chen et al. 2020, arXiv:2002.05709): two views of one picture are alike, those of others are not."""

from typing import Annotated, Any

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from pydantic import Field
from torch import Tensor, nn

from stages.core.params import Params as Base
from stages.core.seeds import derive
from stages.parts.ssl._views import view

LEAST = 2  # pictures in a batch: the others are what a picture is told from


class Params(Base):
    """Parameters.

    Attributes:
        view_px: height and width of a view.
        min_scale: smallest share of the picture's area in a view, (0, 1].
        strength: of the colour changes; 0.5 is the paper's for small pictures.
        projection_dim: width of the space in which views are compared.
        temperature: of the softmax over likenesses.
    """

    view_px: Annotated[int, Field(ge=32)]
    min_scale: Annotated[float, Field(gt=0, le=1)]
    strength: Annotated[float, Field(ge=0, le=1)]
    projection_dim: Annotated[int, Field(ge=2)]
    temperature: Annotated[float, Field(gt=0)]


class SimCLR(nn.Module):
    """A backbone with a projection head; see the family's head."""

    def __init__(self, params: Params, backbone: Any) -> None:
        super().__init__()
        width = backbone.channels[-1]
        self.backbone = backbone
        self.projection = SimCLRProjectionHead(width, width, params.projection_dim)
        self.criterion = NTXentLoss(temperature=params.temperature)
        self.params = params

    def forward(self, images: Tensor, seed: int) -> Tensor:
        """Return the contrastive loss of a batch."""
        first, second = (self._project(images, derive(seed, side)) for side in ("first", "second"))
        with torch.autocast(first.device.type, enabled=False):  # it rounds likenesses to 8 bits, whatever type comes in
            loss: Tensor = self.criterion(first.float(), second.float())
        return loss

    def _project(self, images: Tensor, seed: int) -> Tensor:
        params = self.params
        seen = view(images, seed, params.view_px, (params.min_scale, 1.0), params.strength, self.backbone.pixels.output)
        projected: Tensor = self.projection(self.backbone(seen)[-1].float().mean(dim=(2, 3)))
        return projected


def build(params: Params, *, backbone: Any, size_px: tuple[int, int]) -> SimCLR:  # noqa: ARG001 - views have their own size
    """Return the method around a backbone; see the family's head."""
    return SimCLR(params, backbone)
