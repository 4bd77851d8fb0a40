"""Random views of pictures, whole batches at once on the batch's device, drawn from a generator alone."""

import math

import torch
from torch import Tensor
from torch.nn import functional

LUMA = (0.299, 0.587, 0.114)  # BT.601, as in SimCLR's grey


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw uniform numbers on the CPU, so that every device sees the same ones."""
    return torch.rand(shape, generator=generator) * (high - low) + low


def random_resized_crop(
    images: Tensor, size_px: int, scale: tuple[float, float], generator: torch.Generator, flip: float
) -> Tensor:
    """Cut a random rectangle out of each picture and bring it to one size, some mirrored left to right.

    Args:
        images: (B, 3, H, W).
        size_px: height and width of the result.
        scale: share of the area that is kept, from and to; the aspect ratio is log-uniform in [3/4, 4/3].
        generator: of the draws.
        flip: probability of mirroring.

    Returns:
        (B, 3, size_px, size_px), bilinear.
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
    grid = functional.affine_grid(theta, [num, 3, size_px, size_px], align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def jitter(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and the balance of the channels of each picture; clipped to [0, 1]."""
    num, device = images.shape[0], images.device

    def factor(low: float, high: float, channels: int = 1) -> Tensor:
        return uniform((num, channels, 1, 1), low, high, generator).to(device)

    low, high = 1 - 0.8 * strength, 1 + 0.8 * strength
    x = images * factor(low, high) * factor(1 - 0.3 * strength, 1 + 0.3 * strength, 3)
    x = mix(x, x.mean(dim=(1, 2, 3), keepdim=True), factor(low, high))
    return mix(x, grey(x), factor(low, high)).clamp(0, 1)


def mix(images: Tensor, others: Tensor, share: Tensor) -> Tensor:
    """Return ``share`` of the pictures and the rest of the others (share above 1 moves away from them)."""
    return images * share + others * (1 - share)


def grey(images: Tensor) -> Tensor:
    """Return luma in all three channels."""
    weights = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True).expand_as(images)


def where(images: Tensor, changed: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Take the changed version of some pictures."""
    chosen = torch.rand(images.shape[0], generator=generator) < probability
    return torch.where(chosen.view(-1, 1, 1, 1).to(images.device), changed, images)


def blur(images: Tensor, sigma_px: float) -> Tensor:
    """Blur all pictures by a Gaussian, border reflected."""
    radius = max(1, math.ceil(2 * sigma_px))
    line = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=images.device) / sigma_px) ** 2)
    line = (line / line.sum()).view(1, 1, 1, -1).repeat(3, 1, 1, 1)
    x = functional.pad(images, (radius, radius, radius, radius), mode="reflect")
    x = functional.conv2d(x, line, groups=3)
    return functional.conv2d(x, line.transpose(2, 3), groups=3)


def view(images: Tensor, seed: int, size_px: int, scale: tuple[float, float], strength: float) -> Tensor:
    """Return one augmented view of each picture, after SimCLR (Chen et al. 2020, arXiv:2002.05709, appendix A).

    Args:
        images: (B, 3, H, W) srgb in [0, 1].
        seed: of all draws.
        size_px: height and width of the view.
        scale: share of the area that the crop keeps, from and to.
        strength: of the colour changes; 0 leaves colours alone, 0.5 is SimCLR's for CIFAR-10, 1 for ImageNet.
    """
    generator = torch.Generator().manual_seed(seed)
    x = random_resized_crop(images, size_px, scale, generator, flip=0.5)
    x = where(x, jitter(x, strength, generator), 0.8, generator)
    x = where(x, grey(x), 0.2, generator)
    return where(x, blur(x, 0.01 * size_px), 0.3, generator)
