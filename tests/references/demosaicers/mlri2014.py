"""Minimised-Laplacian residual interpolation (Kiku et al. 2014), every step over the whole frame."""

import numpy as np

from tests.references.demosaicers.frame import Array, at, is_color, whole
from tests.references.demosaicers.gbtf2010 import box, mean_of_directions, roughness

TINY = 1e-6
GAUSSIAN = tuple(np.array([0.5700, 0.3457, 0.0771, 0.0063, 0.0002]) / 0.9993)


def along(mosaic: Array) -> Array:
    """Return green minus the row's other colour, each estimated from the other by residual interpolation."""
    is_green = is_color("G", mosaic.shape)
    linear = (at(mosaic, 0, 1) + at(mosaic, 0, -1)) / 2

    def window(plane: Array) -> Array:
        return np.asarray(sum(at(plane, 0, k) for k in range(-5, 6)))

    def bend(plane: Array) -> Array:
        return 2 * plane - at(plane, 0, 2) - at(plane, 0, -2)

    def estimate(where: Array) -> Array:
        """Estimate the colour measured where ``where`` holds, at every pixel of the row."""
        guide = np.where(where, linear, mosaic)
        slope = window(where * bend(guide) * bend(mosaic)) / (window(where * bend(guide) ** 2) + TINY)
        offset = (window(where * mosaic) - slope * window(where * guide)) / window(where)
        line = (window(slope) * guide + window(offset)) / 11
        residual = where * (mosaic - line)
        return line + residual + (at(residual, 0, 1) + at(residual, 0, -1)) / 2

    return np.where(is_green, mosaic - estimate(~is_green), estimate(is_green) - mosaic)


def fill_in(mosaic: Array, green: Array, where: Array) -> Array:
    """Estimate a colour everywhere with green as the guide."""

    def bend(plane: Array) -> Array:
        return 4 * plane - at(plane, 2, 0) - at(plane, -2, 0) - at(plane, 0, 2) - at(plane, 0, -2)

    def mean(plane: Array) -> Array:
        return box(where * plane, 5) / box(where.astype(float), 5)

    slope = box(where * bend(green) * bend(mosaic), 5) / (box(where * bend(green) ** 2, 5) + TINY)
    offset = mean(mosaic) - slope * mean(green)
    variances = np.maximum(mean(mosaic**2) - mean(mosaic) ** 2, 0), np.maximum(mean(green**2) - mean(green) ** 2, 0)
    left_over = variances[0] - 2 * slope * (mean(mosaic * green) - mean(mosaic) * mean(green)) + slope**2 * variances[1]
    weight = 1 / np.maximum(left_over, TINY)
    line = (box(weight * slope, 5) * green + box(weight * offset, 5)) / box(weight, 5)
    residual = where * (mosaic - line)
    share = {0: 1.0, 1: 0.5}
    around = sum(share[abs(y)] * share[abs(x)] * at(residual, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1))
    return np.where(where, mosaic, line + around)


def _rggb(mosaic: Array) -> Array:
    across = along(mosaic)
    down = along(mosaic.T).T  # transposing keeps RGGB
    rough = roughness(across, (0, 1), 2), roughness(down, (1, 0), 2)
    difference = mean_of_directions(across, down, rough, GAUSSIAN, 2)
    green = np.where(is_color("G", mosaic.shape), mosaic, mosaic + difference)
    red, blue = (fill_in(mosaic, green, is_color(name, mosaic.shape)) for name in "RB")
    return np.stack([red, green, blue], axis=-1)


def mlri2014(mosaic: Array, pattern: str) -> Array:
    """Demosaic a frame of any pattern."""
    return whole(_rggb, mosaic, pattern, margin=36)
