"""Renders a picture back to the noisy mosaic of one fixed camera (Brooks et al. 2019; see ``maths.sensor``)."""

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stages.core import images, raw, seeds
from stages.core import params as core
from stages.maths import camera
from stages.maths import sensor as maths

_Positive = Annotated[float, Field(gt=0)]


class Params(core.Params):
    """The camera.

    Attributes:
        pattern: its Bayer pattern.
        black_level: in digital numbers.
        white_level: in digital numbers.
        full_well: electrons of a saturated pixel at ISO 100.
        read_noise: standard deviation in electrons.
        iso: sensitivity; noise grows with it.
        light: colour of the light in linear sRGB; [1, 1, 1] is D65.
        color_matrix: camera colours from CIE XYZ, nine numbers, as DNG's ColorMatrix for D65.
    """

    pattern: Literal["RGGB", "BGGR", "GRBG", "GBRG"]
    black_level: Annotated[float, Field(ge=0)]
    white_level: Annotated[int, Field(ge=1, le=65535)]
    full_well: _Positive
    read_noise: Annotated[float, Field(ge=0)]
    iso: Annotated[int, Field(ge=25)]
    light: tuple[_Positive, _Positive, _Positive]
    color_matrix: tuple[float, float, float, float, float, float, float, float, float]


def build(params: Params, *, seed: int) -> Callable[[NDArray[np.uint8]], raw.Frame]:
    """Return the camera; its noise depends on the seed and the picture's content alone."""
    level, numbers = params.black_level, params.color_matrix
    blacks = (level, level, level, level)
    rows = (numbers[:3], numbers[3:6], numbers[6:])
    sensor = maths.Sensor("simulated", params.pattern, blacks, params.white_level, rows, params.full_well, params.read_noise)
    neutral = maths.neutral(sensor, params.light)
    gains = (float(neutral[1] / neutral[0]), 1.0, float(neutral[1] / neutral[2]))
    brightest = float((sensor.camera_from_linear_rgb() @ np.array(params.light)).max())
    exposure = sensor.base_iso / params.iso / brightest  # white just fills the brightest colour

    def expose(image: NDArray[np.uint8]) -> raw.Frame:
        rng = seeds.generator(seed, "simulate_raw", images.image_id(image.tobytes()))
        linear = maths.linear_from_srgb(image)
        return raw.Frame(
            mosaic=maths.expose(linear, sensor, params.light, exposure, params.iso, rng),
            pattern=params.pattern,
            black_level=blacks,
            white_level=float(params.white_level),
            camera_gains=gains,  # also (1, 1, 1): in a file it would mean unknown, here it is true
            srgb_from_camera=camera.srgb_from_camera(numbers),
            camera="simulated",
            iso=params.iso,
        )

    return expose
