"""torchvision's residual networks as feature extractors at four scales."""

from typing import Literal
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from stages.core.compute import seeded
from stages.core.errors import InfrastructureError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Weights = Literal["random", "IMAGENET1K_V1", "IMAGENET1K_V2"]


class ResNet(nn.Module):
    """A residual network without its classifier.

    Normalisation is part of it, so that no head has to know it. BatchNorm stays BatchNorm: torchvision's
    ``resnet_fpn_backbone`` would freeze it, which ruins training from random weights.

    Args:
        name: torchvision's model name.
        weights: ``random`` or the name of torchvision's weights.
        seed: of the random weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, weights: str, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            net = get_model(name, weights=None)
        if weights != "random":
            net.load_state_dict(_fetch(name, weights))
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        width = int(net.fc.in_features)
        self.channels = (width // 8, width // 4, width // 2, width)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) srgb in [0, 1] to features at stride 4, 8, 16, 32."""
        x = self.stem((images - self.mean) / self.std)
        features = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features

    def stages(self) -> list[nn.Module]:
        """List stem and layers from the input to the output."""
        return [self.stem, self.layer1, self.layer2, self.layer3, self.layer4]


def _fetch(name: str, weights: str) -> dict[str, Tensor]:
    """Download torchvision's weights (or find them in torch's cache), checksum verified."""
    choice = get_model_weights(name)[weights]
    try:
        state: dict[str, Tensor] = choice.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise InfrastructureError(
            f"the weights {weights} of {name} cannot be fetched ({error}); 'weights: random' needs no download"
        ) from error
    return state
