"""Gradient-based threshold-free interpolation (Pekkucuksen and Altunbasak 2010), direction by direction."""

import numpy as np

from tests.references.demosaicers.frame import Array, at, is_color, whole

STEPS = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}
TINY = 1e-8


def box(plane: Array, radius: int, step: int = 1) -> Array:
    """Return the sum over a square of pixels ``step`` apart."""
    offsets = range(-radius * step, radius * step + 1, step)
    return np.asarray(sum(at(plane, y, x) for y in offsets for x in offsets))


def differences(mosaic: Array, step: tuple[int, int]) -> Array:
    """Return green minus the other colour along a direction, by Hamilton and Adams's interpolation."""
    y, x = step
    mean = (at(mosaic, y, x) + at(mosaic, -y, -x)) / 2
    estimate = mean + (2 * mosaic - at(mosaic, 2 * y, 2 * x) - at(mosaic, -2 * y, -2 * x)) / 4
    return np.where(is_color("G", mosaic.shape), mosaic - estimate, estimate - mosaic)


def roughness(difference: Array, step: tuple[int, int], radius: int) -> Array:
    """Return how much a difference changes along its direction in a square around each pixel."""
    y, x = step
    return box(np.abs(at(difference, y, x) - at(difference, -y, -x)), radius)


def mean_of_directions(across: Array, down: Array, rough: tuple[Array, Array], taps: tuple[float, ...], away: int) -> Array:
    """Return the mean of four one-sided means, each weighed by the inverse square of the roughness so far away."""
    total, weights = 0, 0
    for name, (y, x) in STEPS.items():
        plane, changes = (down, rough[1]) if name in {"north", "south"} else (across, rough[0])
        weight = 1 / (at(changes, away * y, away * x) ** 2 + TINY)
        total = total + weight * sum(tap * at(plane, k * y, k * x) for k, tap in enumerate(taps))
        weights = weights + weight
    return np.asarray(total / weights)


def color_difference(mosaic: Array) -> Array:
    """Return green minus the measured colour at red and blue pixels."""
    across, down = differences(mosaic, (0, 1)), differences(mosaic, (1, 0))
    rough = roughness(across, (0, 1), 2), roughness(down, (1, 0), 2)
    return mean_of_directions(across, down, rough, (0.2,) * 5, 2)


def _rggb(mosaic: Array) -> Array:
    is_green = is_color("G", mosaic.shape)
    difference = color_difference(mosaic)
    green = np.where(is_green, mosaic, mosaic + difference)
    colors = [green]
    for name, other in (("R", "B"), ("B", "R")):
        own = np.where(is_color(name, mosaic.shape), difference, 0)
        near = sum(at(own, y, x) for y in (-1, 1) for x in (-1, 1))
        far = sum(at(own, y, x) for y in (-3, -1, 1, 3) for x in (-3, -1, 1, 3) if abs(y) + abs(x) == 4)
        known = np.where(is_color(other, mosaic.shape), 10 / 32 * near - far / 32, own)
        cross = sum(at(known, y, x) for y, x in STEPS.values()) / 4
        colors.append(green - np.where(is_green, cross, known))
    return np.stack([colors[1], colors[0], colors[2]], axis=-1)


def gbtf2010(mosaic: Array, pattern: str) -> Array:
    """Demosaic a frame of any pattern."""
    return whole(_rggb, mosaic, pattern)
