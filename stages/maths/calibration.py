"""Colour calibration as DNG files state it: camera colours to CIE XYZ to linear sRGB, with the white point of the light.

A file holds one or two matrices, each measured under a known light. The light of the picture lies between: its colour
follows from the camera's neutral, and the matrices are interpolated by the inverse of its temperature (Adobe, Digital
Negative Specification 1.4, chapter 6). White of the picture becomes white of sRGB by Bradford's adaptation (K. M. Lam
1985).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# IEC 61966-2-1: CIE XYZ (D65, Y of white = 1) from linear sRGB.
XYZ_FROM_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50_XY, D65_XY = (0.3457, 0.3585), tuple((XYZ_FROM_SRGB.sum(1) / XYZ_FROM_SRGB.sum())[:2].tolist())
# EXIF 2.3, LightSource: correlated colour temperature of the lights that calibrations name, in kelvin.
TEMPERATURES = {
    1: 5500, 2: 4150, 3: 2856, 4: 5500, 9: 5500, 10: 6504, 11: 7504, 12: 6430, 13: 5000, 14: 4150, 15: 3450,
    17: 2856, 18: 4874, 19: 6774, 20: 5503, 21: 6504, 22: 7504, 23: 5003, 24: 3200,
}  # fmt: skip
_MOST_STEPS, _CLOSE = 30, 1e-7
_SINGULAR = 1e-9


@dataclass(frozen=True)
class Calibration:
    """What a file states about its camera's colours.

    Attributes:
        camera_from_xyz: one or two (3, 3) matrices (ColorMatrix1, ColorMatrix2).
        temperatures: of the light of each, in kelvin.
        forward: as many matrices from white-balanced camera colours to XYZ under D50 (ForwardMatrix1, 2), or none.
    """

    camera_from_xyz: tuple[Matrix, ...]
    temperatures: tuple[float, ...]
    forward: tuple[Matrix, ...] = ()


def daylight(numbers: Sequence[float]) -> Calibration:
    """Return the calibration of one matrix measured under D65.

    Args:
        numbers: camera colours from CIE XYZ, nine numbers in reading order, as DNG's ColorMatrix.

    Raises:
        ValueError: the matrix has no inverse or gives white no response in a colour.
    """
    matrix = np.asarray(numbers, np.float64).reshape(3, 3)
    if abs(np.linalg.det(matrix)) < _SINGULAR or ((matrix @ XYZ_FROM_SRGB).sum(axis=1) <= 0).any():
        raise ValueError("the colour matrix has no inverse or answers white with nothing")
    return Calibration((matrix,), (float(TEMPERATURES[21]),))


def temperature(xy: Sequence[float]) -> float:
    """Return the correlated colour temperature in kelvin (C. S. McCamy 1992).

    Example:
        >>> round(temperature((0.3127, 0.3290)), -2), round(temperature((0.44757, 0.40745)), -1)
        (6500.0, 2860.0)
    """
    n = (xy[0] - 0.3320) / (0.1858 - xy[1])
    return float(((449 * n + 3525) * n + 6823.3) * n + 5520.33)


def xyz(xy: Sequence[float]) -> NDArray[np.float64]:
    """Return CIE XYZ of a chromaticity, Y = 1."""
    return np.array([xy[0] / xy[1], 1.0, (1 - xy[0] - xy[1]) / xy[1]])


def adaptation(source_xy: Sequence[float], target_xy: Sequence[float]) -> Matrix:
    """Return the (3, 3) matrix on XYZ that turns one white into another (Bradford)."""
    scale = (_BRADFORD @ xyz(target_xy)) / (_BRADFORD @ xyz(source_xy))
    return np.asarray(np.linalg.inv(_BRADFORD) @ (scale[:, None] * _BRADFORD))


def _between(matrices: Sequence[Matrix], temperatures: Sequence[float], kelvin: float) -> Matrix:
    """Interpolate by inverse temperature; outside the two lights the nearer matrix holds."""
    if len(matrices) == 1 or temperatures[0] == temperatures[1]:
        return matrices[0]
    first, second = (1 / t for t in temperatures)
    weight = float(np.clip((1 / kelvin - second) / (first - second), 0, 1))
    return weight * matrices[0] + (1 - weight) * matrices[1]


def neutral(calibration: Calibration, xy: Sequence[float]) -> NDArray[np.float64]:
    """Return what the camera records of white under a light (AsShotWhiteXY as AsShotNeutral): (3,), green = 1."""
    matrix = _between(calibration.camera_from_xyz, calibration.temperatures, temperature(xy))
    response = matrix @ xyz(xy)
    return np.asarray(response / response[1])


def white_xy(calibration: Calibration, gains: Sequence[float]) -> tuple[float, float]:
    """Return the chromaticity of the light that white balance gains make white.

    The matrix depends on the light and the light on the matrix, so both are found in turns, from D50.

    Args:
        calibration: the camera's.
        gains: (3,) positive.

    Raises:
        ValueError: the matrices make this no light at all.
    """
    xy = D50_XY
    for _ in range(_MOST_STEPS):
        matrix = _between(calibration.camera_from_xyz, calibration.temperatures, temperature(xy))
        white = np.linalg.solve(matrix, 1 / np.asarray(gains, np.float64))
        if not (white > 0).all():
            raise ValueError("the colour matrix takes the stated white balance to no light there is")
        new = (float(white[0] / white.sum()), float(white[1] / white.sum()))
        if abs(new[0] - xy[0]) + abs(new[1] - xy[1]) < _CLOSE:
            return new
        xy = new
    return xy


def srgb_from_camera(calibration: Calibration, gains: Sequence[float] | None) -> Matrix:
    """Return linear sRGB from white-balanced camera colours, each row's sum 1.

    Args:
        calibration: the camera's.
        gains: (3,) the white balance that is used, so that its light's white point is known; None: D65.

    Raises:
        ValueError: a matrix has no inverse, or the white balance belongs to no light.
    """
    if any(abs(np.linalg.det(m)) < _SINGULAR for m in calibration.camera_from_xyz):
        raise ValueError("the colour matrix has no inverse")
    xy = D65_XY if gains is None else white_xy(calibration, gains)
    kelvin = temperature(xy)
    if calibration.forward:
        to_xyz = adaptation(D50_XY, D65_XY) @ _between(calibration.forward, calibration.temperatures, kelvin)
    else:
        matrix = _between(calibration.camera_from_xyz, calibration.temperatures, kelvin)
        balanced = np.linalg.inv(matrix) * (matrix @ xyz(xy))  # columns scaled: balanced camera white is the light's white
        to_xyz = adaptation(xy, D65_XY) @ balanced
    linear = np.linalg.solve(XYZ_FROM_SRGB, to_xyz)
    return np.asarray(linear / linear.sum(axis=1, keepdims=True))
