"""Semantic segmentation: IoU from one pixel confusion matrix over the data set, absent classes dropped."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import images
from stages.core.dataset import Dataset
from stages.core.display import view
from stages.core.errors import DataError
from stages.core.params import Params as Base
from stages.maths import confusion
from stages.maths.measures import Measure, average, estimate, from_confusions, proportion
from stages.maths.segmentation_counts import pixel_confusion
from stages.parts.evaluators import BEST, Mistake, Prediction, _gallery, _plots

TABLE = "confusions.npz"
MASKS = "masks"
HEADLINE = ("miou", "picture_iou", "pixel_accuracy")


class Params(Base):
    """Nothing to choose."""


def build(params: Params, data: Dataset, folder: Path) -> "Segment":
    """Return the evaluator of the pictures that have a mask."""
    del params
    rows = data.manifest[data.manifest["mask"].notna()].reset_index(drop=True)
    return Segment(replace(data, manifest=rows), folder)


@dataclass
class Segment:
    """Judges index masks; see ``evaluators.Evaluator``.

    ``confusions.npz`` holds ``image_id`` (N,) and ``counts`` (N, K, K), ``masks/`` the predicted index PNG of each picture.
    """

    data: Dataset
    folder: Path
    models: Sequence[str] = (BEST,)
    legend: str = "Each: the picture, the truth, the prediction."
    found: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, model: str, predictions: Sequence[Prediction]) -> None:
        """Take ``mask`` (H, W) of the next pictures and write it."""
        del model
        for prediction in predictions:
            row = self.data.manifest.iloc[len(self.found)]
            mask = np.asarray(prediction["mask"], np.uint8)
            images.write_png(self.folder / MASKS / f"{row['image_id']}.png", mask)
            try:
                self.found.append(pixel_confusion(self._truth(len(self.found)), mask, len(self.data.info.mask_classes)))
            except ValueError as error:
                raise DataError(f"{self.data.root / row['mask']}: {error}") from error

    def _truth(self, row: int) -> NDArray[np.uint8]:
        return images.read_mask(self.data.root / self.data.manifest["mask"][row])

    def save(self) -> None:
        """Write ``confusions.npz``."""
        np.savez(self.folder / TABLE, image_id=self.data.manifest["image_id"].to_numpy(str), counts=np.stack(self.found))

    @property
    def colours(self) -> list[tuple[str, tuple[int, int, int]]]:
        """Names of the colours in a drawn picture: the classes."""
        return _gallery.key(self.data.info.mask_classes)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(N, K, K) pixels of each picture."""
        with np.load(self.folder / TABLE) as table:
            return np.asarray(table["counts"])

    def measures(self) -> list[Measure]:
        """Return mIoU and the mean IoU of single pictures, and pixel accuracy and the IoU of each class to be listed."""
        num, classes = self.counts.shape[:2]
        flat = self.counts.reshape(num, -1).astype(np.float64)
        alone = confusion.mean_defined(confusion.intersection_over_union(self.counts))
        pixels, right = flat.sum(1), np.trace(self.counts, axis1=1, axis2=2).astype(np.float64)
        found = [
            from_confusions("miou", "mIoU", "pixels", flat, classes, confusion.intersection_over_union),
            average("picture_iou", "picture IoU", alone),
            proportion("pixel_accuracy", "pixel accuracy", "pixels", right, pixels, judged=False),
        ]
        for index, name in enumerate(self.data.info.mask_classes):
            hit = self.counts[:, index, index].astype(np.float64)
            union = self.counts[:, index].sum(1) + self.counts[:, :, index].sum(1) - hit
            found.append(proportion(f"iou/{name}", f"IoU of {name}", "pixels", hit, union, judged=False))
        return found

    def figures(self, weights: NDArray[np.float64]) -> dict[str, Any]:
        """Return headline figures and each class."""
        everything = np.ones(len(self.counts), bool)
        content: dict[str, Any] = {
            m.name: estimate(m, everything, weights, percentile=True).content()
            for m in self.measures()
            if m.name in HEADLINE
        }
        total = self.counts.sum(0)
        table = zip(confusion.intersection_over_union(total), total.sum(1), strict=True)
        content["per_class"] = {
            name: {"iou": iou, "n": int(n)} for name, (iou, n) in zip(self.data.info.mask_classes, table, strict=True)
        }
        return content

    def plots(self) -> None:
        """Draw the pixel confusion matrix and the IoU of each class."""
        total = self.counts.sum(0)
        _plots.confusion(self.folder, total, self.data.info.mask_classes)
        _plots.bars(self.folder, self.data.info.mask_classes, confusion.intersection_over_union(total).tolist())

    def mistakes(self) -> list[Mistake]:
        """Return the pictures with a wrong pixel, lowest IoU first."""
        each = confusion.intersection_over_union(self.counts)
        found = []
        for row, (mean, ious) in enumerate(zip(confusion.mean_defined(each), each, strict=True)):
            if mean < 1:
                worst = int(np.nanargmin(ious))
                caption = f"IoU {mean:.2f}; worst: {self.data.info.mask_classes[worst]} ({ious[worst]:.2f})"
                found.append(Mistake(row, float(1 - mean), caption))
        return sorted(found, key=lambda m: (-m.badness, m.row))

    def draw(self, mistake: Mistake) -> NDArray[np.uint8]:
        """Return picture, truth and prediction side by side."""
        row = self.data.manifest.iloc[mistake.row]
        image = view(self.data.info.pixels, self.data.root / row["path"])
        said = images.read_mask(self.folder / MASKS / f"{row['image_id']}.png")
        truth = self._truth(mistake.row)
        said = np.where(truth == images.IGNORE, truth, said)  # padding, and what the annotators left open
        return _gallery.side_by_side([image, _gallery.painted(truth, image), _gallery.painted(said, image)])
