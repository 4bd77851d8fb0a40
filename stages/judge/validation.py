"""The figures that choose the best epoch, on the validation split.

They are read from the same rows as those of ``evaluate``, every weight 1. All detections that a head gives count here (it
has a ``max_detections`` of its own), and average precision is COCO's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import placements
from stages.core.dataset import Dataset
from stages.judge import average_precision as ap
from stages.judge import classes, detection_rows, detections, labels, objects, regions
from stages.judge.confusion import mean_defined
from stages.maths.geometry import Placement

WATCH = {"classify": "val/accuracy", "detect": "val/map50", "instance": "val/mask_map50", "segment": "val/miou"}
Prediction = Mapping[str, NDArray[Any]]
Marks = Sequence[Mapping[str, Any]]
Row = labels.Row | objects.Row | regions.Row


@dataclass
class Validation:
    """Takes a task's answers picture by picture; keeps rows, no pixels.

    Attributes:
        task: ``classify``, ``detect``, ``instance`` or ``segment``.
        num_classes: as the head counts them.
        rows: what was observed so far.
    """

    task: str
    num_classes: int
    rows: list[Any] = field(default_factory=list)

    def label(self, truth: int, answer: Prediction, name: str) -> None:
        """Take the answer for the picture of that name, ``scores`` (K,), and the index of its class."""
        self.rows.append(labels.observe(truth, answer, name))

    def mask(self, truth: NDArray[Any], answer: Prediction, name: str) -> None:
        """Take the answer for the picture of that name, ``mask`` (H, W), and its mask (H, W), 255 = ignore."""
        self.rows.append(regions.observe(truth, regions.answer(answer, name), self.num_classes))

    def marks(self, truth: Marks, answer: Prediction, at: Placement, name: str) -> None:
        """Take a picture's detections and its annotations, crowds and difficult objects among them.

        Args:
            truth: COCO annotations in the pixels of the prepared picture.
            answer: see ``docs/data.md``.
            at: where the user's picture lies in the prepared one.
            name: of the picture.
        """
        masks = self.task == "instance"
        rule = objects.Rule(0.0, None, masks=masks)
        seen = detections.truth(truth, at, masks=masks), detections.answer(answer, at, name, masks=masks)
        self.rows.append(objects.observe(*seen, rule, self.num_classes))

    def figures(self) -> dict[str, float]:
        """Return the task's figures by name, NaN where undefined; that of ``WATCH`` chooses the best epoch."""
        if self.task == "classify":
            held = labels.counts([row.truth for row in self.rows], [row.said for row in self.rows], self.num_classes)
            return {WATCH[self.task]: float(classes.share(*held.under(self._ones()))[0, 0])}
        if self.task == "segment":
            pixels = regions.gather(self.rows, self.num_classes).by_class()
            return {WATCH[self.task]: float(mean_defined(classes.iou(*pixels.under(self._ones())))[0])}
        rows = detection_rows.gather(self.rows, self.num_classes)
        if self.task == "detect":
            return {"val/map50": self._map50(detection_rows.tables(rows))}
        boxes, masks = detection_rows.tables(rows, boxes=True), detection_rows.tables(rows)
        return {"val/map50": self._map50(boxes), "val/mask_map50": self._map50(masks)}

    def _ones(self) -> NDArray[np.float64]:
        return np.ones((1, len(self.rows)))

    def _map50(self, tables: list[ap.Matches]) -> float:
        each = [ap.average_precision(table, self._ones(), slice(0, 1))[0, 0] for table in tables]
        return float(mean_defined(np.array(each)))


class Truths:
    """The annotations of a split by place, with the placement of each picture.

    Args:
        data: the split.
    """

    def __init__(self, data: Dataset) -> None:
        self._marks = data.annotations()
        self._names: list[str] = data.manifest["image_id"].tolist()
        self._placements = placements.of(data)

    def __getitem__(self, index: int) -> tuple[Marks, Placement]:
        """Return a picture's annotations and its placement."""
        return self._marks[self._names[index]], self._placements[index]
