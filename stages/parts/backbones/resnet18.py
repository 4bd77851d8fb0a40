"""ResNet-18 (He et al. 2015, arXiv:1512.03385), torchvision's."""

from typing import Literal

from stages.core.params import Params as Base
from stages.core.pixels import SRGB, Pixels
from stages.parts.backbones._resnet import ResNet


class Params(Base):
    """Parameters.

    Attributes:
        weights: ``random``, or torchvision's ImageNet weights by their name (downloaded).
    """

    weights: Literal["random", "IMAGENET1K_V1"]


def build(params: Params, *, seed: int, pretrained: bool, pixels: Pixels = SRGB) -> ResNet:
    """Return the network; see the family's head."""
    return ResNet("resnet18", params.weights if pretrained else "random", seed, pixels)
