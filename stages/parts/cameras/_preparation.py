"""Prepares one picture as the models see it: developed if it is a camera file, brought to size.

The stage and a registered model call the same function.

A camera file goes through the chain of ``_development`` (order and reasons there), is turned upright, and only then brought
to size. An ordinary picture goes straight to size, or first through a simulated camera when ``simulate_raw`` is on, so that
a model can be trained on, or tested with, what such a camera would have made of it. Sizing works on sRGB, as viewers and
training libraries do, or on the linear light of the other outputs, which is clipped at white before and at black after, so
that a dark mean stays true.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stages.core import params as core
from stages.core import pixels, raw
from stages.core.errors import DataError, ParamsError
from stages.maths import calibration, geometry, packed, sensor, tiling
from stages.parts.cameras import _tone, simulated
from stages.parts.cameras._development import Development, develop
from stages.parts.cameras._prepared import CELLS, Prepared, sized

_Positive = Annotated[float, Field(gt=0)]
_Byte = Annotated[int, Field(ge=0, le=255)]
_Matrix = tuple[float, float, float, float, float, float, float, float, float]


class Params(core.Params):
    """How pictures are made.

    Attributes:
        output: what the models see: ``srgb`` (8 bit), ``linear_rgb`` or ``packed_raw`` (16 bit); see ``core.pixels``.
        demosaicer: a part of ``demosaicers``.
        demosaic_domain: what the demosaicer sees: the light's ``square_root``, or ``linear`` light; see ``docs/camera.md``.
        white_balance: a part of ``white_balances``.
        pattern: instead of the file's, for files that lie; null trusts the file.
        black_level: instead of the file's, in digital numbers; null trusts the file.
        white_level: instead of the file's, in digital numbers; null trusts the file.
        color_matrix: instead of the file's: camera colours from CIE XYZ, nine numbers; null trusts the file.
        tone: what is done to tones and details of camera files, after their colours are right.
        simulate_raw: render ordinary pictures back to a mosaic and develop that.
        simulation: the camera for it.
        fit: ``stretch`` to the square, ``letterbox`` into it, or ``none``.
        size_px: side of the square; null keeps the size.
        pad_value: grey of the letterbox's padding, 0 to 255.
        on_error: ``refuse`` stops at a picture that cannot be converted, ``skip`` leaves it out and lists it.
    """

    output: pixels.Output
    demosaicer: Annotated[str, core.Part("demosaicers")]
    demosaic_domain: Literal["linear", "square_root"]
    white_balance: Annotated[str, core.Part("white_balances")]
    pattern: Literal["RGGB", "BGGR", "GRBG", "GBRG"] | None
    black_level: Annotated[float, Field(ge=0)] | None
    white_level: _Positive | None
    color_matrix: _Matrix | None
    tone: _tone.Params
    simulate_raw: bool
    simulation: simulated.Params
    fit: geometry.Fit
    size_px: Annotated[int, Field(ge=8, le=8192)] | None
    pad_value: _Byte
    on_error: Literal["refuse", "skip"]

    @model_validator(mode="after")
    def _size_for_fit(self) -> "Params":
        if (self.fit == "none") != (self.size_px is None):
            raise ValueError(
                f"fit {self.fit} does not go with size_px {self.size_px}; fit none and size_px null go together"
            )
        return self

    @model_validator(mode="after")
    def _light_between(self) -> "Params":
        if self.black_level is not None and self.white_level is not None and self.black_level >= self.white_level:
            raise ValueError(f"black_level {self.black_level:g} is not below white_level {self.white_level:g}")
        return self

    @model_validator(mode="after")
    def _tone_for_output(self) -> "Params":
        chosen = [f"{name} {value:g}" for name, value in self.tone.model_dump().items() if value]
        if self.output == "packed_raw" and chosen:
            raise ValueError(f"tone.{chosen[0]} does not go with output packed_raw, the sensor's own numbers; set it to 0")
        return self


def prepare(
    recipe: Mapping[str, Any], picture: Path | bytes | NDArray[Any] | raw.Frame, *, num_threads: int = 1
) -> Prepared:
    """Convert one picture as the recipe says.

    Args:
        recipe: the content of ``recipe.json``.
        picture: a file, its content, (H, W, 3) or (H, W) uint8 srgb, or a camera file that was read already.
        num_threads: threads that share a camera file's tiles.

    Raises:
        DataError: the picture cannot be read; a path is named.
        ParamsError: the recipe is wrong.
    """
    seed, section = _section(json.dumps(recipe, sort_keys=True))
    params = section.values
    source = truth = picture if isinstance(picture, raw.Frame) else raw.read_any(picture)
    if not isinstance(source, raw.Frame) and params.simulate_raw:
        source = simulated.build(params.simulation, seed=seed)(source)
    name = f"{picture}: " if isinstance(picture, Path) else ""
    if not isinstance(source, raw.Frame):
        return _ordinary(source, params, name)
    try:
        done = _develop(source, section, num_threads)
    except ValueError as error:
        raise DataError(f"{name}{error}; state what is right (params.yaml: preprocess)") from error
    image = done.image
    if params.output == "packed_raw":
        image = packed.edge_to_edge(image, source.mosaic.shape, source.orientation)
    placed = _placed(image, source.size[::-1], params, done)
    return replace(placed, truth=None if isinstance(truth, raw.Frame) else truth)


def _ordinary(image: NDArray[np.uint8], values: Params, name: str) -> Prepared:
    """Bring a picture that no camera file is to size."""
    if values.output == "packed_raw":
        text = f"{name}this is no camera file, and packed_raw needs a mosaic: set preprocess.simulate_raw: true to make one"
        raise DataError(f"{text}, or preprocess.output: linear_rgb (params.yaml)")
    light = image if values.output == "srgb" else sensor.linear_from_srgb(image).astype(np.float32)
    return _placed(light, image.shape[:2], values, None)


def _placed(image: NDArray[Any], shape: tuple[int, ...], values: Params, done: Development | None) -> Prepared:
    at = geometry.place(shape[1], shape[0], values.fit, values.size_px, CELLS[values.output])
    return Prepared(sized(image, at, values.output, values.pad_value), at, done)


@lru_cache(maxsize=8)
def _section(recipe: str) -> tuple[int, core.Section[Params]]:
    content = json.loads(recipe)
    try:
        return int(content["seed"]), core.section(Params, content["preprocess"], "preprocess")
    except KeyError as error:
        raise ParamsError(f"the recipe lacks {error}; expected seed and preprocess (recipe.json)") from error


def _develop(frame: raw.Frame, section: core.Section[Params], num_threads: int) -> Development:
    """Run the camera chain with the parts chosen and the file's levels, or those stated instead."""
    params, choices = section.values, section.choices
    if params.pattern is not None:
        frame = replace(frame, pattern=params.pattern)
    if params.black_level is not None:
        frame = replace(frame, black_level=(params.black_level,) * 4)
    if params.white_level is not None:
        frame = replace(frame, white_level=params.white_level)
    if params.color_matrix is not None:
        stated = calibration.daylight(params.color_matrix)
        frame = replace(frame, srgb_from_camera=calibration.srgb_from_camera(stated, None), calibration=stated)
    return develop(
        frame,
        balance=choices["white_balances"].build(),
        demosaicer=tiling.DOMAINS[params.demosaic_domain](choices["demosaicers"].build()),
        tone=params.tone,
        output=params.output,
        num_threads=num_threads,
    )
