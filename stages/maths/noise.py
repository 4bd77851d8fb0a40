"""Levels of shot and read noise: those that real cameras have, and that of one picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK, _GAIN = 8, 36.0  # pixels of one position; variance of white noise after both second differences
_SMOOTHEST, _SMOOTH_BIAS = 0.05, 0.453  # the lowest twentieth of blocks of white noise lies at this share of its variance
_LEAST_BLOCKS, _BLOCKS_A_BIN, _MOST_BINS = 200, 100, 16
_MOST_PIXELS = 500_000


@dataclass(frozen=True)
class NoiseLevel:
    """Variance of a normalised pixel (black 0, white 1) of value x: ``shot * x + read``."""

    shot: float
    read: float


def brooks(shot: float) -> NoiseLevel:
    """Return the level whose read noise goes with this shot noise in the cameras of the Darmstadt data set.

    T. Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019, section 3.1: the logarithm of the read
    noise's variance lies about 2.18 log(shot) + 1.20; shot noise ranges from 1e-4 to 1.2e-2 (T. Plotz and S. Roth,
    "Benchmarking Denoising Algorithms with Real Photographs", CVPR 2017).

    Example:
        >>> level = brooks(0.01)
        >>> level.shot, round(level.read, 6)
        (0.01, 0.000145)
    """
    return NoiseLevel(shot, float(np.exp(2.18 * np.log(shot) + 1.20)))


# The ends and the geometric middle of the range that Brooks et al. train for.
LEVELS = {"darmstadt_low": brooks(1e-4), "darmstadt_middle": brooks(1.1e-3), "darmstadt_high": brooks(1.2e-2)}


def estimate(mosaic: NDArray[np.uint16], black_level: Sequence[float], white_level: float) -> NoiseLevel | None:
    """Estimate shot and read noise from one picture.

    Each position of the cell is a picture of one colour. Second differences across and down (J. Immerkaer, "Fast noise
    variance estimation", CVIU 1996) see noise and fine texture, not light and shade; of blocks of like brightness the
    smoothest twentieth is taken as noise alone, and a line is laid through variance over brightness. Texture everywhere
    makes it too high, so it is an upper bound for such pictures.

    Args:
        mosaic: (H, W) digital numbers.
        black_level: (4,) of the cell's positions in reading order.
        white_level: of saturation.

    Returns:
        The level on the scale black 0, white 1; None where there are under 200 blocks of 16 x 16 pixels without saturation.
    """
    if min(mosaic.shape) < 2 * _BLOCK:
        return None
    found = [_blocks(mosaic[y::2, x::2], black_level[2 * y + x], white_level) for y in (0, 1) for x in (0, 1)]
    values, variances = (np.concatenate(part) for part in zip(*found, strict=True))
    if len(values) < _LEAST_BLOCKS:
        return None
    bins = np.array_split(np.argsort(values, kind="stable"), min(_MOST_BINS, len(values) // _BLOCKS_A_BIN))
    level = np.array([values[b].mean() for b in bins])
    variance = np.array([np.quantile(variances[b], _SMOOTHEST) for b in bins]) / _SMOOTH_BIAS
    shot, read = _line(level, variance)
    return NoiseLevel(shot, read)


def _blocks(plane: NDArray[np.uint16], black: float, white: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and noise variance of the blocks of one position's pixels, those with saturation left out."""
    step = max(plane.size // _MOST_PIXELS, 1)
    height, width = (n - n % _BLOCK for n in plane.shape)
    rows = plane[:height, :width].reshape(-1, _BLOCK, width)[::step]
    tiles = rows.reshape(len(rows), _BLOCK, -1, _BLOCK).transpose(0, 2, 1, 3).reshape(-1, _BLOCK, _BLOCK)
    tiles = (tiles[tiles.max(axis=(1, 2), initial=0) < white].astype(np.float64) - black) / (white - black)
    across = tiles[:, :, :-2] - 2 * tiles[:, :, 1:-1] + tiles[:, :, 2:]
    both = across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:]
    return tiles.mean(axis=(1, 2)), (both**2).mean(axis=(1, 2)) / _GAIN


def _line(level: NDArray[np.float64], variance: NDArray[np.float64]) -> tuple[float, float]:
    """Fit variance = shot * level + read, neither below 0, each bin weighing by its own relative error."""
    from scipy.optimize import nnls  # noqa: PLC0415 - a third of a second that only this needs

    weight = 1 / np.maximum(variance, 1e-12)
    system = np.stack([level.clip(0) * weight, weight], axis=1)
    (shot, read), _ = nnls(system, variance * weight)
    return float(shot), float(read)
