"""What the tags of a DNG (or of a TIFF with a mosaic) say: pattern, levels, area, white balance and colour calibration.

Adobe, Digital Negative Specification 1.4; tag numbers as there. Levels and pattern belong to the active area's first pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import DataError
from stages.core.tiff import Tiff, Value
from stages.maths import bayer, calibration

_CFA, _LINEAR_RAW, _GREY = 32803, 34892, ((0,), (1,))
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SUBFILE = 256, 257, 258, 262, 254
_VERSION, _PATTERN_DIM, _PATTERN, _AREA = 50706, 33421, 33422, 50829
_BLACK_DIM, _BLACK, _BLACK_ACROSS, _BLACK_DOWN, _WHITE = 50713, 50714, 50715, 50716, 50717
_ANALOG_BALANCE, _NEUTRAL, _WHITE_XY = 50727, 50728, 50729
_SETS = ((50721, 50723, 50778, 50964), (50722, 50724, 50779, 50965))  # ColorMatrix, CameraCalibration, its light, Forward
_CELL, _MOST_GAIN = 2, 1e6
_INSTEAD = "develop it elsewhere and give the picture as PNG, JPEG or TIFF"
Directory = dict[int, Value]


@dataclass(frozen=True)
class Stated:
    """What the tags say.

    Attributes:
        directory: the one that holds the mosaic.
        pattern: at the active area's first pixel, or None.
        area: top, left, bottom and right of the active area.
        black_level: (4,) at the active area's first cell, without the deltas; None where the file leaves it out.
        black_deltas: what is added to black of each row and of each column; empty where nothing is.
        white_level: None where the file leaves it out.
        gains: (3,) white balance, green = 1, or None.
        calibration: of the colours, or None.
    """

    directory: Directory
    pattern: str | None
    area: tuple[int, int, int, int]
    black_level: tuple[float, ...] | None
    black_deltas: tuple[NDArray[np.float64], NDArray[np.float64]]
    white_level: float | None
    gains: tuple[float, float, float] | None
    calibration: calibration.Calibration | None


def read(tiff: Tiff) -> Stated | None:
    """Say what a file's tags state about its mosaic; None where it is neither a DNG nor a TIFF with a mosaic.

    Raises:
        DataError: the file holds no mosaic of a Bayer sensor, or its black level is laid out as nothing here can use it.
    """
    directory = _mosaic_directory(tiff)
    if directory is None:
        return None
    everything = {**tiff.first, **directory}
    height, width = _int(directory, _HEIGHT), _int(directory, _WIDTH)
    top, left, bottom, right = (int(n or 0) for n in _numbers(directory, _AREA, 4, (0, 0, height, width)))
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise DataError(f"the active area {top}, {left}, {bottom}, {right} leads out of {width} x {height} pixels")
    calibrated = _calibration(everything)
    return Stated(
        directory=directory,
        pattern=_pattern(directory),
        area=(top, left, bottom, right),
        black_level=_black(directory),
        black_deltas=(_deltas(directory, _BLACK_DOWN, bottom - top), _deltas(directory, _BLACK_ACROSS, right - left)),
        white_level=_numbers(directory, _WHITE, 1, (None,))[0],
        gains=_gains(everything, calibrated),
        calibration=calibrated,
    )


def _mosaic_directory(tiff: Tiff) -> Directory | None:
    """Return the directory with the mosaic, refusing DNG files that have something else instead."""
    found = next((d for d in tiff.directories if d.get(_PHOTOMETRIC) == (_CFA,) and d.get(_SUBFILE, (0,)) == (0,)), None)
    if found is not None or _VERSION not in tiff.first:
        return found
    for directory in tiff.directories:
        kind = directory.get(_PHOTOMETRIC)
        if directory.get(_SUBFILE, (0,)) == (0,) and kind == (_LINEAR_RAW,):
            raise DataError(f"the file holds colours that were demosaiced already (LinearRaw), no mosaic; {_INSTEAD}")
        if directory.get(_SUBFILE, (0,)) == (0,) and isinstance(kind, tuple) and kind in _GREY:
            raise DataError(f"the file is monochrome, its sensor has no Bayer pattern; {_INSTEAD}")
    return None


def _int(directory: Directory, tag: int) -> int:
    value = _numbers(directory, tag, 1, (0,))[0] or 0
    return int(value) if np.isfinite(value) else 0


def _numbers(directory: Directory, tag: int, count: int, instead: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return this many numbers, or what stands in where the tag is absent or too short."""
    value = directory.get(tag)
    if isinstance(value, str) or value is None or len(value) < count or not np.isfinite(value).all():
        return tuple(instead)
    return tuple(value[:count])


