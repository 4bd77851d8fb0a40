"""Random views of pictures, whole batches at once on the batch's device, drawn from a generator alone."""

import math

import torch
from torch import Tensor
from torch.nn import functional

GREY = {
    "srgb": (0.299, 0.587, 0.114),  # luma of BT.601, as in SimCLR's grey
    "linear_rgb": (0.2126, 0.7152, 0.0722),  # luminance, BT.709
    "packed_raw": (0.25, 0.25, 0.25, 0.25),  # the mean of the cell: the camera's colours have no luminance of their own
}
GAMMA = {"srgb": 1.0, "linear_rgb": 2.2, "packed_raw": 2.2}  # a change of brightness as large to the eye, as light


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw uniform numbers on the CPU, so that every device sees the same ones."""
    return torch.rand(shape, generator=generator) * (high - low) + low


def random_resized_crop(
    images: Tensor, size_px: int, scale: tuple[float, float], generator: torch.Generator, flip: float
) -> Tensor:
    """Cut a random rectangle out of each picture and bring it to one size, some mirrored left to right.

    Args:
        images: (B, C, H, W).
        size_px: height and width of the result.
        scale: share of the area that is kept, from and to; the aspect ratio is log-uniform in [3/4, 4/3].
        generator: of the draws.
        flip: probability of mirroring.

    Returns:
        (B, C, size_px, size_px), bilinear.
    """
    num = images.shape[0]
    area = uniform((num,), *scale, generator)
    ratio = torch.exp(uniform((num,), math.log(3 / 4), math.log(4 / 3), generator))
    wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    x = (torch.rand(num, generator=generator) * 2 - 1) * (1 - wide)
    y = (torch.rand(num, generator=generator) * 2 - 1) * (1 - high)
    mirrored = torch.where(torch.rand(num, generator=generator) < flip, -1.0, 1.0)
    zero = torch.zeros(num)
    theta = torch.stack([torch.stack([wide * mirrored, zero, x], 1), torch.stack([zero, high, y], 1)], 1).to(images.device)
    grid = functional.affine_grid(theta, [num, images.shape[1], size_px, size_px], align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def jitter(images: Tensor, strength: float, generator: torch.Generator, output: str = "srgb") -> Tensor:
    """Change brightness, contrast, saturation and the balance of the channels of each picture; clipped to [0, 1].

    On linear light brightness is exposure and the balance is the light's colour; the two greens of a packed picture share
    one factor, as under any light. Nothing is added anywhere, so that black stays black but for contrast and saturation,
    which mix towards the picture's own mean and grey.
    """
    num, device = images.shape[0], images.device

    def factor(low: float, high: float, channels: int = 1) -> Tensor:
        return uniform((num, channels, 1, 1), low, high, generator).to(device)

    low, high = 1 - 0.8 * strength, 1 + 0.8 * strength
    light, balance = factor(low, high), factor(1 - 0.3 * strength, 1 + 0.3 * strength, 3)
    balance = balance if images.shape[1] == len("RGB") else balance[:, [0, 1, 1, 2]]
    x = images * light ** GAMMA[output] * balance ** GAMMA[output]
    x = mix(x, x.mean(dim=(1, 2, 3), keepdim=True), factor(low, high))
    return mix(x, grey(x, output), factor(low, high)).clamp(0, 1)


def mix(images: Tensor, others: Tensor, share: Tensor) -> Tensor:
    """Return ``share`` of the pictures and the rest of the others (share above 1 moves away from them)."""
    return images * share + others * (1 - share)


def grey(images: Tensor, output: str = "srgb") -> Tensor:
    """Return the picture without its colours, in all channels."""
    weights = torch.tensor(GREY[output], device=images.device).view(1, -1, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True).expand_as(images)


def where(images: Tensor, changed: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Take the changed version of some pictures."""
    chosen = torch.rand(images.shape[0], generator=generator) < probability
    return torch.where(chosen.view(-1, 1, 1, 1).to(images.device), changed, images)


def blur(images: Tensor, sigma_px: float) -> Tensor:
    """Blur all pictures by a Gaussian, border reflected."""
    radius = max(1, math.ceil(2 * sigma_px))
    line = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=images.device) / sigma_px) ** 2)
    line = (line / line.sum()).view(1, 1, 1, -1).repeat(images.shape[1], 1, 1, 1)
    x = functional.pad(images, (radius, radius, radius, radius), mode="reflect")
    x = functional.conv2d(x, line, groups=images.shape[1])
    return functional.conv2d(x, line.transpose(2, 3), groups=images.shape[1])


def view(  # noqa: PLR0913, PLR0917 - the recipe's knobs
    images: Tensor, seed: int, size_px: int, scale: tuple[float, float], strength: float, output: str = "srgb"
) -> Tensor:
    """Return one augmented view of each picture, after SimCLR (Chen et al. 2020, arXiv:2002.05709, appendix A).

    Args:
        images: (B, C, H, W) in [0, 1].
        seed: of all draws.
        size_px: height and width of the view.
        scale: share of the area that the crop keeps, from and to.
        strength: of the colour changes; 0 leaves colours alone, 0.5 is SimCLR's for CIFAR-10, 1 for ImageNet.
        output: what the pictures hold; see ``core.pixels``.
    """
    generator = torch.Generator().manual_seed(seed)
    x = random_resized_crop(images, size_px, scale, generator, flip=0.5)
    x = where(x, jitter(x, strength, generator, output), 0.8, generator)
    x = where(x, grey(x, output), 0.2, generator)
    return where(x, blur(x, 0.01 * size_px), 0.3, generator)
