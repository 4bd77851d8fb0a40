"""A simulated camera: from a picture in sRGB to the mosaic that its sensor would have delivered.

Steps, after T. Brooks et al., "Unprocessing Images for Learned Raw Denoising" (CVPR 2019): undo the tone curve and the sRGB
curve, light the scene, turn linear sRGB into the camera's own colours, keep one colour per pixel, add shot and read noise,
quantise above a black level: one pass (``maths.sensor_kernels``). Noise belongs to a pixel's place.

The way back is exact where nothing is lost: without noise and tone curve, with a matrix that leaves sRGB as it is, white
light and an exposure at which white just reaches the white level, 12 bit and more above black give each 8-bit code back,
because one step of the darkest codes (1 / 3295 of white) is then more than one digital number. It can not be exact below 12
bit (dark codes fall together), with noise, where a pixel saturates, and by about one code where a matrix mixes rounded
colours; and a mosaic keeps one colour per pixel, so the others come back only as well as they are interpolated.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.maths.calibration import XYZ_FROM_SRGB
from stages.maths.sensor_kernels import render_codes, render_linear

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
_KNEE = 0.04045
_NUM_PHASES = 4
_SEEDS = 2**32


@dataclass(frozen=True)
class Sensor:
    """A camera's fixed properties.

    Attributes:
        name: model name.
        pattern: colours of the 2 x 2 cell in reading order, one of ``PATTERNS``.
        black_level: (4,) offset of each position of the cell in reading order, in digital numbers (DN).
        white_level: DN at which a pixel saturates.
        color_matrix: (3, 3) camera colours from CIE XYZ, as DNG's ColorMatrix1 for D65.
        full_well: electrons that reach ``white_level`` at ``base_iso``.
        read_noise: standard deviation of the read-out, in electrons.
        base_iso: sensitivity at which ``full_well`` is used to the full.
    """

    name: str
    pattern: str
    black_level: tuple[float, float, float, float]
    white_level: int
    color_matrix: tuple[tuple[float, float, float], ...]
    full_well: float
    read_noise: float
    base_iso: int = 100

    def camera_from_linear_rgb(self) -> NDArray[np.float64]:
        """Return (3, 3) camera colours from linear sRGB, scaled so that D65 white gives green = 1."""
        matrix = np.array(self.color_matrix) @ XYZ_FROM_SRGB
        return np.asarray(matrix / matrix[1].sum())


def linear_from_srgb(srgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Undo the sRGB curve (IEC 61966-2-1).

    Args:
        srgb: (..., 3) or (H, W) uint8.

    Returns:
        Linear values in [0, 1], same shape.

    Example:
        >>> linear_from_srgb(np.array([0, 255], dtype=np.uint8)).tolist()
        [0.0, 1.0]
    """
    return linear_codes()[srgb]


def linear_codes(*, undo_tone: bool = False) -> NDArray[np.float64]:
    """Return the linear value of each 8-bit sRGB code: (256,).

    Args:
        undo_tone: also undo the tone curve that cameras apply, taken as smoothstep 3x^2 - 2x^3 (Brooks et al. 2019): shadows
            and highlights draw together towards the middle, as in a picture that is not toned yet.
    """
    codes = np.arange(256) / 255.0
    if undo_tone:
        codes = 0.5 - np.sin(np.arcsin(1.0 - 2.0 * codes) / 3.0)
    return np.asarray(np.where(codes <= _KNEE, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4))


def neutral(sensor: Sensor, light: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return what the camera records of a white surface: DNG's AsShotNeutral, its largest value 1.

    Args:
        sensor: the camera.
        light: the light's colour in linear sRGB; (1, 1, 1) is D65.
    """
    response = sensor.camera_from_linear_rgb() @ np.array(light)
    return np.asarray(response / response.max())


def mosaic(colors: NDArray[np.float64], pattern: str) -> NDArray[np.float64]:
    """Keep one colour per pixel.

    Args:
        colors: (H, W, 3).
        pattern: one of ``PATTERNS``.

    Returns:
        (H, W).

    Raises:
        ValueError: the pattern is unknown.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"pattern is {pattern!r}; expected one of {', '.join(PATTERNS)}")
    out = np.empty(colors.shape[:2], dtype=colors.dtype)
    for phase in range(_NUM_PHASES):
        y, x = divmod(phase, 2)
        out[y::2, x::2] = colors[y::2, x::2, "RGB".index(pattern[phase])]
    return out


def expose(  # noqa: PLR0913, PLR0917 - what a photographer sets
    picture: NDArray[np.uint8] | NDArray[np.floating],
    sensor: Sensor,
    light: tuple[float, float, float],
    exposure: float,
    iso: int,
    seed: int | None,
    *,
    top: int = 0,
    left: int = 0,
    undo_tone: bool = False,
) -> NDArray[np.uint16]:
    """Take a picture.

    Args:
        picture: (H, W, 3): uint8 srgb, or floats: reflectance in linear sRGB, 0 to 1.
        sensor: the camera.
        light: the light's colour in linear sRGB.
        exposure: light that reaches the sensor; 1 fills it with a white surface at the base sensitivity.
        iso: sensitivity; twice the ISO doubles signal and noise.
        seed: of the noise, 0 to 2**32 - 1; None: no noise at all.
        top: row of the sensor where the picture begins, when it is a tile of a larger one.
        left: column likewise.
        undo_tone: for uint8, see ``linear_codes``.

    Returns:
        (H, W) uint16 mosaic in DN, black level included, clipped at the white level.

    Raises:
        ValueError: the pattern is unknown or the seed out of range.
    """
    if sensor.pattern not in PATTERNS:
        raise ValueError(f"pattern is {sensor.pattern!r}; expected one of {', '.join(PATTERNS)}")
    if seed is not None and not 0 <= seed < _SEEDS:
        raise ValueError(f"seed is {seed}; expected 0 to {_SEEDS - 1}")
    black = np.array(sensor.black_level)
    gains = iso / sensor.base_iso / sensor.full_well * (sensor.white_level - black)  # DN per electron
    camera = sensor.camera_from_linear_rgb() * np.array(light) * exposure * sensor.full_well
    weights = np.stack([camera["RGB".index(color)] * gain for color, gain in zip(sensor.pattern, gains, strict=True)])
    levels = (
        np.stack([black, gains, (sensor.read_noise * gains) ** 2]).astype(np.float32).reshape(3, 2, 2).transpose(1, 0, 2)
    )
    height, width = picture.shape[:2]
    out = np.empty((height, width), np.uint16)
    levels = np.tile(levels, (1, 1, width // 2 + 1))  # (2, 3, W + 1 or 2): of each column, for even and odd rows
    rest: tuple[Any, ...] = (levels, np.float32(sensor.white_level), -1 if seed is None else seed, top, left, out)
    if picture.dtype == np.uint8:
        tables = (weights[:, :, None] * linear_codes(undo_tone=undo_tone)).astype(np.float32)
        render_codes(np.ascontiguousarray(picture), tables, *rest)
    else:
        render_linear(np.ascontiguousarray(picture, dtype=np.float32), weights.astype(np.float32), *rest)
    return out