def _pattern(directory: Directory) -> str | None:
    """Return the Bayer pattern; None where the tags leave it out.

    Raises:
        DataError: it is another pattern.
    """
    dim, cell = directory.get(_PATTERN_DIM), directory.get(_PATTERN)
    if not isinstance(dim, tuple) or not isinstance(cell, tuple):
        return None
    named = "".join("RGB"[int(c)] if c < len("RGB") else "?" for c in cell)
    if dim != (_CELL, _CELL) or named not in bayer.PATTERNS:
        shape = " x ".join(f"{n:g}" for n in dim)
        kind = ", X-Trans" if dim == (6, 6) else ", monochrome" if len(set(cell)) == 1 else ""
        raise DataError(f"the sensor's pattern is {shape} of '{named}', no Bayer pattern{kind}; {_INSTEAD}")
    return named


def _black(directory: Directory) -> tuple[float, ...] | None:
    rows, columns = (int(n or 1) for n in _numbers(directory, _BLACK_DIM, 2, (1, 1)))
    value = directory.get(_BLACK)
    if not isinstance(value, tuple) or not np.isfinite(value).all():
        return None
    if rows > _CELL or columns > _CELL or len(value) != rows * columns:
        raise DataError(
            f"the black level is stated for {rows} x {columns} positions with {len(value)} values; expected 1 x 1, 1 x 2, "
            "2 x 1 or 2 x 2 (the file's BlackLevel and BlackLevelRepeatDim): rewrite these tags"
        )
    grid = np.broadcast_to(np.reshape(value, (rows, columns)), (_CELL, _CELL))
    return tuple(float(level) for level in grid.ravel())


def _deltas(directory: Directory, tag: int, count: int) -> NDArray[np.float64]:
    value = directory.get(tag)
    usable = isinstance(value, tuple) and len(value) == count and np.isfinite(value).all() and any(value)
    return np.array(value if usable else (), dtype=np.float64)


def _calibration(tags: Directory) -> calibration.Calibration | None:
    """Return the matrices that are there, CameraCalibration and AnalogBalance worked in (chapter 6)."""
    balance = np.array(_numbers(tags, _ANALOG_BALANCE, 3, (1, 1, 1)), dtype=np.float64)
    matrices, kelvins, forward = [], [], []
    for color, own, light, ahead in _SETS:
        if not isinstance(value := tags.get(color), tuple) or len(value) != 9 or not np.isfinite(value).all():  # noqa: PLR2004
            continue
        copy = np.array(_numbers(tags, own, 9, np.eye(3).ravel().tolist()), dtype=np.float64).reshape(3, 3)
        matrices.append(balance[:, None] * (copy @ np.reshape(value, (3, 3))))
        kelvins.append(float(calibration.TEMPERATURES.get(_int(tags, light), 5003)))
        if isinstance(value := tags.get(ahead), tuple) and len(value) == 9:  # noqa: PLR2004 - 3 x 3
            forward.append(np.reshape(value, (3, 3)).astype(np.float64))
    if not matrices or any(abs(np.linalg.det(m)) < 1e-6 for m in matrices):  # noqa: PLR2004
        return None
    whole = len(forward) == len(matrices) and all(np.isfinite(f).all() and (f.sum(1) > 0).all() for f in forward)
    return calibration.Calibration(tuple(matrices), tuple(kelvins), tuple(forward) if whole else ())


def _gains(tags: Directory, calibrated: calibration.Calibration | None) -> tuple[float, float, float] | None:
    """Return the gains that make AsShotNeutral, or else AsShotWhiteXY, neutral."""
    neutral: NDArray[np.float64] = np.array(_numbers(tags, _NEUTRAL, 3, (0, 0, 0)), dtype=np.float64)
    xy = np.array(_numbers(tags, _WHITE_XY, 2, (0, 0)), dtype=np.float64)
    if not (neutral > 0).all() and calibrated is not None and (xy > 0).all() and xy.sum() < 1:
        neutral = calibration.neutral(calibrated, xy.tolist())
    return usable_gains(1 / neutral) if (neutral > 1 / _MOST_GAIN).all() else None


def usable_gains(gains: Sequence[float] | NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Return red, green and blue gains with green = 1, or None where they say nothing.

    Files without a white balance state zeros, NaN or four ones.

    Example:
        >>> usable_gains([2.0, 1.0, 1.5, 0.0]), usable_gains([1.0, 1.0, 1.0, 1.0]), usable_gains([0.0, 1.0, 0.0, 0.0])
        ((2.0, 1.0, 1.5), None, None)
    """
    values = np.asarray(gains, dtype=np.float64)[:3]
    if values.shape != (3,) or not np.isfinite(values).all() or (values <= 0).any() or np.ptp(values) == 0:
        return None
    red, green, blue = (round(float(v), 6) for v in values / values[1])
    return (red, green, blue) if min(red, blue) > 0 and max(red, blue) < _MOST_GAIN else None
