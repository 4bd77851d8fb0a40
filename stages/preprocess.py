"""Develops camera files and brings every picture and its annotations to one size.

In: ``data/acquired``. Out: ``data/preprocessed`` (PNG of the kind that ``output`` says, annotations following exactly,
``recipe.json``, and ``report.json``: what was left out and why) and ``data/metrics/preprocess.json``. Choices: the white
balance, the demosaicer, the way to size, and what the models see: sRGB, linear light or the mosaic itself.

A camera file goes through the chain of ``parts.cameras._development`` (order and reasons there), is turned upright, and only
then brought
to size. An ordinary picture goes straight to size, or first through a simulated camera when ``simulate_raw`` is on, so that
a model can be trained on, or tested with, what such a camera would have made of it. Sizing works on sRGB, as viewers and
training libraries do, or on the linear light of the other outputs, which is clipped at white before and at black after, so
that a dark mean stays true. ``prepare`` converts one picture: this stage and a registered model call the same function.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stages.core import artefacts, dataset, files, images, pixels, raw
from stages.core import params as core
from stages.core.errors import DataError, ParamsError
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record
from stages.maths import calibration, geometry, packed, sensor, tiling
from stages.parts.cameras import _measured, _tone, simulated
from stages.parts.cameras import _report as camera_report
from stages.parts.cameras._development import Development, develop
from stages.parts.cameras._measured import Measured
from stages.parts.cameras._prepared import CELLS, Prepared, sized

_NUM_THREADS = 4  # each holds one picture, so memory stays bounded
_PROGRESS_STEP = 100
_Positive = Annotated[float, Field(gt=0)]
_Byte = Annotated[int, Field(ge=0, le=255)]
_Matrix = tuple[float, float, float, float, float, float, float, float, float]


class Params(core.Params):
    """How pictures are made.

    Attributes:
        output: what the models see: ``srgb`` (8 bit), ``linear_rgb`` or ``packed_raw`` (16 bit); see ``core.pixels``.
        demosaicer: a part of ``demosaicers``.
        demosaic_domain: what the demosaicer sees: ``linear`` light or its ``square_root``; measured in ``docs/camera.md``.
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
    params = section.values  # noqa: PD011 - no pandas here
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
        image = packed.edge_to_edge(image, source.mosaic.shape, source.quarter_turns)
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
    params, choices = section.values, section.choices  # noqa: PD011 - no pandas here
    if params.pattern is not None:
        frame = replace(frame, pattern=params.pattern)
    if params.black_level is not None:
        frame = replace(frame, black_level=(params.black_level,) * 4)
    if params.white_level is not None:
        frame = replace(frame, white_level=params.white_level)
    if params.color_matrix is not None:
        stated = calibration.daylight(params.color_matrix)
        frame = replace(frame, srgb_from_camera=calibration.srgb_from_camera(stated, None), calibration=stated)
    demosaicer = choices["demosaicers"].build()
    return develop(
        frame,
        balance=choices["white_balances"].build(),
        demosaicer=tiling.in_square_root(demosaicer) if params.demosaic_domain == "square_root" else demosaicer,
        tone=params.tone,
        output=params.output,
        num_threads=num_threads,
    )


@dataclass(frozen=True)
class Converted:
    """A picture that was written: its manifest row, its annotations, and how many became smaller than a pixel.

    ``moments`` are those of its pixels beside the padding, where means are to be measured on it.
    """

    row: dict[str, Any]
    marks: tuple[dict[str, Any], ...]
    num_vanished: int
    taken: Measured | None
    moments: pixels.Moments | None = None


@dataclass(frozen=True)
class Failure:
    """A picture that could not be converted, and why."""

    image_id: str
    source: str
    reason: str


def run(job: Job[Params]) -> Iterator[Record]:
    """Convert the data set; see the module's head."""
    acquired = dataset.read(artefacts.ACQUIRED)
    recipe = {"seed": job.seed, "preprocess": _recipe(job)}
    done: list[Converted | Failure] = []
    with files.atomic(artefacts.PREPROCESSED) as folder:
        (folder / "images").mkdir(parents=True)
        for item in _converted(acquired, folder, recipe):
            done.append(item)
            if isinstance(item, Failure) and job.params.on_error == "refuse":
                raise DataError(f"{item.reason}; leave such files out with preprocess.on_error: skip (params.yaml)")
            if len(done) % _PROGRESS_STEP == 0 or len(done) == len(acquired.manifest):
                yield Progress(len(done), len(acquired.manifest), "pictures prepared")
        good = [item for item in done if isinstance(item, Converted)]
        bad = [item for item in done if isinstance(item, Failure)]
        if not good:
            raise DataError(
                f"no picture of {artefacts.ACQUIRED} could be prepared; the first: {bad[0].reason if bad else 'none there'}"
            )
        held = pixels.measured(job.params.output, (item.moments for item in good if item.moments))
        dataset.write(
            folder, replace(acquired.info, pixels=held), _manifest(good), [mark for item in good for mark in item.marks]
        )
        files.write_json(folder / "recipe.json", recipe)
        files.write_json(folder / "report.json", _report(good, bad))
    taken = [item.taken for item in good if item.taken]
    shown = camera_report.save(
        artefacts.CAMERA_REPORT, taken, acquired.info.name, job.params.demosaicer, [item.reason for item in bad]
    )
    values = _summary(good, bad) | shown
    files.write_json(artefacts.PREPROCESS_METRICS, values)
    yield from _told(good, bad)
    yield Keep(artefacts.PREPROCESSED / "report.json", "preprocess")
    yield Keep(artefacts.CAMERA_REPORT, "camera_report")
    yield Metrics({name: value for name, value in values.items() if value is not None})


