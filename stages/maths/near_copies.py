"""Finds near copies: a picture that is another one encoded anew, scaled or cropped by a little, not one that is like it.

Candidates come from small descriptors, compared by exact whole-number products, so that neither order nor threads matter.
Each is then registered (two scales and a shift, found by least squares: B. Lucas and T. Kanade, IJCAI 1981) and kept where
what overlaps is almost perfectly correlated. Copies are linked to a representative alone, never to another copy, so that a
row of pictures, each like the next, is no unit.
"""

from collections import defaultdict
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIDE = 32  # of a thumbnail
SMALLEST = 32  # px; a picture with a smaller side says too little
ALIKE = 0.985  # correlation from which registered thumbnails are copies; see docs/decisions/010-units.md
_BLUR = 0.7  # pixels of a thumbnail: takes off what resampling changes
_FLAT = 3.0  # grey levels; a picture that deviates less from its mean has nothing to compare
_GRID = 12  # side of a descriptor
_MAYBE = 0.65  # correlation of descriptors from which a pair is a candidate
_NEAREST = 6  # candidates of a picture
_COARSE, _COARSE_SIDE = 0.95, 16  # correlation of coarse thumbnails below which a pair is given up
_SHAPES = 1.12  # ratio between the aspect ratios of two copies
_ROWS = 2**22  # products held at a time: 16 MB


