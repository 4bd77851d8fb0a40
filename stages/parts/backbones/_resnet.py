"""torchvision's residual networks as feature extractors at four scales."""

from typing import Literal
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from stages.core.compute import seeded
from stages.core.errors import InfrastructureError
from stages.core.pixels import Pixels

Weights = Literal["random", "IMAGENET1K_V1", "IMAGENET1K_V2"]


class ResNet(nn.Module):
    """A residual network without its classifier.

    Normalisation is part of it, so that no head has to know it. BatchNorm stays BatchNorm: torchvision's
    ``resnet_fpn_backbone`` would freeze it, which ruins training from random weights.

    Args:
        name: torchvision's model name.
        weights: ``random`` or the name of torchvision's weights.
        seed: of the random weights.
        pixels: what the pictures hold. Four channels get a first convolution of their own; where weights are torchvision's,
            it is theirs with the green filter halved over the two greens: a grey picture gives the answer it gave.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, weights: str, seed: int, pixels: Pixels) -> None:
        super().__init__()
        with seeded(seed):
            net = get_model(name, weights=None)
        if weights != "random":
            net.load_state_dict(_fetch(name, weights))
        if pixels.num_channels > len("RGB"):
            net.conv1 = _widened(net.conv1, pixels.num_channels, keep=weights != "random", seed=seed)
        self.pixels = pixels
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        width = int(net.fc.in_features)
        self.channels = (width // 8, width // 4, width // 2, width)
        self.register_buffer("mean", torch.tensor(pixels.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(pixels.std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (B, C, H, W) in [0, 1] to features at stride 4, 8, 16, 32."""
        x = self.stem((images - self.mean) / self.std)
        features = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features

    def stages(self) -> list[nn.Module]:
        """List stem and layers from the input to the output."""
        return [self.stem, self.layer1, self.layer2, self.layer3, self.layer4]


def _widened(conv: nn.Conv2d, num_channels: int, *, keep: bool, seed: int) -> nn.Conv2d:
    """Return the first convolution for red, two greens and blue: new as torchvision makes it, or of the old weights."""
    size = conv.kernel_size[0]
    wide = nn.Conv2d(num_channels, conv.out_channels, size, stride=conv.stride[0], padding=size // 2, bias=False)
    with seeded(seed), torch.no_grad():
        nn.init.kaiming_normal_(wide.weight, mode="fan_out", nonlinearity="relu")
        if keep:
            red, green, blue = conv.weight.unbind(dim=1)
            wide.weight.copy_(torch.stack([red, green / 2, green / 2, blue], dim=1))
    return wide


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
