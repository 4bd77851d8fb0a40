"""Renders a picture back to the noisy mosaic of one fixed camera (Brooks et al. 2019; see ``maths.sensor``)."""

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stages.core import images, raw, seeds
from stages.core import params as core
from stages.maths import calibration, noise
from stages.maths import sensor as maths

_Positive = Annotated[float, Field(gt=0)]


class Params(core.Params):
    """The camera.

    Attributes:
        pattern: its Bayer pattern.
        black_level: in digital numbers.
        white_level: in digital numbers.
        noise: ``own``: of the full well, read noise and ISO stated here; ``none``; or a level of ``maths.noise``, measured
            on real cameras, which stands instead of these three.
        full_well: electrons of a saturated pixel at ISO 100.
        read_noise: standard deviation in electrons.
        iso: sensitivity; noise grows with it.
        undo_tone: undo the tone curve of a finished picture first (``maths.sensor.linear_codes``).
        light: colour of the light in linear sRGB; [1, 1, 1] is D65.
        color_matrix: camera colours from CIE XYZ, nine numbers, as DNG's ColorMatrix for D65.
    """

    pattern: Literal["RGGB", "BGGR", "GRBG", "GBRG"]
    black_level: Annotated[float, Field(ge=0)]
    white_level: Annotated[int, Field(ge=1, le=65535)]
    noise: Literal["own", "none", "darmstadt_low", "darmstadt_middle", "darmstadt_high"]
    full_well: _Positive
    read_noise: Annotated[float, Field(ge=0)]
    iso: Annotated[int, Field(ge=25)]
    undo_tone: bool
    light: tuple[_Positive, _Positive, _Positive]
    color_matrix: tuple[float, float, float, float, float, float, float, float, float]

    @model_validator(mode="after")
    def _light_between(self) -> "Params":
        if self.black_level >= self.white_level:
            raise ValueError(f"black_level {self.black_level:g} is not below white_level {self.white_level:g}")
        return self


def build(params: Params, *, seed: int) -> Callable[[NDArray[np.uint8]], raw.Frame]:
    """Return the camera; its noise depends on the seed and the picture's content alone."""
    sensor = _sensor(params)
    neutral = maths.neutral(sensor, params.light)
    gains = (float(neutral[1] / neutral[0]), 1.0, float(neutral[1] / neutral[2]))
    brightest = float((sensor.camera_from_linear_rgb() @ np.array(params.light)).max())
    exposure = sensor.base_iso / params.iso / brightest  # white just fills the brightest colour
    calibrated = calibration.Calibration((np.array(sensor.color_matrix),), (6504.0,))
    matrix = calibration.srgb_from_camera(calibrated, gains)

    def expose(image: NDArray[np.uint8]) -> raw.Frame:
        drawn = None if params.noise == "none" else seeds.derive(seed, "simulate_raw", images.image_id(image.tobytes()))
        return raw.Frame(
            mosaic=maths.expose(image, sensor, params.light, exposure, params.iso, drawn, undo_tone=params.undo_tone),
            pattern=params.pattern,
            black_level=sensor.black_level,
            white_level=float(params.white_level),
            camera_gains=gains,  # also (1, 1, 1): in a file it would mean unknown, here it is true
            srgb_from_camera=matrix,
            camera="simulated",
            iso=params.iso,
            calibration=calibrated,
        )

    return expose


def _sensor(params: Params) -> maths.Sensor:
    """Return the camera; a measured level of noise gives its electrons and read noise at the ISO that is stated."""
    blacks, numbers = (params.black_level,) * 4, params.color_matrix
    full_well, read, base_iso = params.full_well, params.read_noise, 100
    if params.noise in noise.LEVELS:
        level = noise.LEVELS[params.noise]
        full_well, read, base_iso = 1 / level.shot, level.read**0.5 / level.shot, params.iso
    rows = (numbers[:3], numbers[3:6], numbers[6:])
    return maths.Sensor("simulated", params.pattern, blacks, params.white_level, rows, full_well, read, base_iso)
