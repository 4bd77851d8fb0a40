"""Shot and read noise of a camera, estimated from the flat patches of its own pictures.

Photon transfer (J. R. Janesick, "Photon Transfer", SPIE 2007; EMVA 1288): a sensor's variance is a straight line over its
signal, ``shot * signal + read``, the slope from the photons, the rest from the read-out. With pictures instead of a lab's
flat fields, the line is fitted to flat patches (A. Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting
for single-image raw-data", IEEE TIP 2008).

Here a patch is 8 x 8 pixels of one colour. The 2 x 2 Haar transform (orthonormal) splits it into means, slopes across and
down, and diagonals. Diagonals give the variance, and slopes alone decide what is flat. Under white noise the two are
independent, so that choosing the flattest patches does not make the noise look smaller. Fine texture that a slope does not
show is left in: the estimate of a picture without flat patches is too high, and its scatter about the line says so.

Signals are shares of the range from black to white, variances their squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIDE = 8
_MAX_PIXELS = 1_000_000  # looked at in one frame
_BINS = 24
_FLATTEST, _KEPT = 0.1, 0.4  # of each signal: in a frame, then among frames
_MIN_PATCHES, _MIN_BINS, _PER_BIN = 64, 4, 8
_ROUNDS, _LEAST = 20, 1e-20
_NOISY = 1.4  # the mean of 32 squares exceeds its expectation by so much once in twenty times
_MEAN, _VARIANCE, _SLOPE = range(3)
Patches = NDArray[np.float32]


@dataclass(frozen=True)
class Noise:
    """A camera's noise.

    Attributes:
        shot: variance per signal.
        read: variance without signal.
        signals: (N,) of the points the line was fitted to.
        variances: (N,) likewise.
        scatter: median distance of the points from the line, as a share of it; above a third hardly any patch was flat.
    """

    shot: float
    read: float
    signals: NDArray[np.float64]
    variances: NDArray[np.float64]
    scatter: float

    def std(self, signal: float) -> float:
        """Return the standard deviation at a signal."""
        return float(np.sqrt(self.shot * signal + self.read))


def patches(
    mosaic: NDArray[np.uint16], black_level: Sequence[float], white_level: float, *, max_patches: int = 512
) -> Patches:
    """Return the flattest patches of a frame, about as many of each signal.

    Args:
        mosaic: (H, W) digital numbers; of a large frame rows spread over it are taken.
        black_level: (4,) of the cell's positions in reading order.
        white_level: digital number of saturation.
        max_patches: most patches returned.

    Returns:
        (N, 3) float32: mean signal, variance, and what the slopes add up to; patches with a saturated pixel or one at 0,
        where the file cuts the noise off, are not among them.
    """
    rows = _bands(mosaic)
    found = [
        _of_plane(rows[:, place // 2 :: 2, place % 2 :: 2], black_level[place], white_level)
        for place in range(len(black_level))
    ]
    every = np.concatenate(found)
    chosen = every[_flattest(every, _FLATTEST)]
    if len(chosen) > max_patches:
        chosen = chosen[np.linspace(0, len(chosen) - 1, max_patches).round().astype(int)]
    return np.asarray(chosen, np.float32)


def _bands(mosaic: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return (K, 16, W') rows spread evenly over the mosaic, whole patches only."""
    step = 2 * _SIDE
    num, width = mosaic.shape[0] // step, mosaic.shape[1] - mosaic.shape[1] % step
    taken = max(1, min(num, _MAX_PIXELS // max(step * width, 1)))
    whole = mosaic[: num * step, :width].reshape(num, step, width)
    return whole[np.linspace(0, num - 1, taken).round().astype(int)] if num else whole


def _of_plane(plane: NDArray[np.uint16], black: float, white: float) -> Patches:
    """Return mean, variance and slopes of each patch of one colour: (K, 8, W') to (N, 3)."""
    count, _, width = plane.shape
    cells = plane.reshape(count, _SIDE // 2, 2, width // _SIDE, _SIDE // 2, 2)
    a, b, c, d = (cells[:, :, y, :, :, x].astype(np.float32) for y in (0, 1) for x in (0, 1))
    most = np.maximum(np.maximum(a, b), np.maximum(c, d)).max(axis=(1, 3), initial=0)
    least = np.minimum(np.minimum(a, b), np.minimum(c, d)).min(axis=(1, 3), initial=np.inf)
    span = white - black
    mean = ((a + b + c + d).mean(axis=(1, 3)) / 4 - black) / span
    variance = ((a - b - c + d) ** 2).mean(axis=(1, 3)) / 4 / span**2
    slope = ((a + b - c - d) ** 2 + (a - b + c - d) ** 2).mean(axis=(1, 3)) / 8 / span**2
    inside = (most < white) & (least > 0)
    return np.stack([mean[inside], variance[inside], slope[inside]], axis=1).astype(np.float32)


def _flattest(every: NDArray[Any], share: float) -> NDArray[np.int64]:
    """Return the indices of the flattest share of each of some ranges of signal, by signal."""
    order = np.argsort(every[:, _MEAN], kind="stable")
    parts = np.array_split(order, min(_BINS, max(1, len(order) // _PER_BIN)))
    kept = [part[np.argsort(every[part, _SLOPE], kind="stable")[: max(1, round(share * len(part)))]] for part in parts]
    return np.concatenate(kept) if len(order) else order


def fit(pool: Sequence[Patches]) -> Noise | None:
    """Fit the line to patches of one or more frames of a camera at one sensitivity.

    Weighted least squares, a point weighing as much as its variance is known (relative to the line itself, found in rounds),
    points far off less (Huber); neither noise is negative. Then the patches whose slopes are no larger than the noise found
    explains are taken for flat and the line is fitted to them, again in rounds.

    Returns:
        The noise; None where there are too few patches.
    """
    every = np.concatenate([*pool, np.empty((0, 3), np.float32)]).astype(np.float64)
    if len(every) < _MIN_PATCHES:
        return None
    found = _fitted(every[np.sort(_flattest(every, _KEPT))])
    for _ in range(_ROUNDS):
        line = np.maximum(found.shot * every[:, _MEAN] + found.read, _LEAST)
        flat = every[every[:, _SLOPE] <= _NOISY * line]
        if len(flat) < _MIN_PATCHES:
            break
        found = _fitted(flat)
    return found


def _fitted(chosen: NDArray[np.float64]) -> Noise:
    """Fit the line to patches taken for flat."""
    order = np.argsort(chosen[:, _MEAN], kind="stable")
    parts = np.array_split(chosen[order], min(_BINS, max(_MIN_BINS, len(chosen) // _PER_BIN)))
    signals, variances, counts = np.array([_point(part) for part in parts if len(part)]).T
    weights, least = counts.copy(), max(1e-3 * variances.mean(), _LEAST)
    line, shot, read = np.full(len(counts), max(variances.mean(), _LEAST)), 0.0, 0.0
    for _ in range(_ROUNDS):
        shot, read = _line(signals, variances, weights / line**2)
        line = np.maximum(shot * signals + read, least)
        far = np.abs(variances - line) / line * np.sqrt(counts * _SIDE)
        weights = counts / np.maximum(1.0, far / 2.0)
    return Noise(shot, read, signals, variances, float(np.median(np.abs(variances - line) / line)))


def _point(part: NDArray[np.float64]) -> tuple[float, float, int]:
    """Return signal, variance and number of some patches: the median variance, so that a few textured ones do not count.

    A patch's variance is the mean of 16 squares; the median of a chi-square is its mean's after Wilson and Hilferty.
    """
    degrees = (_SIDE // 2) ** 2
    return float(part[:, _MEAN].mean()), float(np.median(part[:, _VARIANCE]) / (1 - 2 / (9 * degrees)) ** 3), len(part)


def _line(x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and offset of the weighted least squares line, neither below 0."""
    total = weights.sum()
    middle_x, middle_y = (weights * x).sum() / total, (weights * y).sum() / total
    spread = (weights * (x - middle_x) ** 2).sum()
    slope = (weights * (x - middle_x) * (y - middle_y)).sum() / spread if spread > 0 else 0.0
    if slope < 0 or spread == 0:
        return 0.0, float(max(middle_y, 0.0))
    offset = middle_y - slope * middle_x
    if offset >= 0:
        return float(slope), float(offset)
    return float(max((weights * x * y).sum() / max((weights * x * x).sum(), 1e-30), 0.0)), 0.0
