"""A simulated camera: from a picture in sRGB to the mosaic that its sensor would have delivered.

Steps, after Brooks et al. (2019), "Unprocessing Images for Learned Raw Denoising": undo the sRGB curve,
light the scene, turn linear sRGB into the camera's own colours, keep one colour per pixel, add shot and read noise, quantise
above a black level.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# IEC 61966-2-1: CIE XYZ (D65, Y of white = 1) from linear sRGB.
XYZ_FROM_LINEAR_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
_KNEE = 0.04045
_NUM_PHASES = 4


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
        matrix = np.array(self.color_matrix) @ XYZ_FROM_LINEAR_RGB
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
    codes = np.arange(256) / 255.0
    table = np.where(codes <= _KNEE, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    return np.asarray(table[srgb])


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
    linear_rgb: NDArray[np.float64],
    sensor: Sensor,
    light: tuple[float, float, float],
    exposure: float,
    iso: int,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Take a picture.

    Args:
        linear_rgb: (H, W, 3) reflectance in linear sRGB, 0 to 1.
        sensor: the camera.
        light: the light's colour in linear sRGB.
        exposure: light that reaches the sensor; 1 fills it with a white surface at the base sensitivity.
        iso: sensitivity; twice the ISO doubles signal and noise.
        rng: source of the noise.

    Returns:
        (H, W) uint16 mosaic in DN, black level included, clipped at the white level.
    """
    camera = (linear_rgb * np.array(light)) @ sensor.camera_from_linear_rgb().T
    electrons = mosaic(camera.clip(0.0), sensor.pattern) * exposure * sensor.full_well
    variance = electrons + sensor.read_noise**2
    noisy = electrons + np.sqrt(variance) * rng.standard_normal(electrons.shape)
    black = np.tile(np.array(sensor.black_level).reshape(2, 2), (noisy.shape[0] // 2 + 1, noisy.shape[1] // 2 + 1))
    black = black[: noisy.shape[0], : noisy.shape[1]]
    gain = iso / sensor.base_iso / sensor.full_well * (sensor.white_level - black)
    return np.asarray((black + noisy * gain).round().clip(0, sensor.white_level).astype(np.uint16))
