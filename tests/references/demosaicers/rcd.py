"""Ratio corrected demosaicing (L. Sanz Rodriguez 2017) from its description, one direction after the other."""

import numpy as np

from tests.references.demosaicers.frame import Array, at, is_color, whole

EPS = 1e-5
NORTH, SOUTH, WEST, EAST = (-1, 0), (1, 0), (0, -1), (0, 1)
NORTH_WEST, SOUTH_EAST, NORTH_EAST, SOUTH_WEST = (-1, -1), (1, 1), (-1, 1), (1, -1)
Step = tuple[int, int]


def go(plane: Array, step: Step, times: int) -> Array:
    """Return the values so many steps away."""
    return at(plane, times * step[0], times * step[1])


def share(mosaic: Array, first: Step, second: Step) -> Array:
    """Return the first direction's part of both energies, or its mean over the diagonals where that is more decided."""

    def energy(step: Step) -> Array:
        high = 6 * mosaic
        for times, weight in ((1, -1), (2, -3), (3, 1)):
            high = high + weight * (go(mosaic, step, times) + go(mosaic, step, -times))
        return np.maximum(1e-10, go(high**2, step, -1) + high**2 + go(high**2, step, 1))

    own = energy(first) / (energy(first) + energy(second))
    around = sum(go(own, step, 1) for step in (NORTH_WEST, NORTH_EAST, SOUTH_WEST, SOUTH_EAST)) / 4
    return np.where(np.abs(0.5 - own) < np.abs(0.5 - around), around, own)


def weighed(guesses: tuple[Array, Array], gradients: tuple[Array, Array]) -> Array:
    """Mix two guesses, each weighed by the other's gradient."""
    return (guesses[0] * gradients[1] + guesses[1] * gradients[0]) / (gradients[0] + gradients[1])


def green_guess(mosaic: Array, low: Array, step: Step) -> tuple[Array, Array]:
    """Return green at red and blue as one direct neighbour tells it, and the gradient towards it."""
    near, far, third, fourth = (go(mosaic, step, times) for times in (1, 2, 3, 4))
    there = go(low, step, 2)
    gradient = EPS + np.abs(near - go(mosaic, step, -1)) + np.abs(mosaic - far) + np.abs(near - third) + np.abs(far - fourth)
    return near * (1 + (low - there) / (EPS + np.abs(low) + np.abs(there))), gradient


def color_guess(plane: Array, green: Array, step: Step) -> tuple[Array, Array]:
    """Return a colour minus green as one neighbour tells it, and the gradient towards it."""
    near = go(plane, step, 1)
    gradient = EPS + np.abs(near - go(plane, step, -1)) + np.abs(near - go(plane, step, 3))
    return near - go(green, step, 1), gradient + np.abs(green - go(green, step, 2))


def axis(guess: Array, other: Array, one: Step, two: Step, method: object) -> Array:
    """Mix what both directions of an axis tell."""
    first, second = method(guess, other, one), method(guess, other, two)  # type: ignore[operator]
    return weighed((first[0], second[0]), (first[1], second[1]))


def _rggb(mosaic: Array) -> Array:
    red, green, blue = (is_color(color, mosaic.shape) for color in "RGB")
    column = share(mosaic, SOUTH, EAST)
    low = sum((2 - abs(y)) * (2 - abs(x)) / 16 * at(mosaic, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1))
    over, beside = axis(mosaic, low, NORTH, SOUTH, green_guess), axis(mosaic, low, WEST, EAST, green_guess)
    g = np.where(green, mosaic, column * beside + (1 - column) * over)

    slope = share(mosaic, SOUTH_EAST, SOUTH_WEST)
    falling = axis(mosaic, g, NORTH_WEST, SOUTH_EAST, color_guess)
    rising = axis(mosaic, g, NORTH_EAST, SOUTH_WEST, color_guess)
    other = g + slope * rising + (1 - slope) * falling
    planes = []
    for own, opposite in ((red, blue), (blue, red)):
        known = np.where(own, mosaic, np.where(opposite, other, np.nan))
        over, beside = axis(known, g, NORTH, SOUTH, color_guess), axis(known, g, WEST, EAST, color_guess)
        planes.append(np.where(green, g + column * beside + (1 - column) * over, known))
    return np.stack([planes[0], g, planes[1]], axis=-1)


def rcd(mosaic: Array, pattern: str) -> Array:
    """Weigh directions smoothly and keep ratios of colour to brightness."""
    return whole(_rggb, mosaic, pattern)
