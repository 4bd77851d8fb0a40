"""A denoising auto-encoder (Vincent et al. 2008, ICML): the clean picture from a noisy one with holes."""

from itertools import pairwise
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from stages.core.params import Params as Base
from stages.core.pixels import SRGB
from stages.parts.ssl._views import random_resized_crop


class Params(Base):
    """Parameters.

    Attributes:
        view_px: height and width of the crops, a multiple of 32.
        min_scale: smallest share of the picture's area in a crop, (0, 1].
        noise: standard deviation of the Gaussian noise, in the picture's range of 1; linear light, whose contrast is
            lower, gets as much less.
        hole_share: share of the 8 x 8 px blocks that are replaced by their picture's mean colour, [0, 1).
        width: channels of the decoder.
    """

    view_px: Annotated[int, Field(ge=32, multiple_of=32)]
    min_scale: Annotated[float, Field(gt=0, le=1)]
    noise: Annotated[float, Field(ge=0)]
    hole_share: Annotated[float, Field(ge=0, lt=1)]
    width: Annotated[int, Field(ge=8)]


class DenoisingAutoencoder(nn.Module):
    """A backbone with a decoder and no skip connections, so that the last feature must know the picture."""

    def __init__(self, params: Params, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone
        self.params = params
        widths = [backbone.channels[-1], *[params.width] * 3]
        self.decoder = nn.Sequential(*[_block(a, b) for a, b in pairwise(widths)])
        pixels = backbone.pixels
        self.out = nn.Conv2d(params.width, pixels.num_channels * 16, 1)
        usual = sum(SRGB.std) / len(SRGB.std)
        self.noise = tuple(params.noise * std / usual for std in pixels.std) if pixels.is_linear else (params.noise,)

    def forward(self, images: Tensor, seed: int) -> Tensor:
        """Return the mean squared error of the restored pictures, in units of their own variance."""
        generator = torch.Generator().manual_seed(seed)
        clean = random_resized_crop(images, self.params.view_px, (self.params.min_scale, 1.0), generator, flip=0.5)
        restored = self.restore(self._spoil(clean, generator))
        error = functional.mse_loss(restored, clean)
        return error / clean.var().clamp(min=1e-4)

    def restore(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) noisy pictures to clean ones."""
        coarse = self.out(self.decoder(self.backbone(images)[-1]))
        return functional.pixel_shuffle(coarse.float(), 4)

    def _spoil(self, images: Tensor, generator: torch.Generator) -> Tensor:
        num, _, height, width = images.shape
        amount = torch.tensor(self.noise, device=images.device).view(1, -1, 1, 1)
        noise = torch.randn(images.shape, generator=generator).to(images.device) * amount
        blocks = torch.rand((num, 1, height // 8, width // 8), generator=generator) < self.params.hole_share
        holes = functional.interpolate(blocks.float(), scale_factor=8, mode="nearest").to(images.device)
        mean = images.mean(dim=(2, 3), keepdim=True)
        return ((images + noise) * (1 - holes) + mean * holes).clamp(0, 1)


def _block(width_in: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(width_out),
        nn.ReLU(inplace=True),
        nn.Upsample(scale_factor=2, mode="nearest"),
    )


def build(params: Params, *, backbone: Any, size_px: tuple[int, int]) -> DenoisingAutoencoder:  # noqa: ARG001 - crops have their own
    """Return the method around a backbone; see the family's head."""
    return DenoisingAutoencoder(params, backbone)
