"""Finds near copies: a picture that is another one encoded anew, scaled or cropped by a little, not one that is like it.

Candidates come from small descriptors, compared by exact whole-number products, so that neither order nor threads matter.
Each is then registered (two scales and a shift, found by least squares: B. Lucas and T. Kanade, IJCAI 1981), coarse to fine,
and kept where what overlaps is almost perfectly correlated and nowhere differs by more than encoding and resampling change.
One shape on plain ground fits another one of its kind, moved and scaled, as well as its own crop: what shows so little is
compared as it lies. Copies are linked to a representative alone, never to another copy, so that a row of pictures, each like
the next, is no unit.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.maths.registration import apart, registered

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIDE = 64  # of a thumbnail
SMALLEST = 32  # px; a picture with a smaller side says too little
ALIKE = 0.97  # correlation from which registered thumbnails may be copies; see docs/decisions/010-units.md
APART = 6.0  # how far they may be apart where they differ most, see ``registration.apart``
_LYING, _MOVED = 1.0, 2.0  # grey levels that encoding changes, of pictures compared as they lie and of registered ones
_FINE_SIDE = 128  # of a larger one
_APART_DETAIL = 4.0  # likewise in detail, of pictures that are compared as they lie
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of the larger one: the plane that JPEG encodes most finely
_COLOUR_SIDE = 32  # of the thumbnail in colour
_BLUR = 1.0  # pixels of a thumbnail: takes off what resampling changes
_FLAT = 1.5  # grey levels; a picture that deviates less from its mean has nothing to compare
_GRID = 12  # side of a descriptor of form
_MAYBE = 0.5  # correlation of descriptors from which a pair is a candidate
_NEAREST, _NEAREST_PAINT = 6, 2  # candidates of a picture by form and, of those alike in form, by colour
_STEPS = ((16, 0.6, 6), (32, 0.9, 4), (64, ALIKE, 3))  # sides, correlation below which a pair is given up, rounds
_SHAPES = 1.12  # ratio between the aspect ratios of two copies
_ROWS = 2**22  # products held at a time: 16 MB
_UNEVEN, _EVEN = 0.7, 0.5  # share of the 256 cells of a thumbnail that deviate by more than this many grey levels
_PARTS = 3  # one shape on plain ground is one part
_EDGE, _EDGES = 1.5, 0.05  # grey levels a pixel, and of a thumbnail's contrast: what is steeper is the edge of a part


@dataclass(frozen=True)
class Thumbnail:
    """What is kept of a picture to compare it.

    Attributes:
        grey: (64, 64) uint8.
        colour: (32, 32, 3) uint8.
        fine: PNG of a larger one in grey, of a side of 128 or what the picture has, where most is even and little tells: of
            such pictures it is small. Empty where there is none.
    """

    grey: Bytes
    colour: Bytes
    fine: bytes = field(default=b"", repr=False)

    @property
    def content(self) -> bytes:
        """All that is kept, by which several are brought into an order of their own."""
        return self.grey.tobytes() + self.colour.tobytes() + self.fine

    @cached_property
    def telling(self) -> bool:
        """Whether there is enough to see to tell a crop from another picture: many uneven cells, or several parts."""
        return not _mostly_even(self.grey) or self._parts() >= _PARTS

    def _parts(self) -> int:
        """Count connected regions of edges, of 4 pixels or more."""
        grey = self.grey.astype(np.float64)
        down, across = np.gradient(grey)
        edges = np.hypot(down, across) > max(_EDGE, _EDGES * np.ptp(grey))
        _, _, statistics, _ = cv2.connectedComponentsWithStats(edges.astype(np.uint8), connectivity=8)
        return int((statistics[1:, cv2.CC_STAT_AREA] >= 4).sum())  # noqa: PLR2004


def thumbnail(picture: NDArray[Any]) -> Thumbnail:
    """Return what is kept of a picture.

    Args:
        picture: (H, W) or (H, W, C), uint8 as shown, or numbers of another type in linear light, which are scaled by
            their maximum and brought to a square root.
    """
    small = cv2.resize(np.ascontiguousarray(picture), (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = small[..., None] if small.ndim == 2 else small[..., :3]  # noqa: PLR2004 - one plane
    if picture.dtype != np.uint8:
        small = 255 * np.sqrt(small.clip(0) / max(float(small.max()), 1e-9))
    grey = cv2.GaussianBlur(small.mean(axis=2, dtype=np.float32), (0, 0), _BLUR)
    planes = small if small.shape[2] == 3 else np.repeat(small[..., :1], 3, axis=2)  # noqa: PLR2004
    few = cv2.resize(planes, (_COLOUR_SIDE, _COLOUR_SIDE), interpolation=cv2.INTER_AREA)
    seen, painted = _whole(grey), _whole(cv2.GaussianBlur(few, (0, 0), _BLUR))
    return Thumbnail(seen, painted, _fine(picture) if _mostly_even(seen) and picture.dtype == np.uint8 else b"")


def _fine(picture: NDArray[np.uint8]) -> bytes:
    """Return the PNG of a larger thumbnail; nothing where the picture has no more pixels than the smaller one."""
    side = min(_FINE_SIDE, *picture.shape[:2]) // 16 * 16
    if side <= SIDE:
        return b""
    large = cv2.resize(np.ascontiguousarray(picture), (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    large = large[..., :3] @ _LUMA if large.ndim == 3 and large.shape[2] >= 3 else large.reshape(side, side, -1)[..., 0]  # noqa: PLR2004
    return cv2.imencode(".png", _whole(cv2.GaussianBlur(large, (0, 0), _BLUR)))[1].tobytes()


def _mostly_even(grey: Bytes) -> bool:
    """Say whether most of a thumbnail is even: a drawing or a render, not a photograph."""
    cells = grey.reshape(16, 4, 16, 4).astype(np.float64).std(axis=(1, 3))
    return bool((cells > _EVEN).mean() < _UNEVEN)


def _whole(values: NDArray[Any]) -> Bytes:
    return np.asarray(np.rint(values).clip(0, 255), np.uint8)


def copies(thumbs: Sequence[Thumbnail], sizes: Ints) -> tuple[Ints, Ints]:
    """Return for each picture the place of the one that it is a near copy of, its own where it is none; and all pairs.

    Neither depends on the order of the pictures, but for which of several with the same thumbnail comes first.

    Args:
        thumbs: of N pictures, see ``thumbnail``.
        sizes: (N, 2) width and height of the pictures.

    Returns:
        (N,) places; a representative stands for itself. (P, 2) places of pictures that are copies of each other, whether one
        represents the other or not, the lower place first: in a row of pictures each is like the next.
    """
    found = np.arange(len(thumbs))
    told = [t.grey.std() >= _FLAT and size.min() >= SMALLEST for t, size in zip(thumbs, sizes, strict=True)]
    order = sorted(np.flatnonzero(told).tolist(), key=lambda place: thumbs[place].content)
    places = np.array(order, np.int64)
    match = _Matcher([thumbs[place] for place in order])
    shapes = np.log(sizes[places, 0] / sizes[places, 1]).astype(np.float32)
    pairs = _candidates(_forms([thumbs[i].grey for i in order]), _paints([thumbs[i].colour for i in order]), shapes)
    friends: dict[int, dict[int, float]] = defaultdict(dict)
    for one, two in pairs.tolist():
        if (alike := match.correlation(one, two)) >= ALIKE:
            friends[one][two] = friends[two][one] = alike
    for copy, first in _linked(friends, match).items():
        found[places[copy]] = places[first]
    alike_pairs = sorted(sorted((order[one], order[two])) for one in friends for two in friends[one] if one < two)
    return found, np.array(alike_pairs, np.int64).reshape(-1, 2)


def _shrunk(thumb: NDArray[Any], side: int) -> Floats:
    return np.asarray(cv2.resize(thumb.astype(np.float64), (side, side), interpolation=cv2.INTER_AREA), np.float64)


def _forms(greys: Sequence[Bytes]) -> NDArray[np.float32]:
    """Return (N, 144) whole numbers from -127 to 127: products of two sum to less than 2 ** 24, exact as float32."""
    small = np.array([_shrunk(grey, _GRID).ravel() for grey in greys]).reshape(-1, _GRID**2)
    small -= small.mean(axis=1, keepdims=True)
    top = np.abs(small).max(axis=1, keepdims=True, initial=0)
    return np.rint(127 * small / np.where(top > 0, top, 1)).astype(np.float32)


def _paints(colours: Sequence[Bytes]) -> NDArray[np.float32]:
    """Return (N, 192) whole numbers from -128 to 127, the colours of 8 x 8 places; likewise exact."""
    small = np.array([_shrunk(colour, 8).ravel() for colour in colours]).reshape(-1, 192)
    return np.asarray(np.rint(small) - 128, np.float32)


def _candidates(forms: NDArray[np.float32], paints: NDArray[np.float32], shapes: NDArray[np.float32]) -> Ints:
    """Return pairs (P, 2), the lower place first, of which one is among the nearest of the other, in form or in colour.

    In form they are alike in any case: of drawings of one form in many colours all are equally near, but one is a copy.
    """
    num = len(forms)
    lengths = np.sqrt((forms.astype(np.float64) ** 2).sum(axis=1))
    scaled = (1 / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    squares = (paints.astype(np.float64) ** 2).sum(axis=1).astype(np.float32)  # below 2 ** 24 as well
    pairs = [np.zeros((0, 2), np.int64)]
    step = max(1, _ROWS // max(num, 1))
    for start in range(0, num if num > 1 else 0, step):
        rows = np.arange(start, min(start + step, num))
        alike = forms[rows] @ forms.T  # exact
        alike *= scaled[rows, None] * scaled[None]
        alike[np.arange(rows.size), rows] = -1
        alike[np.abs(shapes[rows, None] - shapes[None]) > np.log(_SHAPES)] = -1
        near = 2 * (paints[rows] @ paints.T) - squares
        near[alike < _MAYBE] = -np.inf
        for value, count in ((alike, _NEAREST), (near, _NEAREST_PAINT)):
            nearest = min(count, num - 1)
            best = np.argpartition(-value, nearest - 1, axis=1)[:, :nearest]
            one, two = np.repeat(rows, nearest), best.ravel()
            kept = alike[one - start, two] >= _MAYBE
            pairs.append(np.sort(np.stack([one[kept], two[kept]], axis=1), axis=1))
    return np.unique(np.concatenate(pairs), axis=0)


class _Matcher:
    """Compares thumbnails, coarse ones first."""

    def __init__(self, thumbs: Sequence[Thumbnail]) -> None:
        self._thumbs = thumbs
        self._coarse = [_shrunk(thumb.grey, _STEPS[0][0]) for thumb in thumbs]

    def correlation(self, one: int, two: int) -> float:
        """Return the correlation of two copies where they overlap; 0 where they are none."""
        free = self._thumbs[one].telling and self._thumbs[two].telling
        at, alike, before = np.zeros(4), 0.0, _STEPS[0][0]
        for side, least, rounds in _STEPS:
            at[1::2] *= side / before
            a, b, before = self._grey(one, side), self._grey(two, side), side
            alike = float(registered(a, b, at, rounds if free else 0))
            if alike < least:
                return 0.0
        levels = _MOVED if free else _LYING
        if apart(a, b, at, levels) > APART or not self._same_colour(one, two, at, levels):
            return 0.0
        return alike if self._same_detail(one, two, at, free=free) else 0.0

    def _grey(self, place: int, side: int) -> Floats:
        return self._coarse[place] if side == _STEPS[0][0] else _shrunk(self._thumbs[place].grey, side)

    def _same_detail(self, one: int, two: int, at: Floats, *, free: bool) -> bool:
        held = [self._thumbs[i].fine for i in (one, two)]
        if not all(held):
            return True
        fine = [np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8) for png in held]
        side = min(picture.shape[0] for picture in fine)
        a, b = (_shrunk(picture, side) for picture in fine)
        there = at * (1, side / SIDE, 1, side / SIDE)
        registered(a, b, there, 2 if free else 0)
        return float(apart(a, b, there, _MOVED if free else _LYING)) <= (APART if free else _APART_DETAIL)

    def _same_colour(self, one: int, two: int, at: Floats, levels: float) -> bool:
        there = at * (1, _COLOUR_SIDE / SIDE, 1, _COLOUR_SIDE / SIDE)
        return all(apart(a, b, there, levels) <= APART for a, b in zip(self._tints(one), self._tints(two), strict=True))

    def _tints(self, place: int) -> list[Floats]:
        """Return what is left of the three colours without grey, (32, 32) each."""
        colour = self._thumbs[place].colour.astype(np.float64)
        return [np.ascontiguousarray(colour[..., i] - colour.mean(axis=2)) for i in range(3)]


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
