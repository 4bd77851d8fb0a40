"""What a mosaic's histograms tell: floor, median, mean and saturated share of each position, and what looks wrong.

One pass over the digital numbers; all else is read from the four histograms, so that it is exact and costs nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from stages.maths import bayer

_NUM_PHASES = 4
_FLOOR = 0.001  # the darkest thousandth: a few dead pixels do not count
_FLOOR_SHARE = 0.03
_FLOOR_TO_MEDIAN = 1 / 3
_ALIKE = 1.4  # an offset is the same in every colour; a scene's darkest colours differ by the white balance, about twofold
_PILE, _PILE_BELOW = 0.005, 0.95
_ABOVE, _ABOVE_SHARE = 1.05, 0.001


@dataclass(frozen=True)
class MosaicStatistics:
    """The histograms of a mosaic.

    Attributes:
        histogram: (4, N) counts of each digital number 0 to N - 1, for each position of the cell in reading order.
    """

    histogram: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels of each position: (4,); 0 where the frame has none."""
        return np.asarray(self.histogram.sum(axis=1))

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean digital number of each position: (4,), NaN where the frame has none."""
        total = self.histogram @ np.arange(self.histogram.shape[1])
        return np.asarray(np.divide(total, self.counts, out=np.full(_NUM_PHASES, np.nan), where=self.counts > 0))

    def quantiles(self, share: float) -> NDArray[np.int64]:
        """Smallest digital number that at least this share of each position's pixels does not exceed: (4,)."""
        below = self.histogram.cumsum(axis=1)
        return np.asarray((below < np.maximum(share * below[:, -1:], 1)).sum(axis=1))

    def share_from(self, level: float) -> float:
        """Share of all pixels that reach a level: with the white level, the saturated share."""
        first = min(max(int(np.ceil(level)), 0), self.histogram.shape[1])
        return float(self.histogram[:, first:].sum() / self.histogram.sum())


@numba.njit(cache=True, nogil=True)
def _count(mosaic: NDArray[np.uint16], counts: NDArray[np.uint32]) -> None:  # pragma: no cover - compiled
    """Count into (2, 4, N): two sets in turns, because adding to one counter twice in a row waits for the first."""
    height, width = mosaic.shape
    for y in range(height):
        row = mosaic[y]
        left, right = counts[0, 2 * (y % 2)], counts[0, 2 * (y % 2) + 1]
        other_left, other_right = counts[1, 2 * (y % 2)], counts[1, 2 * (y % 2) + 1]
        whole = width - width % 4
        for x in range(0, whole, 4):
            left[row[x]] += np.uint32(1)
            right[row[x + 1]] += np.uint32(1)
            other_left[row[x + 2]] += np.uint32(1)
            other_right[row[x + 3]] += np.uint32(1)
        for x in range(whole, width):
            counts[0, 2 * (y % 2) + x % 2, row[x]] += np.uint32(1)


def measure(mosaic: NDArray[np.uint16]) -> MosaicStatistics:
    """Count the digital numbers of each position of the cell in one pass.

    Args:
        mosaic: (H, W) uint16, at least one pixel.

    Example:
        >>> found = measure(np.array([[1, 2, 1], [3, 4, 3]], np.uint16))
        >>> found.means.tolist(), found.counts.tolist(), found.share_from(3)
        ([1.0, 2.0, 3.0, 4.0], [2, 1, 2, 1], 0.5)
    """
    counts = np.zeros((2, _NUM_PHASES, int(mosaic.max()) + 1), np.uint32)
    _count(mosaic, counts)
    return MosaicStatistics(counts.sum(axis=0, dtype=np.int64))


def suspicions(
    statistics: MosaicStatistics,
    pattern: str,
    black_level: Sequence[float],
    white_level: float,
    *,
    floor_share: float = _FLOOR_SHARE,
) -> list[str]:
    """Say what a file states that its pixels contradict, one line each; an empty list where nothing does.

    Args:
        statistics: of the mosaic.
        pattern: as stated.
        black_level: (4,) of the cell's positions, as stated.
        white_level: as stated.
        floor_share: how far the darkest pixels may lie from black, as a share of the white level.
    """
    if np.count_nonzero(statistics.histogram.sum(axis=0)) <= 1:
        return [f"all pixels are {statistics.histogram.shape[1] - 1}: the frame holds no picture"]
    if not white_level > max(black_level):
        return [f"stated white level {white_level:g} is not above the stated black level {max(black_level):g}"]
    found = [
        wrong_black(statistics, black_level, white_level, floor_share),
        _wrong_white(statistics, white_level),
        _wrong_pattern(statistics, pattern, black_level),
    ]
    return [line for line in found if line]


def wrong_black(
    statistics: MosaicStatistics, black_level: Sequence[float], white_level: float, floor_share: float
) -> str | None:
    """Say how a stated black level contradicts the pixels; None where it does not.

    Too low: in every colour the darkest thousandth lies further above it than ``floor_share`` of the white level and above a
    third of the median, and about equally far; a scene hardly has so little contrast and the camera's own grey at once, an
    offset has. Too high: in some colour half of the pixels lie below it by that share.
    """
    there = statistics.counts > 0
    black = np.asarray(black_level, np.float64)[there]
    floor, median = (statistics.quantiles(share)[there] for share in (_FLOOR, 0.5))
    stated = f"stated black level {'/'.join(f'{b:g}' for b in black_level)}"
    if (median < black - floor_share * white_level).any():
        return f"{stated}, but half of the pixels lie below it"
    above = floor - black
    high = (above > floor_share * white_level) & (above > _FLOOR_TO_MEDIAN * (median - black))
    alike = above.max() <= _ALIKE * above.min()
    return f"{stated}, but the darkest pixels lie near {floor.min()}" if high.all() and alike else None


def _wrong_white(statistics: MosaicStatistics, white_level: float) -> str | None:
    """Say that pixels lie above the stated white level, or pile up below it as saturated ones do."""
    top = statistics.histogram.shape[1] - 1
    if top > _ABOVE * white_level and (share := statistics.share_from(_ABOVE * white_level)) > _ABOVE_SHARE:
        return f"stated white level {white_level:g}, but {share:.1%} of the pixels lie above it, up to {top}"
    total = statistics.histogram.sum(axis=0)
    piled = total[top] > _PILE * total.sum() and total[top] > 10 * total[max(top - 1, 0)]
    if piled and top < _PILE_BELOW * white_level:
        return f"stated white level {white_level:g}, but {total[top] / total.sum():.1%} of the pixels end at {top}"
    return None


def _wrong_pattern(statistics: MosaicStatistics, pattern: str, black_level: Sequence[float]) -> str | None:
    means = statistics.means - np.asarray(black_level)
    if not bayer.greens_differ(means.tolist(), pattern):
        return None
    return f"stated pattern {pattern}, but its two greens differ and its red and blue do not: probably another pattern"
