"""Contact sheets of an augmented data set, one per task: originals, their copies, and what the training will see."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import dataset, images
from stages.core.display import viewable
from stages.core.pixels import Pixels
from stages.core.policy import Policy, Sample
from stages.core.seeds import derive
from stages.maths import drawing, rle

_TILE_PX = 256
_NUM_COPIES = 2
_NUM_ONLINE = 2
Draw = Callable[[NDArray[np.uint8], Sample, int, dataset.Info], None]


def write(folder: Path, online: Policy, seed: int, num_pictures: int) -> None:
    """Write ``sheets/<task>.png`` for each task that the data set has the truth for.

    Args:
        folder: the augmented data set, complete.
        online: the policy of the training.
        seed: of the online views shown.
        num_pictures: originals on each sheet, taken evenly from the manifest.
    """
    data = dataset.read(folder)
    marks = data.annotations()
    rows: dict[str, dict[Any, Any]] = {row["image_id"]: row for row in data.manifest.to_dict("records")}
    origins = [name for name, row in rows.items() if row["origin"] == name]
    chosen = [origins[i] for i in np.unique(np.linspace(0, len(origins) - 1, num_pictures).round().astype(int))]
    (folder / "sheets").mkdir()
    for task, draw in _tasks(data).items():
        lines = []
        for name in chosen:
            copies = [c for c in (f"{name}-{n + 1}" for n in range(_NUM_COPIES)) if c in rows]
            shown = {c: _sample(folder, data.info.pixels, rows[c], marks[c]) for c in (name, *copies)}
            views = [online(shown[name], derive(seed, "sheet", name, n)) for n in range(_NUM_ONLINE)] if online else []
            titles = [_title(rows[name]), *(f"copy {n + 1}" for n in range(len(copies))), *["online"] * len(views)]
            lines.append([_tile(s, t, draw, data.info) for s, t in zip([*shown.values(), *views], titles, strict=True)])
        images.write_png(folder / "sheets" / f"{task}.png", drawing.grid(lines))


def _title(row: dict[Any, Any]) -> str:
    return f"{row['label']} " if isinstance(row["label"], str) else "original"


def _tasks(data: dataset.Dataset) -> dict[str, Draw]:
    """Say which tasks the data set has the truth for and how it is drawn."""
    found: dict[str, Draw] = {}
    if data.info.labels:
        found["classify"] = _draw_nothing
    if data.info.categories:
        found["detect"] = _draw_boxes
    if data.info.mask_classes:
        found["segment"] = _draw_mask
    if any(mark.get("segmentation") for mark in data.coco["annotations"]):
        found["instance"] = _draw_instances
    return found


def _sample(folder: Path, pixels: Pixels, row: dict[Any, Any], marks: list[dict[str, Any]]) -> Sample:
    """Read a picture with all its truth."""
    image = pixels.read(folder / row["path"])
    boxes = np.array([mark["bbox"] for mark in marks], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    masks = np.zeros((len(marks), *image.shape[:2]), np.uint8)
    for index, mark in enumerate(marks):
        if mark.get("segmentation"):
            masks[index] = rle.decode(mark["segmentation"], *image.shape[:2])
    drawn = bool(masks.any(axis=(1, 2)).all()) if len(marks) else False
    mask = images.read_mask(folder / row["mask"]) if isinstance(row["mask"], str) else None
    return Sample(image, boxes, np.array([m["category_id"] for m in marks], np.int64), masks if drawn else None, mask)


def _tile(sample: Sample, title: str, draw: Draw, info: dataset.Info) -> NDArray[np.uint8]:
    factor = max(1, _TILE_PX // max(sample.image.shape[:2]))
    image = drawing.enlarge(viewable(sample.image), factor)
    draw(image, sample, factor, info)
    drawing.draw_text(image, title, 4, image.shape[0] - 6)
    return image


def _draw_nothing(image: NDArray[np.uint8], sample: Sample, factor: int, info: dataset.Info) -> None:
    """Draw nothing: the label stands in the title."""


def _draw_boxes(image: NDArray[np.uint8], sample: Sample, factor: int, info: dataset.Info) -> None:
    for box, label in zip(sample.boxes * factor, sample.labels, strict=True):
        name = info.categories[label - 1] if len(info.categories) > 1 else ""
        drawing.draw_box(image, box.tolist(), name, drawing.color(int(label)))


def _draw_mask(image: NDArray[np.uint8], sample: Sample, factor: int, info: dataset.Info) -> None:
    if sample.mask is None:
        return
    mask = drawing.enlarge(sample.mask, factor)
    for index in range(1, len(info.mask_classes)):
        drawing.draw_mask(image, mask == index, drawing.color(index))
    image[mask == images.IGNORE] //= 2


def _draw_instances(image: NDArray[np.uint8], sample: Sample, factor: int, info: dataset.Info) -> None:
    if sample.masks is None:
        return
    for index, (mask, label) in enumerate(zip(sample.masks, sample.labels, strict=True)):
        drawing.draw_mask(image, drawing.enlarge(mask, factor).astype(np.bool_), drawing.color(index))
        if len(info.categories) == 1:
            continue  # a name that stands on everything hides more than it says
        left, top, *_ = (sample.boxes[index] * factor).round().astype(int).tolist()
        drawing.draw_text(image, info.categories[label - 1], left + 3, max(12, top + 12))
