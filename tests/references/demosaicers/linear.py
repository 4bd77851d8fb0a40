"""Interpolation by fixed kernels: bilinear, and Malvar, He and Cutler (ICASSP 2004, figure 2)."""

import numpy as np

from tests.references.demosaicers.frame import Array, at, is_color, whole

BILINEAR = {
    "green": np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4,
    "in_row": np.array([[0, 0, 0], [1, 0, 1], [0, 0, 0]]) / 2,
    "across": np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]]) / 4,
}
MALVAR = {
    "green": np.array([[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]) / 8,
    "in_row": np.array([[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]) / 8,
    "across": np.array([[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]])
    / 8,
}


def correlate(mosaic: Array, kernel: Array) -> Array:
    """Weigh each pixel's neighbours by a kernel of odd size."""
    half = len(kernel) // 2
    terms = [weight * at(mosaic, y - half, x - half) for (y, x), weight in np.ndenumerate(kernel)]
    return np.asarray(np.sum(terms, axis=0))


def interpolate(mosaic: Array, kernels: dict[str, Array]) -> Array:
    """Return the colours of an RGGB mosaic."""
    red, green, blue = (is_color(color, mosaic.shape) for color in "RGB")
    rows = np.arange(len(mosaic))[:, None] % 2 == 0
    beside, over = correlate(mosaic, kernels["in_row"]), correlate(mosaic, kernels["in_row"].T)
    across = correlate(mosaic, kernels["across"])
    return np.stack(
        [
            np.where(red, mosaic, np.where(blue, across, np.where(rows, beside, over))),
            np.where(green, mosaic, correlate(mosaic, kernels["green"])),
            np.where(blue, mosaic, np.where(red, across, np.where(rows, over, beside))),
        ],
        axis=-1,
    )


def bilinear(mosaic: Array, pattern: str) -> Array:
    """Average the nearest neighbours of each colour."""
    return whole(lambda frame: interpolate(frame, BILINEAR), mosaic, pattern)


def malvar2004(mosaic: Array, pattern: str) -> Array:
    """Add a share of the Laplacian of the measured colour."""
    return whole(lambda frame: interpolate(frame, MALVAR), mosaic, pattern)
