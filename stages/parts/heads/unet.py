"""U-Net (Ronneberger et al. 2015, arXiv:1505.04597) on a pretrained backbone."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from stages.core.images import IGNORE
from stages.core.params import Params as Base

TASKS = ("segment",)
STRIDE = 32


class Params(Base):
    """Parameters.

    Attributes:
        width: channels of the decoder at stride 16; it halves towards the picture.
        dice: weight of the soft Dice loss beside the cross-entropy; lifts rare classes.
    """

    width: Annotated[int, Field(ge=16, multiple_of=8)]
    dice: Annotated[float, Field(ge=0)]


class UNet(nn.Module):
    """A decoder with skip connections down to the picture itself; see the family's head.

    A ResNet's first feature has stride 4, too coarse for thin strokes: two small blocks on the picture give the skips at
    stride 1 and 2.
    """

    middle: Tensor

    def __init__(self, params: Params, backbone: Any, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.num_classes, self.dice = num_classes, params.dice
        fine = (params.width // 8, params.width // 4)
        middle = torch.tensor(backbone.pixels.mean if backbone.pixels.is_linear else (0.5,)).view(1, -1, 1, 1)
        self.register_buffer("middle", middle, persistent=False)
        self.detail1, self.detail2 = _block(backbone.pixels.num_channels, fine[0]), _block(fine[0], fine[1], stride=2)
        skips = [*reversed(backbone.channels[:-1]), fine[1], fine[0]]
        widths = [params.width, params.width // 2, params.width // 2, params.width // 4, params.width // 8]
        below = [backbone.channels[-1], *widths[:-1]]
        rows = zip(below, skips, widths, strict=True)
        self.decoder = nn.ModuleList([_block(under + skip, width) for under, skip, width in rows])
        self.out = nn.Conv2d(widths[-1], num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, K, H, W) float32; any size, padded within to a multiple of 32."""
        height, width = images.shape[-2:]
        padded = functional.pad(images, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        fine = self.detail1(padded - self.middle)
        features = self.backbone(padded)
        skips = [*reversed(features[:-1]), self.detail2(fine), fine]
        x = features[-1]
        for block, skip in zip(self.decoder, skips, strict=True):
            x = block(torch.cat([functional.interpolate(x, scale_factor=2, mode="nearest"), skip], dim=1))
        logits: Tensor = self.out(x)
        return logits.float()[..., :height, :width]

    def loss(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return cross-entropy and Dice over the pixels that count; zero when none does."""
        logits, truth = self(images), torch.stack([target["mask"] for target in targets])
        counts = (truth != IGNORE).sum().clamp(min=1)
        entropy = functional.cross_entropy(logits, truth, ignore_index=IGNORE, reduction="sum") / counts
        return {"pixel": entropy, "dice": self.dice * soft_dice(logits, truth)}

    def predict(self, images: Tensor) -> list[dict[str, Tensor]]:
        """Return ``mask`` (H, W) uint8 for each picture."""
        return [{"mask": mask} for mask in self(images).argmax(dim=1).to(torch.uint8)]


def soft_dice(logits: Tensor, truth: Tensor) -> Tensor:
    """Return 1 minus the mean over the batch's present classes of the soft Dice coefficient (Milletari et al. 2016).

    Args:
        logits: (B, K, H, W).
        truth: (B, H, W) class index, 255 = ignore.
    """
    seen = (truth != IGNORE).unsqueeze(1)
    shares = logits.softmax(dim=1) * seen
    labels = torch.where(truth == IGNORE, 0, truth)
    hot = functional.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2) * seen
    both, total = (shares * hot).sum(dim=(0, 2, 3)), (shares + hot).sum(dim=(0, 2, 3))
    present = (hot.sum(dim=(0, 2, 3)) > 0).float()
    return 1 - ((2 * both / total.clamp(min=1e-6)) * present).sum() / present.sum().clamp(min=1)


def _block(width_in: int, width_out: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(width_in, width_out, 3, padding=1, stride=stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width_out), nn.ReLU(inplace=True))


def build(params: Params, *, backbone: Any, num_classes: int, size_px: tuple[int, int]) -> UNet:  # noqa: ARG001 - any size
    """Return the network; see the family's head."""
    return UNet(params, backbone, num_classes)
