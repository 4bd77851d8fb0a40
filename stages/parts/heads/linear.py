"""A linear classifier on the pooled last feature."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from stages.core.params import Params as Base

TASKS = ("classify",)


class Params(Base):
    """Parameters.

    Attributes:
        dropout: share of pooled features dropped in training, [0, 1).
        label_smoothing: share of the target spread over all classes, [0, 1).
        shrink: pictures are averaged over blocks of so many pixels a side first; 2 costs a quarter of 1.
    """

    dropout: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    shrink: Annotated[int, Field(ge=1, le=8)]


class Linear(nn.Module):
    """Global average pooling and one matrix; see the family's head."""

    def __init__(self, params: Params, backbone: Any, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(params.dropout)
        self.classifier = nn.Linear(backbone.channels[-1], num_classes)
        self.smoothing, self.shrink = params.label_smoothing, params.shrink
        self.class_weights: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, K) float32."""
        small = functional.avg_pool2d(images, self.shrink) if self.shrink > 1 else images
        pooled = self.backbone(small)[-1].float().mean(dim=(2, 3))
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits.float()

    def loss(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return the cross-entropy."""
        labels = torch.stack([target["label"] for target in targets])
        weights = None if self.class_weights is None else self.class_weights.to(images.device)
        return {"class": functional.cross_entropy(self(images), labels, weights, label_smoothing=self.smoothing)}

    def predict(self, images: Tensor) -> list[dict[str, Tensor]]:
        """Return ``scores`` (K,) that sum to 1 for each picture."""
        return [{"scores": scores} for scores in self(images).softmax(dim=1)]


def build(params: Params, *, backbone: Any, num_classes: int, size_px: tuple[int, int]) -> Linear:  # noqa: ARG001 - any size
    """Return the classifier; see the family's head."""
    return Linear(params, backbone, num_classes)
