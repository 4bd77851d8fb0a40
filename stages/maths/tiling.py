"""A mosaic worked on in tiles, small enough for a core's cache: load, demosaic, finish, each one compiled kernel.

A tile is cut with a margin, mirrored at the frame's border (reflect 101, which keeps the parity: a red pixel's mirror image
is red), and always begins on a red pixel, so that a demosaicer knows one pattern only and neither borders nor crops. Tiles
share nothing, and a pixel depends on its neighbourhood within the margin alone: neither the size of the tiles nor the number
of threads changes a bit of the result.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.maths import bayer
from stages.maths.tile_kernels import interleave, load, root, square

# Measured on a level 2 cache of 2 MB: smaller tiles pay for their margins, larger ones leave a thread idle at the end.
TILE_HEIGHT, TILE_WIDTH = 256, 512
Planes = NDArray[np.float32]
Finish = Callable[[Planes, NDArray[Any]], None]


class Levels(NamedTuple):
    """What turns digital numbers into balanced values, by position of the cell in reading order.

    Attributes:
        black: (4,) digital numbers that become 0.
        scale: (4,) factor: white balance gain over the distance from black to white.
        ceiling: (4,) what a saturated pixel becomes: the white balance gain.
    """

    black: NDArray[np.float32]
    scale: NDArray[np.float32]
    ceiling: NDArray[np.float32]


AS_IT_IS = Levels(np.zeros(4, np.float32), np.ones(4, np.float32), np.full(4, np.inf, np.float32))


@dataclass(frozen=True)
class Demosaicer:
    """A method that fills in the missing colours.

    Attributes:
        fill: ``fill(tile, out, scratch)``: from ``tile`` (h + 2 margin, w + 2 margin) float32, red at its origin (RGGB), to
            ``out`` (3, h, w) float32, the red, green and blue of its inner part; ``scratch`` (num_scratch, *tile.shape)
            float32 to work in.
        margin: pixels around the inner part that ``fill`` looks at; even.
        num_scratch: working planes.
        is_tiled: False where a library wants the whole frame as one tile.
    """

    fill: Callable[[Planes, Planes, Planes], None]
    margin: int
    num_scratch: int = 0
    is_tiled: bool = True

    def __call__(self, mosaic: NDArray[np.float32], pattern: str) -> NDArray[np.float32]:
        """Fill in the missing colours.

        Args:
            mosaic: (H, W) float32, any range.
            pattern: RGGB, BGGR, GRBG or GBRG.

        Returns:
            (H, W, 3) float32.

        Raises:
            ValueError: the pattern is unknown.
        """
        out = np.empty((*mosaic.shape, 3), np.float32)
        run(self, mosaic, pattern, AS_IT_IS, interleave, out)
        return out


def in_square_root(method: Demosaicer) -> Demosaicer:
    """Return the method working on square roots of light, where shot noise is alike in shadows and lights.

    The root is straight around black (``tile_kernels.root``), as the transforms that make noise alike are (Anscombe 1948;
    with read noise Starck, Murtagh and Bijaoui 1998), so that averages of roots hardly darken noisy shadows.
    """

    def fill(tile: Planes, out: Planes, scratch: Planes) -> None:
        root(tile)
        method.fill(tile, out, scratch)
        square(out)

    return replace(method, fill=fill)


DOMAINS: dict[str, Callable[[Demosaicer], Demosaicer]] = {"linear": lambda method: method, "square_root": in_square_root}


def levels(black_level: Sequence[float], white_level: float, gains: Sequence[float]) -> Levels:
    """Return the levels of a frame.

    Args:
        black_level: (4,) digital numbers in reading order of the cell.
        white_level: digital number of saturation.
        gains: (4,) white balance of each position, the smallest 1.

    Raises:
        ValueError: the white level is not above the black levels, or a gain is not positive.
    """
    black, gain = np.asarray(black_level, np.float64), np.asarray(gains, np.float64)
    if not (np.isfinite(black).all() and np.isfinite(white_level) and white_level > black.max()):
        raise ValueError(f"white level {white_level:g} is not above the black level {black.max():g}")
    if not (np.isfinite(gain).all() and (gain > 0).all()):
        raise ValueError(f"white balance gains are {', '.join(f'{g:g}' for g in gain)}; expected positive numbers")
    scale = gain / (white_level - black)
    return Levels(black.astype(np.float32), scale.astype(np.float32), gain.astype(np.float32))


def run(  # noqa: PLR0913, PLR0917 - one pass over a frame
    method: Demosaicer,
    mosaic: NDArray[Any],
    pattern: str,
    at: Levels,
    finish: Finish,
    out: NDArray[Any],
    *,
    num_threads: int = 1,
    tile: tuple[int, int] = (TILE_HEIGHT, TILE_WIDTH),
) -> None:
    """Bring a whole mosaic through load, demosaic and finish.

    Args:
        method: the demosaicer.
        mosaic: (H, W) uint16 or float32.
        pattern: its pattern.
        at: its levels.
        finish: ``finish(planes (3, h, w), out (h, w, ...))`` writes a tile's part of the result.
        out: (H, W, ...) result.
        num_threads: threads that take tiles.
        tile: height and width of a tile's inner part, even.

    Raises:
        ValueError: the pattern is unknown.
    """
    if mosaic.size == 0:
        return
    red = bayer.check(pattern).index("R")
    top, left = -(red // 2), -(red % 2)  # the first tile begins on a red pixel, outside the frame if need be
    in_rggb = Levels(*(np.ascontiguousarray(_turned(values, red)) for values in at))
    height, width = mosaic.shape
    rows, columns = tile if method.is_tiled else (height - top, width - left)
    rows, columns = min(rows, _even(height - top)), min(columns, _even(width - left))

    def work(corner: tuple[int, int], room: "_Room") -> None:
        y, x = corner
        h, w = min(rows, height - y), min(columns, width - x)
        cut, planes, scratch = room.views(h, w)
        load(mosaic, y - method.margin, x - method.margin, *in_rggb, cut)
        method.fill(cut, planes, scratch)
        skip_y, skip_x = max(0, -y), max(0, -x)
        finish(planes[:, skip_y:, skip_x:], out[y + skip_y : y + h, x + skip_x : x + w])

    corners = [(y, x) for y in range(top, height, rows) for x in range(left, width, columns)]
    _share(corners, work, lambda: _Room(rows, columns, method.margin, method.num_scratch), min(num_threads, len(corners)))


def pack(mosaic: NDArray[Any], pattern: str, at: Levels) -> NDArray[np.float32]:
    """Gather each cell's four values as the channels of one pixel: red, green beside red, green beside blue, blue.

    A last odd row or column is completed by its mirror image.

    Args:
        mosaic: (H, W) uint16 or float32.
        pattern: its pattern.
        at: its levels.

    Returns:
        (ceil(H / 2), ceil(W / 2), 4) float32.
    """
    red = bayer.check(pattern).index("R")
    height, width = mosaic.shape
    rows, columns = np.arange(_even(height)), np.arange(_even(width))
    rows, columns = (np.where(i < n, i, max(n - 2, 0)) for i, n in ((rows, height), (columns, width)))
    whole = mosaic[np.ix_(rows, columns)] if height % 2 or width % 2 else mosaic
    out = np.empty((len(rows) // 2, len(columns) // 2, 4), np.float32)
    for channel, place in enumerate((red, red ^ 1, red ^ 2, red ^ 3)):
        values = (whole[place // 2 :: 2, place % 2 :: 2].astype(np.float32) - at.black[place]) * at.scale[place]
        np.minimum(values, at.ceiling[place], out=out[..., channel])
    return out


def _share(
    corners: list[tuple[int, int]],
    work: Callable[[tuple[int, int], "_Room"], None],
    room: Callable[[], "_Room"],
    num_threads: int,
) -> None:
    """Let threads, this one among them, take tiles until none is left; each has its own room."""
    left = iter(corners)  # taking the next item of a list's iterator is one step: threads may share it

    def worker() -> None:
        own = room()
        for corner in left:
            work(corner, own)

    if num_threads <= 1:
        worker()
        return
    with ThreadPoolExecutor(num_threads - 1) as pool:
        others = [pool.submit(worker) for _ in range(num_threads - 1)]
        worker()
    for done in others:
        done.result()


def _even(value: int) -> int:
    return value + value % 2


def _turned(values: NDArray[np.float32], first: int) -> NDArray[np.float32]:
    """Reorder a cell's four values so that position ``first`` stands at the origin."""
    return np.roll(values.reshape(2, 2), (-(first // 2), -(first % 2)), (0, 1)).ravel()


class _Room:
    """A worker's memory: one tile, its three colours and the method's planes."""

    def __init__(self, height: int, width: int, margin: int, num_scratch: int) -> None:
        self.margin, self.num_scratch = margin, num_scratch
        padded = (height + 2 * margin) * (width + 2 * margin)
        self.tile = np.empty(padded, np.float32)
        self.planes = np.empty(3 * height * width, np.float32)
        self.scratch = np.empty(num_scratch * padded, np.float32)

    def views(self, height: int, width: int) -> tuple[Planes, Planes, Planes]:
        """Return contiguous arrays for a tile with an inner part of this size."""
        shape = (height + 2 * self.margin, width + 2 * self.margin)
        size = shape[0] * shape[1]
        return (
            self.tile[:size].reshape(shape),
            self.planes[: 3 * height * width].reshape(3, height, width),
            self.scratch[: self.num_scratch * size].reshape(self.num_scratch, *shape),
        )
