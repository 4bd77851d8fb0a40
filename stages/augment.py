"""Copies and changes the training pictures as the policy says, and writes the policy down for the training.

In: ``data/preprocessed``, the training split alone. Out: ``data/augmented`` (originals, copies, ``policy.json``,
``report.json``, contact sheets under ``sheets/``) and ``data/metrics/augment.json``. Choices: two lists of albumentations
transforms, ``offline`` for the copies and ``online`` for each epoch of the training; how many copies, and whether they even
out labels and groups.

A copy depends on the seed, the original's ``image_id`` and its number alone. What a transform pushed out of the picture is
dropped and counted, by class and by the transforms that were drawn.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from stages.core import artefacts, dataset, files, images
from stages.core import params as core
from stages.core.errors import DataError, ParamsError, nearest
from stages.core.pixels import Pixels
from stages.core.policy import Policy, Sample, load_online, probe, serialise
from stages.core.seeds import derive
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record
from stages.maths import balancing, rle
from stages.parts.sheets import contact

_NUM_THREADS = 2
_PROGRESS_STEP = 100


class Params(core.Params):
    """What is done to the training pictures.

    Attributes:
        copies: copies of each picture, beside the original.
        balance: further copies until all labels, or all cells of label and group, are as many as the largest.
        balance_group: the ``group_*`` column of ``label_x_group``; else null.
        max_copies: the most copies of one picture; a small cell may stay small.
        min_visibility: share of a box, 0 to 1, that must stay in the picture, or it is dropped.
        offline: transforms of the copies: ``{name: class in albumentations, p: probability, ...}``.
        online: transforms applied while training.
        sheet_pictures: pictures on each contact sheet.
    """

    copies: Annotated[int, Field(ge=0, le=100)]
    balance: Literal["none", "label", "label_x_group"]
    balance_group: str | None
    max_copies: Annotated[int, Field(ge=0, le=1000)]
    min_visibility: Annotated[float, Field(ge=0, le=1)]
    offline: tuple[dict[str, Any], ...]
    online: tuple[dict[str, Any], ...]
    sheet_pictures: Annotated[int, Field(ge=1, le=50)]

    @model_validator(mode="after")
    def _agree(self) -> "Params":
        if self.max_copies < self.copies:
            raise ValueError(f"max_copies {self.max_copies} is below copies {self.copies}")
        if (self.balance == "label_x_group") != (self.balance_group is not None):
            raise ValueError(f"balance {self.balance} does not go with balance_group {self.balance_group}")
        if not self.offline and (self.copies or self.balance != "none"):
            raise ValueError(
                "offline is empty, so copies would only repeat; give transforms, or copies: 0 and balance: none"
            )
        return self


@dataclass(frozen=True)
class Made:
    """What became of one original: rows and annotations of itself and its copies, and what the copies lost.

    Attributes:
        rows: manifest rows.
        marks: COCO annotations.
        seen: for each copy the transforms drawn, and the classes of the boxes that went in.
        dropped: likewise, of the boxes that were dropped.
    """

    rows: tuple[dict[str, Any], ...]
    marks: tuple[dict[str, Any], ...]
    seen: tuple[tuple[str, int], ...]
    dropped: tuple[tuple[str, int], ...]


def run(job: Job[Params]) -> Iterator[Record]:
    """Augment the training split; see the module's head."""
    params = job.params
    data = dataset.read(artefacts.PREPROCESSED).subset("train")
    if not len(data.manifest):
        raise DataError(f"{artefacts.PREPROCESSED} has no picture in the split 'train'")
    policy = _policy(params, data)
    cells = _cells(params, data)
    numbers = _numbers(params, cells)
    made: list[Made] = []
    with files.atomic(artefacts.AUGMENTED) as folder:
        (folder / "images").mkdir(parents=True)
        for item in _all_made(data, folder, Policy(policy["offline"]), numbers, job.seed):
            made.append(item)
            if len(made) % _PROGRESS_STEP == 0 or len(made) == len(numbers):
                yield Progress(len(made), len(numbers), "pictures augmented")
        manifest = pd.DataFrame([row for item in made for row in item.rows]).astype(data.manifest.dtypes.to_dict())
        dataset.write(folder, data.info, manifest, [mark for item in made for mark in item.marks])
        files.write_json(folder / "policy.json", policy | {"num_copies": sum(len(item.rows) - 1 for item in made)})
        report = _report(data, made, cells, numbers)
        files.write_json(folder / "report.json", report)
        contact.write(folder, load_online(policy), job.seed, params.sheet_pictures)
    values = _summary(made, report)
    files.write_json(artefacts.AUGMENT_METRICS, values)
    yield Keep(artefacts.AUGMENTED / "sheets", "augment")
    yield Keep(artefacts.AUGMENTED / "report.json", "augment")
    if values["num_boxes_dropped"]:
        lost = f"{values['num_boxes_dropped']} of {values['num_boxes_copied']}"
        yield Note(f"{lost} copied boxes were cut off and dropped (report.json)")
    yield Metrics({name: value for name, value in values.items() if value is not None})