def _converted(acquired: dataset.Dataset, folder: Path, recipe: dict[str, Any]) -> Iterator["Converted | Failure"]:
    """Convert all pictures in the manifest's order, some at a time."""
    marks = acquired.annotations()
    rows = acquired.manifest.to_dict("records")
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        try:
            yield from pool.map(
                lambda row, shown: _convert(row, marks[row["image_id"]], acquired.root, folder, recipe, shown=shown),
                rows,
                camera_report.chosen(len(rows)),
            )
        finally:
            pool.shutdown(cancel_futures=True)


def _convert(  # noqa: PLR0913 - one picture's whole way
    row: dict[str, Any], marks: list[dict[str, Any]], source: Path, folder: Path, recipe: dict[str, Any], *, shown: bool
) -> "Converted | Failure":
    """Convert one picture, its mask and its annotations, and write both pictures."""
    try:
        prepared = prepare(recipe, source / row["path"])
        at = prepared.placement
        mask = images.read_mask(source / row["mask"]) if isinstance(row["mask"], str) else None
        _check_sizes(row, at, mask, has_marks=bool(marks))
    except DataError as error:
        return Failure(row["image_id"], str(row["source"]), str(error))
    path = f"images/{row['image_id']}.png"
    images.write_png(folder / path, prepared.image)
    new = {**row, "path": path, "width": at.canvas_width, "height": at.canvas_height}
    new |= {"original_width": at.width, "original_height": at.height}
    if mask is not None:
        new["mask"] = f"masks/{row['image_id']}.png"
        images.write_png(folder / new["mask"], geometry.place_mask(mask, at, images.IGNORE))
    placed = [{**geometry.place_annotation(mark, at), "image_id": row["image_id"]} for mark in marks]
    kept = tuple(mark for mark in placed if mark["area"] > 0)
    taken = _measured.measure_row(prepared, row, thumbnail=shown)
    learnt = row["split"] == "train" and prepared.image.dtype != np.uint8
    moments = pixels.moments(geometry.inside(prepared.image, at)) if learnt else None
    return Converted(new | _measured.columns(taken), kept, len(placed) - len(kept), taken, moments)


def _check_sizes(row: dict[str, Any], at: geometry.Placement, mask: NDArray[np.uint8] | None, *, has_marks: bool) -> None:
    """Refuse annotations that were made for another size than the picture has."""
    size = (at.width, at.height)
    if mask is not None and mask.shape[::-1] != size:
        raise DataError(
            f"{row['mask']} is {mask.shape[1]} x {mask.shape[0]}, its picture {row['source']} {at.width} x {at.height}"
        )
    if has_marks and (row["width"], row["height"]) != size:
        stated = f"{row['width']} x {row['height']}"
        raise DataError(f"{row['source']} is {at.width} x {at.height}, its annotations were made for {stated}")


def _manifest(good: list["Converted"]) -> pd.DataFrame:
    rows = pd.DataFrame([item.row for item in good])
    if all(item.taken is None for item in good):
        return rows.drop(columns=[*dataset.CAMERA_COLUMNS, "white_balance_stated"])
    return rows.astype({"iso": "Int64", "white_level": "Float64"})


def _report(good: list["Converted"], bad: list["Failure"]) -> dict[str, Any]:
    """List what was left out, what vanished, and whose white balance had to be estimated."""
    return {
        "left_out": [asdict(item) for item in bad],
        "annotations_vanished": {item.row["source"]: item.num_vanished for item in good if item.num_vanished},
        "without_white_balance": _sources(good, lambda done: done.without_gains),
        "without_color_matrix": _sources(good, lambda done: not done.matrix_known),
        "suspicions": {
            str(item.row["source"]): list(item.taken.suspicions) for item in good if item.taken and item.taken.suspicions
        },
    }


def _sources(good: list["Converted"], is_meant: Callable[[Measured], bool]) -> list[str]:
    """Name the camera files whose development is meant."""
    return sorted(str(item.row["source"]) for item in good if item.taken and is_meant(item.taken))


def _summary(good: list["Converted"], bad: list["Failure"]) -> dict[str, float | None]:
    developed = [item.taken for item in good if item.taken]
    return {
        "num_pictures": len(good),
        "num_left_out": len(bad),
        "num_camera_files": len(developed),
        "num_without_white_balance": sum(d.without_gains for d in developed),
        "num_annotations": sum(len(item.marks) for item in good),
        "num_annotations_vanished": sum(item.num_vanished for item in good),
        "mean_clipped_share": float(np.mean([d.clipped_share for d in developed])) if developed else None,
    }


def _told(good: list["Converted"], bad: list["Failure"]) -> Iterator[Note]:
    """Say in words what a user should look at."""
    for item in bad:
        yield Note(f"left out: {item.reason}")
    without = [item for item in good if item.taken and item.taken.without_gains]
    if without:
        yield Note(f"{len(without)} camera files state no white balance of their own (report.json)")
    for made in good:
        for line in made.taken.suspicions if made.taken else ():
            yield Note(f"{made.row['source']}: {line}; state what is right (params.yaml: preprocess)")
    if lost := sum(item.num_vanished for item in good):
        yield Note(f"{lost} annotations became smaller than a pixel and were left out (report.json)")


def _recipe(job: Job[Params]) -> dict[str, Any]:
    """Return the stage's section as ``params.yaml`` would hold it, the chosen parts' values beside their names."""
    parts = {choice.name: choice.params.model_dump(mode="json") for choice in job.choices.values()}
    return {**job.params.model_dump(mode="json"), **parts}