def thumbnail(picture: NDArray[Any]) -> Bytes:
    """Return a small grey picture, (32, 32) uint8.

    Args:
        picture: (H, W) or (H, W, C), uint8 as shown, or numbers of another type in linear light, which are scaled by
            their maximum and brought to a square root.
    """
    small = cv2.resize(np.ascontiguousarray(picture), (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = small if small.ndim == 2 else small[..., :3].mean(axis=2, dtype=np.float32)  # noqa: PLR2004 - one plane
    if picture.dtype != np.uint8:
        grey = 255 * np.sqrt(grey.clip(0) / max(float(grey.max()), 1e-9))
    return np.asarray(np.rint(cv2.GaussianBlur(grey, (0, 0), _BLUR)).clip(0, 255), np.uint8)


def representatives(thumbs: Bytes, sizes: Ints) -> Ints:
    """Return for each picture the place of the one that it is a near copy of; see ``copies``."""
    return copies(thumbs, sizes)[0]


def copies(thumbs: Bytes, sizes: Ints) -> tuple[Ints, Ints]:
    """Return for each picture the place of the one that it is a near copy of, its own where it is none; and all pairs.

    Args:
        thumbs: (N, 32, 32), see ``thumbnail``.
        sizes: (N, 2) width and height of the pictures.

    Returns:
        (N,) places; a representative stands for itself. (P, 2) places of pictures that are copies of each other, whether one
        represents the other or not, the lower place first: in a row of pictures each is like the next.
    """
    found = np.arange(len(thumbs))
    grey = thumbs.astype(np.float64)
    clear = (grey.std(axis=(1, 2)) >= _FLAT) & (sizes.min(axis=1) >= SMALLEST)
    places = np.flatnonzero(clear)
    coarse = np.stack([_shrunk(thumb, _COARSE_SIDE) for thumb in grey[places]]) if places.size else np.zeros((0, 16, 16))
    pairs = _candidates(_descriptors(thumbs[places]), np.log(sizes[places, 0] / sizes[places, 1]))
    match = _Matcher(coarse, grey[places])
    friends: dict[int, dict[int, float]] = defaultdict(dict)
    for one, two in pairs.tolist():
        if (alike := match.correlation(one, two)) >= ALIKE:
            friends[one][two] = friends[two][one] = alike
    for copy, first in _linked(friends, match).items():
        found[places[copy]] = places[first]
    alike_pairs = [(places[one], places[two]) for one in sorted(friends) for two in sorted(friends[one]) if one < two]
    return found, np.array(alike_pairs, np.int64).reshape(-1, 2)


def _shrunk(thumb: Floats, side: int) -> Floats:
    return np.asarray(cv2.resize(thumb, (side, side), interpolation=cv2.INTER_AREA), np.float64)


def _descriptors(thumbs: Bytes) -> NDArray[np.float32]:
    """Return (N, 144) whole numbers from -127 to 127: products of two sum to less than 2 ** 24, exact as float32."""
    small = (
        np.stack([_shrunk(t.astype(np.float64), _GRID).ravel() for t in thumbs]) if len(thumbs) else np.zeros((0, _GRID**2))
    )
    small -= small.mean(axis=1, keepdims=True)
    top = np.abs(small).max(axis=1, keepdims=True, initial=0)
    return np.rint(127 * small / np.where(top > 0, top, 1)).astype(np.float32)


def _candidates(descriptors: NDArray[np.float32], shapes: Floats) -> Ints:
    """Return pairs (P, 2), the lower place first, of which one is among the nearest of the other."""
    num = len(descriptors)
    lengths = np.sqrt((descriptors.astype(np.float64) ** 2).sum(axis=1))
    scaled = (1 / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    nearest = min(_NEAREST, num - 1)
    pairs = [np.zeros((0, 2), np.int64)]
    step = max(1, _ROWS // max(num, 1))
    for start in range(0, num if nearest > 0 else 0, step):
        rows = np.arange(start, min(start + step, num))
        alike = descriptors[rows] @ descriptors.T  # exact
        alike *= scaled[rows, None] * scaled[None]
        alike[np.arange(rows.size), rows] = -1
        best = np.argpartition(-alike, nearest - 1, axis=1)[:, :nearest]
        one, two = np.repeat(rows, nearest), best.ravel()
        kept = (alike[one - start, two] >= _MAYBE) & (np.abs(shapes[one] - shapes[two]) <= np.log(_SHAPES))
        pairs.append(np.sort(np.stack([one[kept], two[kept]], axis=1), axis=1))
    return np.unique(np.concatenate(pairs), axis=0)


class _Matcher:
    """Correlates registered thumbnails, coarse ones first."""

    def __init__(self, coarse: Floats, fine: Floats) -> None:
        self._coarse, self._fine = coarse, fine

    def correlation(self, one: int, two: int) -> float:
        """Return the correlation of two pictures where they overlap; 0 where coarse thumbnails tell them apart."""
        at = np.zeros(4)
        if _registered(self._coarse[one], self._coarse[two], at, 6) < _COARSE:
            return 0.0
        at[1::2] *= SIDE / _COARSE_SIDE
        return float(_registered(self._fine[one], self._fine[two], at, 4))


def _linked(friends: dict[int, dict[int, float]], match: _Matcher) -> dict[int, int]:
    """Return the representative of each copy; who has most copies represents them, of equals the first.

    A copy whose nearest pictures are copies too is compared with their representatives.
    """
    first: dict[int, int] = {}
    for place in sorted(friends, key=lambda p: (-len(friends[p]), p)):
        known = {first[friend] for friend in friends[place] if friend in first}
        alike = {one: friends[place].get(one) or match.correlation(min(one, place), max(one, place)) for one in known}
        best = max(alike, key=lambda one: (alike[one], -one), default=place)
        first[place] = best if alike.get(best, 0.0) >= ALIKE else place
    return first


@numba.njit(cache=True)
def _registered(  # noqa: C901, PLR0912 - one compiled pass
    one: Floats, two: Floats, at: Floats, rounds: int
) -> float:  # pragma: no cover - compiled
    """Return the correlation of a picture with another one scaled and shifted onto it, where both are.

    Each round regresses ``one`` on the moved ``two``, its derivatives by the four parameters and a constant.

    Args:
        one: (S, S).
        two: (S, S).
        at: (4,) scale less 1 and shift in pixels, of rows and of columns; the start, and what was found.
        rounds: how often the parameters are refined.
    """
    side = one.shape[0]
    middle = (side - 1) / 2
    basis, normal, right = np.empty(6), np.empty((6, 6)), np.empty(6)
    for turn in range(rounds + 1):
        normal[:], right[:] = 0.0, 0.0
        squares = 0.0
        for y in range(side):
            row = middle + (y - middle) * (1 + at[0]) + at[1]
            if row < 0 or row > side - 1:
                continue
            top = min(int(row), side - 2)
            down = row - top
            for x in range(side):
                column = middle + (x - middle) * (1 + at[2]) + at[3]
                if column < 0 or column > side - 1:
                    continue
                left = min(int(column), side - 2)
                across = column - left
                a, b, c, d = two[top, left], two[top, left + 1], two[top + 1, left], two[top + 1, left + 1]
                by_row = (c - a) * (1 - across) + (d - b) * across
                by_column = (b - a) * (1 - down) + (d - c) * down
                basis[0], basis[1] = by_row * (y - middle), by_row
                basis[2], basis[3] = by_column * (x - middle), by_column
                basis[4] = (a * (1 - across) + b * across) * (1 - down) + (c * (1 - across) + d * across) * down
                basis[5] = 1.0
                value = one[y, x]
                squares += value * value
                for i in range(6):
                    right[i] += basis[i] * value
                    for j in range(i, 6):
                        normal[i, j] += basis[i] * basis[j]
        num = normal[5, 5]
        if num < 0.5 * side * side:
            return 0.0
        if turn == rounds:
            spread = (squares - right[5] ** 2 / num) * (normal[4, 4] - normal[4, 5] ** 2 / num)
            return (right[4] - right[5] * normal[4, 5] / num) / np.sqrt(spread) if spread > 0 else 0.0
        for i in range(6):
            for j in range(i):
                normal[i, j] = normal[j, i]
        for i in range(4):
            normal[i, i] += 1e-3 * normal[i, i] + 1e-6
        normal[4, 4] += 1e-6
        found = np.linalg.solve(normal, right)
        if found[4] <= 0.1:  # noqa: PLR2004 - no likeness left to follow
            return 0.0
        for i in range(4):
            limit = 0.13 if i % 2 == 0 else 0.1 * side
            at[i] = min(max(at[i] + found[i] / found[4], -limit), limit)
    return 0.0
