"""Levels of shot and read noise that real cameras have; ``maths.photon_transfer`` estimates those of a real one."""

from dataclasses import dataclass

import numpy as np


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
