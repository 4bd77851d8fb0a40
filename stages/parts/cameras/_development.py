"""A camera file developed: from digital numbers to colours in one pass over tiles, in the order that keeps colours true.

While a tile is loaded (``maths.tile_kernels.load``):

1. Black level, one for each position of the cell: a single one would tint the greys. What lies below black stays negative,
   because clipping there would lift the mean of noisy shadows; nothing is cut before the sRGB curve.
2. White level: saturation becomes 1.
3. White balance, BEFORE demosaicing: interpolation compares colours, and comparing them on one scale gained 2.5 dB (Malvar)
   to 8 dB (GBTF) in a linear chain. The smallest gain is 1, so that a saturated pixel reaches at least 1 in each colour.

4. Demosaicing, between a square root of the light and its square (``maths.tiling.in_square_root``): methods compare
   differences, and only there does one mean the same in shadows and lights. ``linear`` by choice; both are measured in
   ``docs/camera.md``.

While it is finished (``to_srgb``, ``to_linear``):

5. Clip at 1, before the colour matrix: blown white is then (1, 1, 1) and stays neutral; else it would turn magenta.
6. Colour matrix, camera to XYZ to sRGB, for the light that the white balance means (``maths.calibration``; Adobe, Digital
   Negative Specification 1.4, chapter 6); contrast limits and exposure are a factor and an offset in it.
7. The sRGB curve (IEC 61966-2-1).

Denoising, smoothing and sharpening look at a neighbourhood and follow on the finished picture. Without them only the mosaic
and the result are as large as the frame.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import raw
from stages.core.pixels import Output
from stages.maths import mosaic_statistics, orientation, tile_kernels, tiling
from stages.maths.mosaic_statistics import MosaicStatistics
from stages.parts.cameras import _tone

Gains = tuple[float, float, float]
_CODES = tile_kernels.srgb_codes()


@dataclass(frozen=True)
class Development:
    """A developed picture and what was done to it.

    Attributes:
        image: upright: (H, W, 3) uint8 for ``srgb``, float32 for ``linear_rgb``, or (ceil(H/2), ceil(W/2), 4) float32 for
            ``packed_raw``: red, green beside red, green beside blue, blue of each cell, balanced, black 0, white at least 1.
        gains: white balance used, the smallest 1.
        without_gains: the file states no white balance that is usable.
        matrix_known: the file (or the user) states the camera's colours; else they were taken for sRGB.
        suspicions: what the file states and its pixels contradict, one line each.
        statistics: of the mosaic's digital numbers.
        clipped_share: share of saturated pixels in the mosaic.
        pattern: of the mosaic.
        black_level: used, of each position of the cell.
        white_level: used.
        camera: name, or None.
        iso: sensitivity, or None.
        mosaic: what was developed, (H, W) uint16, not turned.
    """

    image: NDArray[Any]
    gains: Gains
    without_gains: bool
    matrix_known: bool
    suspicions: tuple[str, ...]
    statistics: MosaicStatistics
    clipped_share: float
    pattern: str
    black_level: tuple[float, ...]
    white_level: float
    camera: str | None
    iso: int | None
    mosaic: NDArray[np.uint16]


def develop(  # noqa: PLR0913 - the chain's choices, each by name
    frame: raw.Frame,
    *,
    balance: Callable[..., Gains],
    demosaicer: tiling.Demosaicer,
    tone: _tone.Params,
    output: Output = "srgb",
    num_threads: int = 1,
) -> Development:
    """Develop a camera file's frame.

    Args:
        frame: the camera file.
        balance: a part of ``white_balances``.
        demosaicer: a part of ``demosaicers``.
        tone: what is done to tones and details.
        output: what is made of it.
        num_threads: threads that share the tiles; the result is the same for any.

    Raises:
        ValueError: the levels contradict each other or a gain is not positive.
    """
    gains = _scaled(balance(frame.mosaic, frame.pattern, frame.camera_gains, frame.black_level, frame.white_level))
    by_place = [gains["RGB".index(color)] for color in frame.pattern]
    at = tiling.levels(frame.black_level, frame.white_level, by_place)
    with _measuring(frame, num_threads) as measured:
        if output == "packed_raw":
            image: NDArray[Any] = tiling.pack(frame.mosaic, frame.pattern, at)
        else:
            image = _colors(frame, at, demosaicer, _finish(frame, gains, tone, measured, output), output, num_threads)
            image = _tone.retouch(tone, image)
        statistics = measured()
    return Development(
        image=np.ascontiguousarray(orientation.upright(image, frame.orientation)),
        gains=gains,
        without_gains=frame.camera_gains is None,
        matrix_known=frame.srgb_from_camera is not None,
        suspicions=tuple(mosaic_statistics.suspicions(statistics, frame.pattern, frame.black_level, frame.white_level)),
        statistics=statistics,
        clipped_share=statistics.share_from(frame.white_level),
        pattern=frame.pattern,
        black_level=frame.black_level,
        white_level=frame.white_level,
        camera=frame.camera,
        iso=frame.iso,
        mosaic=frame.mosaic,
    )


@contextmanager
def _measuring(frame: raw.Frame, num_threads: int) -> Iterator[Callable[[], MosaicStatistics]]:
    """Give what returns the mosaic's statistics: counted while the tiles are worked on, where threads may be used."""
    if num_threads <= 1:
        yield cache(lambda: mosaic_statistics.measure(frame.mosaic))
        return
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(mosaic_statistics.measure, frame.mosaic).result


def _scaled(gains: Gains) -> Gains:
    """Return the gains with the smallest 1: a saturated pixel then reaches at least 1 in each colour, and stays white."""
    red, green, blue = (float(gain) for gain in gains)
    least = min(red, green, blue)
    if not least > 0:
        raise ValueError(f"white balance gains are {red:g}, {green:g}, {blue:g}; expected positive numbers")
    return red / least, green / least, blue / least


def _colors(  # noqa: PLR0913, PLR0917 - one pass
    frame: raw.Frame,
    at: tiling.Levels,
    demosaicer: tiling.Demosaicer,
    finish: tiling.Finish,
    output: Output,
    num_threads: int,
) -> NDArray[Any]:
    out = np.empty((*frame.mosaic.shape, 3), np.uint8 if output == "srgb" else np.float32)
    tiling.run(demosaicer, frame.mosaic, frame.pattern, at, finish, out, num_threads=num_threads)
    return out


def _finish(
    frame: raw.Frame, gains: Gains, tone: _tone.Params, measured: Callable[[], MosaicStatistics], output: Output
) -> tiling.Finish:
    """Return what turns a tile's camera colours into the output."""
    factor, offset = _tone.linear_gain(tone, measured, frame.pattern, frame.black_level, frame.white_level)
    known = frame.matrix_for(gains)
    matrix, added = ((np.eye(3) if known is None else known) * factor).astype(np.float32), np.float32(offset)
    if output == "srgb":
        return lambda planes, out: tile_kernels.to_srgb(planes, matrix, added, _CODES, out)
    return lambda planes, out: tile_kernels.to_linear(planes, matrix, added, out)
