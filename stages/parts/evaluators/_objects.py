"""What detect and instance share: objects found, missed, confused, by boxes or by masks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.core import files
from stages.core.dataset import Dataset
from stages.core.display import view
from stages.core.errors import DataError
from stages.maths import average_precision as ap
from stages.maths import detection_matching as matching
from stages.maths import rle
from stages.maths.confusion import mean_defined
from stages.maths.measures import Measure, estimate, proportion
from stages.parts.evaluators import BEST, Mistake, Prediction, _gallery, _plots
from stages.parts.evaluators._found import Found, Mark, Picture, numbers, of_category

TABLE = "predictions.json"
OBJECTS = "objects.parquet"
BACKGROUND = "background"
THRESHOLD = 0.5
CHOSEN = {"map50": slice(0, 1), "map75": slice(5, 6), "map": slice(None)}


@dataclass
class Objects:
    """Judges detections; see ``evaluators.Evaluator``.

    ``predictions.json`` is a COCO results file (``image_id`` as in ``annotations.json``), ``objects.parquet`` has one
    row per object of the test split: ``image_id``, ``category``, ``area``, ``found`` (by a detection of its class at
    ``min_score`` or above, IoU >= 0.5).
    """

    data: Dataset
    folder: Path
    min_score: float
    masks: bool
    models: Sequence[str] = (BEST,)
    legend: str = "Green: what is there; red: what the model said. Names stand at what was missed or wrong."
    colours: Sequence[tuple[str, tuple[int, int, int]]] = ()
    said: list[Mark] = field(default_factory=list)
    num_seen: int = 0

    def __post_init__(self) -> None:
        if not self.data.coco["annotations"]:
            raise DataError(f"the test split of {self.data.root} has no annotated object to judge on")
        if self.masks and not all(mark.get("segmentation") for mark in self.data.coco["annotations"]):
            raise DataError(
                f"{self.data.root}: an annotation of the test split has no segmentation; instance needs one for every object"
            )

    def add(self, model: str, predictions: Sequence[Prediction]) -> None:
        """Take ``boxes``, ``labels``, ``scores`` and, for instances, ``masks`` of the next pictures."""
        del model
        for prediction in predictions:
            number = self._numbers[self.num_seen]
            for index, (x0, y0, x1, y1) in enumerate(np.asarray(prediction["boxes"], np.float64).reshape(-1, 4)):
                mark: Mark = {"image_id": number, "category_id": int(prediction["labels"][index])}
                mark |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "score": float(prediction["scores"][index])}
                if self.masks:
                    mark["segmentation"] = rle.encode(np.asarray(prediction["masks"][index], bool))
                self.said.append(mark)
            self.num_seen += 1

    def save(self) -> None:
        """Write ``predictions.json`` and ``objects.parquet``."""
        files.write_json(self.folder / TABLE, self.said)
        self._objects().to_parquet(self.folder / OBJECTS, index=False)

    @cached_property
    def _numbers(self) -> list[int]:
        return numbers(self.data)

    @cached_property
    def _results(self) -> list[Mark]:
        return list(files.read_json(self.folder / TABLE))

    @cached_property
    def _found(self) -> Found:
        return Found(self.data, self._results, masks=self.masks)

    @cached_property
    def _tables(self) -> list[ap.Matches]:
        return self._found.matches()

    def _objects(self) -> pd.DataFrame:
        """List the objects that are no crowd, and whether each was found."""
        rows = []
        for name, picture in zip(self.data.manifest["image_id"], self._found.pictures, strict=True):
            hit = {g for category in {m["category_id"] for m in picture.truths} for g in self._hit(picture, category)}
            rows += [
                (name, self.data.info.categories[mark["category_id"] - 1], float(mark["area"]), g in hit)
                for g, mark in enumerate(picture.truths)
                if not mark.get("iscrowd", 0)
            ]
        return pd.DataFrame(rows, columns=["image_id", "category", "area", "found"])

    def _hit(self, picture: Picture, category: int) -> list[int]:
        """Return which objects of a category were found, matched as COCO does."""
        truths = of_category(picture.truths, category)
        said = [d for d in of_category(picture.said, category) if picture.said[d]["score"] >= self.min_score]
        said = sorted(said, key=lambda d: -picture.said[d]["score"])[: ap.MAX_DETECTIONS]
        crowd = np.array([bool(picture.truths[g].get("iscrowd", 0)) for g in truths], bool)
        matched = matching.coco_match(picture.chosen(said, truths), crowd, crowd, np.array([THRESHOLD]))
        return [truths[g] for g in matched[0].tolist() if g >= 0]

    def measures(self) -> list[Measure]:
        """Return mAP50 and recall, and mAP, mAP75 and the AP50 of each class to be listed."""
        found = self.precision_measures(self._tables, "")
        objects = pd.read_parquet(self.folder / OBJECTS).groupby("image_id")["found"].agg(["sum", "count"])
        objects = objects.reindex(self.data.manifest["image_id"], fill_value=0)
        hits, totals = (objects[c].to_numpy(np.float64) for c in ("sum", "count"))
        recall = proportion("recall", f"recall at score {self.min_score:g}", "objects", hits, totals)
        each = [
            _precision(f"ap50/{name}", f"AP50 of {name}", [table], CHOSEN["map50"], judged=False)
            for name, table in zip(self.data.info.categories, self._tables, strict=True)
        ]
        return [found[0], recall, *found[1:], *each]

    @staticmethod
    def precision_measures(tables: list[ap.Matches], prefix: str) -> list[Measure]:
        """Return mAP50 (judged), mAP75 and mAP (listed) of some tables of matches."""
        titles = {"map50": "mAP50", "map75": "mAP75", "map": "mAP"}
        return [
            _precision(prefix + name, prefix + titles[name], tables, chosen, judged=name == "map50" and not prefix)
            for name, chosen in CHOSEN.items()
        ]

    def figures(self, weights: NDArray[np.float64]) -> dict[str, Any]:
        """Return headline figures, sizes and classes."""
        everything = np.ones(len(self.data.manifest), bool)
        all_measures = [m for m in self.measures() if "/" not in m.name]
        content: dict[str, Any] = {m.name: estimate(m, everything, weights, percentile=True).content() for m in all_measures}
        if self.masks:
            boxes = self.precision_measures(Found(self.data, self._results, masks=False).matches(), "")
            content["box"] = {m.name: estimate(m, everything, weights, percentile=True).content() for m in boxes}
        content["by_size"] = {area: _alone(self._found.matches(area)) for area in ap.AREAS if area != "all"}
        content["per_class"] = {
            name: {"map": one["map"], "map50": one["map50"], "n": one["n"]}
            for name, one in zip(self.data.info.categories, map(_alone, ([t] for t in self._tables)), strict=True)
        }
        return content

    @cached_property
    def _confusions(self) -> NDArray[np.int64]:
        """(N, K + 1, K + 1): detections at ``min_score`` or above against objects that are no crowd."""
        num = len(self.data.info.categories)
        tables = []
        for picture in self._found.pictures:
            sure, real = self._shown(picture)
            said = np.array([picture.said[d]["category_id"] - 1 for d in sure], np.int64)
            truth = np.array([picture.truths[g]["category_id"] - 1 for g in real], np.int64)
            tables.append(matching.detection_confusion(picture.chosen(sure, real), said, truth, num, THRESHOLD))
        return np.stack(tables)

    def _shown(self, picture: Picture) -> tuple[list[int], list[int]]:
        """Return the detections that are sure enough and the objects that are no crowd."""
        sure = [d for d, mark in enumerate(picture.said) if mark["score"] >= self.min_score]
        return sure, [g for g, mark in enumerate(picture.truths) if not mark.get("iscrowd", 0)]

    def plots(self) -> None:
        """Draw precision over recall and the detection confusion matrix."""
        names = (*self.data.info.categories, BACKGROUND)
        total = self._confusions.sum(0)
        pairs = [(t, p) for t, p in np.ndindex(total.shape) for _ in range(int(total[t, p]))]
        _plots.confusion(self.folder, total, names, pairs)
        curves = {name: ap.precision_curve(t) for name, t in zip(self.data.info.categories, self._tables, strict=True)}
        _plots.precision_recall(self.folder, curves, ap.RECALLS)

    def mistakes(self) -> list[Mistake]:
        """Return the pictures with a missed, false or confused object, most mistakes first."""
        found = []
        for row, table in enumerate(self._confusions):
            missed, false = int(table[:-1, -1].sum()), int(table[-1, :-1].sum())
            confused = int(table[:-1, :-1].sum() - np.trace(table[:-1, :-1]))
            words = [f"{n} {word}" for n, word in ((missed, "missed"), (false, "false"), (confused, "confused")) if n]
            if words:
                found.append(
                    Mistake(row, missed + false + confused, f"of {int(table[:-1].sum())} objects\n{', '.join(words)}")
                )
        return sorted(found, key=lambda m: (-m.badness, m.row))

    def draw(self, mistake: Mistake) -> NDArray[np.uint8]:
        """Return the picture with objects in green and detections in red."""
        picture, names = self._found.pictures[mistake.row], self.data.info.categories
        sure, real = self._shown(picture)
        said, truths = [picture.said[d] for d in sure], [picture.truths[g] for g in real]
        pairs = matching.greedy_pairs(picture.chosen(sure, real), THRESHOLD)
        good = [(d, g) for d, g in pairs if said[d]["category_id"] == truths[g]["category_id"]]
        right, seen = {d for d, _ in good}, {g for _, g in good}
        missed = ["" if g in seen else names[m["category_id"] - 1] for g, m in enumerate(truths)]
        false = ["" if d in right else f"{names[m['category_id'] - 1]} {m['score']:.2f}" for d, m in enumerate(said)]
        image, factor = _gallery.enlarged(
            view(self.data.info.pixels, self.data.root / self.data.manifest["path"][mistake.row])
        )
        for marks, texts, colour in ((truths, missed, _gallery.TRUTH), (said, false, _gallery.FALSE)):
            image = self._marked(image, marks, texts, colour, factor)
        return image

    def _marked(
        self, image: NDArray[np.uint8], marks: list[Mark], texts: list[str], colour: tuple[int, int, int], factor: int
    ) -> NDArray[np.uint8]:
        """Draw outlines of masks, and boxes: all of detections, of instances those that carry a text."""
        height, width = image.shape[0] // factor, image.shape[1] // factor
        for mark in marks if self.masks else []:
            image = _gallery.with_outline(image, rle.decode(mark["segmentation"], height, width), colour, factor)
        kept = [i for i, text in enumerate(texts) if text or not self.masks]
        boxes = [(x, y, x + w, y + h) for x, y, w, h in (marks[i]["bbox"] for i in kept)]
        return _gallery.with_boxes(image, boxes, [texts[i] for i in kept], colour, factor)


def _precision(name: str, title: str, tables: list[ap.Matches], chosen: slice, *, judged: bool) -> Measure:
    """Build the mean of the average precision over classes (those without objects dropped) and the chosen IoU thresholds."""

    def values(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        each = np.stack([ap.average_precision(table, weights, chosen).mean(axis=1) for table in tables], axis=1)
        return mean_defined(each)

    counts = np.sum([table.objects for table in tables], axis=0)
    return Measure(name, title, "objects", counts, values, judged=judged)


def _alone(tables: list[ap.Matches]) -> dict[str, Any]:
    """Return mAP and mAP50 of some tables without intervals, and their count of objects."""
    whole = np.ones((1, tables[0].objects.size))
    content: dict[str, Any] = {
        m.name: float(m.values(whole)[0]) for m in Objects.precision_measures(tables, "") if m.name != "map75"
    }
    return {**content, "n": int(sum(table.objects.sum() for table in tables))}
