"""Develops camera files and brings every picture and its annotations to one size.

In: ``data/acquired``. Out: ``data/preprocessed`` (PNG of the kind that ``output`` says, annotations following exactly,
``recipe.json``, and ``report.json``: what was left out and why) and ``data/metrics/preprocess.json``. Choices: the white
balance, the demosaicer, the way to size, and what the models see: sRGB, linear light or the mosaic itself.

``prepare`` converts one picture: this stage and a registered model call the same function (``parts.cameras._preparation``).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.core import artefacts, dataset, files, images, pixels
from stages.core.errors import DataError
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record
from stages.maths import geometry
from stages.parts.cameras import _measured
from stages.parts.cameras import _report as camera_report
from stages.parts.cameras._measured import Measured
from stages.parts.cameras._preparation import Params, prepare

__all__ = ["Params", "prepare", "run"]

_NUM_THREADS = 4  # each holds one picture, so memory stays bounded
_PROGRESS_STEP = 100


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
    yield Keep(artefacts.CAMERA_REPORT)
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