def _policy(params: Params, data: dataset.Dataset) -> dict[str, Any]:
    """Serialise both lists and try each transform once on a picture of the data's size."""
    first = data.manifest.iloc[0]
    policy: dict[str, Any] = {"copies": params.copies, "balance": params.balance}
    for name, entries in (("offline", params.offline), ("online", params.online)):
        policy[name] = serialise(entries, params.min_visibility, f"augment.{name}")
        probe(entries, int(first["height"]), int(first["width"]), f"augment.{name}", data.info.pixels)
    return policy


def _cells(params: Params, data: dataset.Dataset) -> list[tuple[str, ...]]:
    """Return the cell of each training picture that balancing evens out."""
    if params.balance == "none":
        return [("all",)] * len(data.manifest)
    if not data.info.labels:
        raise ParamsError(f"{data.info.name} has no labels to balance; set augment.balance: none (params.yaml)")
    columns = ["label"]
    if params.balance_group is not None:
        if params.balance_group not in data.groups():
            hint = nearest(params.balance_group, data.groups())
            raise ParamsError(
                f"augment.balance_group is '{params.balance_group}'; {hint} (params.yaml: augment.balance_group)"
            )
        columns.append(params.balance_group)
    return [tuple(str(value) for value in row) for row in data.manifest[columns].itertuples(index=False)]


def _numbers(params: Params, cells: list[tuple[str, ...]]) -> list[int]:
    if params.balance == "none":
        return [params.copies] * len(cells)
    return balancing.num_copies(cells, params.copies, params.max_copies)


def _all_made(data: dataset.Dataset, folder: Path, policy: Policy, numbers: list[int], seed: int) -> Iterator[Made]:
    """Treat all pictures in the manifest's order, some at a time."""
    marks = data.annotations()
    rows = data.manifest.to_dict("records")
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        try:
            make = partial(_make, source=data.root, pixels=data.info.pixels, folder=folder, policy=policy, seed=seed)
            yield from pool.map(make, rows, [marks[row["image_id"]] for row in rows], numbers)
        finally:
            pool.shutdown(cancel_futures=True)


def _make(  # noqa: PLR0913 - one picture with all that its copies need
    row: dict[str, Any],
    marks: list[dict[str, Any]],
    number: int,
    *,
    source: Path,
    pixels: Pixels,
    folder: Path,
    policy: Policy,
    seed: int,
) -> Made:
    """Copy one picture as it is and ``number`` times changed."""
    name = row["image_id"]
    for path in (row["path"], row["mask"]):
        if isinstance(path, str):
            (folder / path).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / path, folder / path)
    rows = [{**row, "origin": name}]
    placed = [{**mark, "image_id": name} for mark in marks]
    seen: list[tuple[str, int]] = []
    dropped: list[tuple[str, int]] = []
    sample = _sample(source, pixels, row, marks) if number else None
    for copy in range(1, number + 1):
        assert sample is not None  # noqa: S101 - number is not 0 here
        changed = policy(sample, derive(seed, "augment", name, copy))
        new = f"{name}-{copy}"
        rows.append({**row, "image_id": new, "path": f"images/{new}.png", "origin": name})
        images.write_png(folder / rows[-1]["path"], changed.image)
        if changed.mask is not None:
            rows[-1]["mask"] = f"masks/{new}.png"
            images.write_png(folder / rows[-1]["mask"], changed.mask)
        placed += [_mark(marks[origin], changed, index, new) for index, origin in enumerate(changed.kept)]
        drawn = " + ".join(changed.applied) or "none"
        seen += [(drawn, mark["category_id"]) for mark in marks]
        dropped += [(drawn, marks[i]["category_id"]) for i in set(range(len(marks))) - set(changed.kept.tolist())]
    return Made(tuple(rows), tuple(placed), tuple(seen), tuple(dropped))


