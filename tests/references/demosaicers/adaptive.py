"""The default method, written plainly: every step over the whole frame."""

import numpy as np

from tests.references.demosaicers.frame import Array, at, is_color, whole
from tests.references.demosaicers.gbtf2010 import box, color_difference, mean_of_directions, roughness

PRIOR = 1e-4


def sloped(mosaic: Array, step: tuple[int, int]) -> Array:
    """Return green minus the other colour along a direction, by a slope fitted at the six nearest samples."""
    y, x = step

    def go(plane: Array, k: int) -> Array:
        return at(plane, k * y, k * x)

    second = 2 * mosaic - go(mosaic, 2) - go(mosaic, -2)
    guide = (go(second, 1) + go(second, -1)) / 2
    odd = (-5, -3, -1, 1, 3, 5)
    slope = (sum(go(guide * second, k) for k in odd) + PRIOR) / (sum(go(guide**2, k) for k in odd) + PRIOR)
    estimate = (go(mosaic, 1) + go(mosaic, -1)) / 2 + np.clip(slope, -0.5, 2) * second / 4
    return np.where(is_color("G", mosaic.shape), mosaic - estimate, estimate - mosaic)


def share_of_far(mosaic: Array, far: Array) -> Array:
    """Return the share that falls as colour differences change more beside the mosaic's own changes."""

    def changes(plane: Array) -> Array:
        return np.abs(at(plane, 0, 1) - at(plane, 0, -1)) + np.abs(at(plane, 1, 0) - at(plane, -1, 0))

    of_color = box(np.where(is_color("G", mosaic.shape), changes(far), 0), 4)
    return np.asarray(1 / (1 + (of_color / (0.22 / 2 * box(changes(mosaic), 4) + 1e-3)) ** 6))


def slopes(mosaic: Array, green: Array, color: str) -> Array:
    """Return at the pixels of a colour its mean slope on green; zero elsewhere."""
    here = is_color(color, mosaic.shape)

    def laplacian(plane: Array) -> Array:
        around = at(plane, 2, 0) + at(plane, -2, 0) + at(plane, 0, 2) + at(plane, 0, -2)
        return np.where(here, 4 * plane - around, 0)

    guide, own = laplacian(green), laplacian(mosaic)
    both, guides, owns = box(guide * own, 2, 2), box(guide**2, 2, 2), box(own**2, 2, 2)
    slope = (both + PRIOR) / (guides + PRIOR)
    trust = 1 / (np.maximum(owns - 2 * slope * both + slope**2 * guides, 0) + PRIOR)
    return np.where(here, box(trust * slope, 1, 2) / box(trust, 1, 2), 0)


def bilinear(samples: Array) -> Array:
    """Interpolate values known once per cell, zero elsewhere."""
    return np.asarray(sum(at(samples, y, x) / (1 + abs(y)) / (1 + abs(x)) for y in (-1, 0, 1) for x in (-1, 0, 1)))


def colors(mosaic: Array, green: Array, steep: dict[str, Array]) -> Array:
    """Return (H, W, 3): red and blue by their neighbours, corrected by green."""
    planes = {"G": green}
    for name in "RB":
        here = is_color(name, mosaic.shape)
        correction = green - bilinear(np.where(here, green, 0))
        planes[name] = np.where(here, mosaic, bilinear(np.where(here, mosaic, 0)) + bilinear(steep[name]) * correction)
    return np.stack([planes[name] for name in "RGB"], axis=-1)


def _rggb(mosaic: Array) -> Array:
    is_green = is_color("G", mosaic.shape)
    far = color_difference(mosaic)
    across, down = sloped(mosaic, (0, 1)), sloped(mosaic, (1, 0))
    rough = roughness(across, (0, 1), 1), roughness(down, (1, 0), 1)
    near = mean_of_directions(across, down, rough, (0.666, 0.305, 0.029), 1)
    share = share_of_far(mosaic, far)
    green = np.where(is_green, mosaic, mosaic + near + share * (far - near))
    steep = {name: slopes(mosaic, green, name) for name in "RB"}
    return colors(mosaic, green, steep)


def adaptive(mosaic: Array, pattern: str) -> Array:
    """Demosaic a frame of any pattern."""
    return whole(_rggb, mosaic, pattern, margin=28)
