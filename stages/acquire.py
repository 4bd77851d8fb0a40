"""Brings pictures and their annotations in from one source, through one gate, into the data contract.

Enters: the user's files at ``path`` (``scenes`` and ``torchvision`` bring their own). Leaves: ``data/acquired`` with the files as
they came, ``manifest.parquet``, ``annotations.json``, index masks and ``gate.json``. Chooses: the source.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from stages.core import artefacts, dataset, files, images, params
from stages.core.items import Item, Source
from stages.core.params import Part
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record


class Params(params.Params):
    """What is acquired."""

    source: Annotated[str, Part("sources")]
    path: str
    name: str = "scenes"


def run(job: Job[Params]) -> Iterator[Record]:
    """Acquire the data set."""
    source: Source = job.part("sources").build(path=Path(job.params.path), seed=job.seed)
    rows: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    with files.atomic(artefacts.ACQUIRED) as root:
        (root / "images").mkdir(parents=True)
        for done, item in enumerate(source, 1):
            row, found = _store(root, item, source)
            rows.append(row)
            marks.extend(found)
            if done % 100 == 0:
                yield Progress(done, len(source), "pictures")
        info = dataset.Info(job.params.name, job.part("sources").name, source.labels, source.categories, source.mask_classes)
        dataset.write(root, info, pd.DataFrame(rows), marks)
        files.write_json(root / "gate.json", {"findings": []})
    files.write_json(artefacts.ACQUIRE_METRICS, {"num_images": len(rows), "num_objects": len(marks)})
    yield Metrics({"num_images": len(rows), "num_objects": len(marks)})


def _store(root: Path, item: Item, source: Source) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    import io
    import rawpy
    content = item.load()
    name = images.image_id(content)
    path = f"images/{name}{item.suffix}"
    (root / path).write_bytes(content)
    with rawpy.imread(io.BytesIO(content)) as raw:
        height, width = raw.raw_image_visible.shape
    mask = None
    if item.load_mask is not None:
        mask = f"masks/{name}.png"
        images.write_png(root / mask, item.load_mask())
    row = {"image_id": name, "path": path, "width": width, "height": height, "split": item.split, "label": item.label,
           "source": item.name, "mask": mask, **item.groups}
    found = [{"image_id": name, "category_id": source.categories.index(m.category) + 1, "bbox": list(m.bbox), "area": _area(m),
              "segmentation": m.segmentation} for m in item.marks]
    return row, found


def _area(mark):
    from pycocotools import mask as coco
    return float(coco.area({**mark.segmentation, "counts": mark.segmentation["counts"].encode()}))