def _sample(source: Path, pixels: Pixels, row: dict[str, Any], marks: list[dict[str, Any]]) -> Sample:
    """Read a picture with its truth; an object without a mask of its own stands in by its box where others have one."""
    image = pixels.read(source / row["path"])
    boxes = np.array([mark["bbox"] for mark in marks], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    masks = None
    if any(mark.get("segmentation") for mark in marks):
        height, width = image.shape[:2]
        masks = np.zeros((len(marks), height, width), np.uint8)
        for index, mark in enumerate(marks):
            left, top, right, bottom = boxes[index].round().astype(int)
            masks[index, max(top, 0) : bottom, max(left, 0) : right] = 1
            if mark.get("segmentation"):
                masks[index] = rle.decode(mark["segmentation"], height, width)
    mask = images.read_mask(source / row["mask"]) if isinstance(row["mask"], str) else None
    return Sample(image, boxes, np.array([mark["category_id"] for mark in marks], np.int64), masks, mask)


def _mark(old: dict[str, Any], changed: Sample, index: int, name: str) -> dict[str, Any]:
    """Return the annotation of an object in a copy."""
    left, top, right, bottom = (float(v) for v in changed.boxes[index])
    new = {**old, "image_id": name, "bbox": [round(v, 4) for v in (left, top, right - left, bottom - top)]}
    new["area"] = round(new["bbox"][2] * new["bbox"][3], 4)
    if changed.masks is not None and old.get("segmentation"):
        mask = changed.masks[index].astype(np.bool_)
        new |= {"segmentation": rle.encode(mask), "area": int(mask.sum())}
    return new


def _report(data: dataset.Dataset, made: list[Made], cells: list[tuple[str, ...]], numbers: list[int]) -> dict[str, Any]:
    """Count what was dropped, by class and by transforms, and how the cells grew."""
    seen = Counter(pair for item in made for pair in item.seen)
    dropped = Counter(pair for item in made for pair in item.dropped)
    names = data.info.categories
    before, after = Counter(cells), Counter(cells)
    for cell, number in zip(cells, numbers, strict=True):
        after[cell] += number

    def table(key: Any) -> dict[str, dict[str, int]]:
        out: dict[str, dict[str, int]] = {}
        for counts, column in ((seen, "copied"), (dropped, "dropped")):
            for pair, count in counts.items():
                line = out.setdefault(key(pair), {"copied": 0, "dropped": 0})
                line[column] += count
        return out

    return {
        "boxes_by_class": table(lambda pair: names[pair[1] - 1]),
        "boxes_by_transforms": table(lambda pair: pair[0]),
        "pictures_by_cell": {" x ".join(cell): {"before": before[cell], "after": after[cell]} for cell in before},
    }


def _summary(made: list[Made], report: dict[str, Any]) -> dict[str, float | None]:
    copied, dropped = sum(len(item.seen) for item in made), sum(len(item.dropped) for item in made)
    after = [cell["after"] for cell in report["pictures_by_cell"].values()]
    return {
        "num_originals": len(made),
        "num_copies": sum(len(item.rows) - 1 for item in made),
        "num_boxes_copied": copied,
        "num_boxes_dropped": dropped,
        "share_boxes_dropped": dropped / copied if copied else None,
        "smallest_cell": min(after),
        "largest_cell": max(after),
    }
