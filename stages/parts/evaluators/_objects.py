"""What detect and instance share: objects found, missed, confused, by boxes or by masks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pycocotools import mask as coco

from stages.core import files, images
from stages.core.dataset import Dataset
from stages.core.errors import DataError
from stages.maths import average_precision as ap
from stages.maths import detection_matching as matching
from stages.maths import rle
from stages.maths.confusion import mean_defined
from stages.maths.measures import Measure, estimate, proportion
from stages.parts.evaluators import BEST, Mistake, Prediction, _gallery, _plots

TABLE = "predictions.json"
OBJECTS = "objects.parquet"
BACKGROUND = "background"
THRESHOLD = 0.5
CHOSEN = {"map50": slice(0, 1), "map75": slice(5, 6), "map": slice(None)}
Mark = dict[str, Any]


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
    found: list[Mark] = field(default_factory=list)
    taken: int = 0

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
            number = self._numbers[self.taken]
            for index, (x0, y0, x1, y1) in enumerate(np.asarray(prediction["boxes"], np.float64).reshape(-1, 4)):
                mark: Mark = {"image_id": number, "category_id": int(prediction["labels"][index])}
                mark |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "score": float(prediction["scores"][index])}
                if self.masks:
                    mark["segmentation"] = rle.encode(np.asarray(prediction["masks"][index], bool))
                self.found.append(mark)
            self.taken += 1

    def save(self) -> None:
        """Write ``predictions.json`` and ``objects.parquet``."""
        files.write_json(self.folder / TABLE, self.found)
        self._objects().to_parquet(self.folder / OBJECTS, index=False)

    @cached_property
    def _numbers(self) -> list[int]:
        """COCO's number of each picture, in the manifest's order."""
        numbers = {image["rawline_id"]: int(image["id"]) for image in self.data.coco["images"]}
        return [numbers[name] for name in self.data.manifest["image_id"]]

    @cached_property
    def _truths(self) -> list[list[Mark]]:
        return self._by_picture(self.data.coco["annotations"])

    @cached_property
    def _said(self) -> list[list[Mark]]:
        return self._by_picture(files.read_json(self.folder / TABLE))

    def _by_picture(self, marks: Sequence[Mark]) -> list[list[Mark]]:
        rows = {number: row for row, number in enumerate(self._numbers)}
        sorted_marks: list[list[Mark]] = [[] for _ in rows]
        for mark in marks:
            sorted_marks[rows[mark["image_id"]]].append(mark)
        return sorted_marks

    def _regions(self, row: int, marks: Sequence[Mark], masks: bool) -> list[Any]:
        """Return boxes or run lengths, as pycocotools takes them."""
        if not masks:
            return [mark["bbox"] for mark in marks]
        size = self.data.manifest.iloc[row]
        full = [rle.decode(mark["segmentation"], int(size["height"]), int(size["width"])) for mark in marks]
        return [coco.encode(np.asfortranarray(inside.astype(np.uint8))) for inside in full]

    def _ious(self, row: int, said: Sequence[Mark], truths: Sequence[Mark], masks: bool) -> NDArray[np.float64]:
        """Return (D, G); COCO's rule for crowd regions."""
        if not said or not truths:
            return np.zeros((len(said), len(truths)))
        crowd = [int(mark.get("iscrowd", 0)) for mark in truths]
        ious = coco.iou(self._regions(row, said, masks), self._regions(row, truths, masks), crowd)
        return np.asarray(ious, np.float64).reshape(len(said), len(truths))

    def candidates(self, category: int, masks: bool) -> list[ap.Candidates]:
        """Gather detections and objects of one category in every picture that has either."""
        gathered = []
        for row, (all_said, all_truths) in enumerate(zip(self._said, self._truths, strict=True)):
            said = [m for m in all_said if m["category_id"] == category]
            truths = [m for m in all_truths if m["category_id"] == category]
            if not said and not truths:
                continue
            if masks:
                areas = [float(a) for a in coco.area(self._regions(row, said, masks=True))] if said else []
            else:
                areas = [m["bbox"][2] * m["bbox"][3] for m in said]
            gathered.append(
                ap.Candidates(
                    row,
                    np.array([m["score"] for m in said], np.float64),
                    np.array(areas, np.float64),
                    self._ious(row, said, truths, masks),
                    np.array([m["area"] for m in truths], np.float64),
                    np.array([bool(m.get("iscrowd", 0)) for m in truths], bool),
                )
            )
        return gathered

    @cached_property
    def _tables(self) -> list[ap.Matches]:
        return self.tables(self.masks)

    def tables(self, masks: bool, area: str = "all") -> list[ap.Matches]:
        """Return the matches of each category."""
        num = len(self.data.manifest)
        categories = range(1, len(self.data.info.categories) + 1)
        return [ap.matches(self.candidates(category, masks), num, area) for category in categories]

    def _objects(self) -> pd.DataFrame:
        """List the objects that are no crowd, and whether each was found."""
        rows = []
        for row, (all_said, truths) in enumerate(zip(self._said, self._truths, strict=True)):
            sure = sorted((m for m in all_said if m["score"] >= self.min_score), key=lambda m: -m["score"])
            hit: set[int] = set()
            for category in {m["category_id"] for m in truths}:
                own = [i for i, m in enumerate(truths) if m["category_id"] == category]
                said = [m for m in sure if m["category_id"] == category][: ap.MAX_DETECTIONS]
                crowd = np.array([bool(truths[i].get("iscrowd", 0)) for i in own])
                ious = self._ious(row, said, [truths[i] for i in own], self.masks)
                found = matching.coco_match(ious, crowd, crowd, np.array([THRESHOLD]))
                hit |= {own[g] for g in found[0].tolist() if g >= 0}
            name = self.data.manifest["image_id"][row]
            names = self.data.info.categories
            rows += [
                {"image_id": name, "category": names[m["category_id"] - 1], "area": float(m["area"]), "found": i in hit}
                for i, m in enumerate(truths)
                if not m.get("iscrowd", 0)
            ]
        return pd.DataFrame(rows, columns=["image_id", "category", "area", "found"])

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
            boxes = self.precision_measures(self.tables(masks=False), "")
            content["box"] = {m.name: estimate(m, everything, weights, percentile=True).content() for m in boxes}
        content["by_size"] = {area: self._size(area) for area in ap.AREAS if area != "all"}
        content["per_class"] = {
            name: {"map": one["map"], "map50": one["map50"], "n": one["n"]}
            for name, one in zip(self.data.info.categories, map(_alone, ([t] for t in self._tables)), strict=True)
        }
        return content

    def _size(self, area: str) -> dict[str, Any]:
        return _alone(self.tables(self.masks, area))

    @cached_property
    def _confusions(self) -> NDArray[np.int64]:
        """(N, K + 1, K + 1): detections at ``min_score`` or above against objects that are no crowd."""
        num = len(self.data.info.categories)
        tables = []
        for row in range(len(self._said)):
            said, truths = self._sure(row), self._real(row)
            of, among = (np.array([m["category_id"] - 1 for m in marks], np.int64) for marks in (said, truths))
            ious = self._ious(row, said, truths, self.masks)
            tables.append(matching.detection_confusion(ious, of, among, num, THRESHOLD))
        return np.stack(tables)

    def _sure(self, row: int) -> list[Mark]:
        return [m for m in self._said[row] if m["score"] >= self.min_score]

    def _real(self, row: int) -> list[Mark]:
        return [m for m in self._truths[row] if not m.get("iscrowd", 0)]

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
        row = mistake.row
        said, truths = self._sure(row), self._real(row)
        names = self.data.info.categories
        pairs = matching.greedy_pairs(self._ious(row, said, truths, self.masks), THRESHOLD)
        good = {(d, g) for d, g in pairs if said[d]["category_id"] == truths[g]["category_id"]}
        missed = ["" if g in {g for _, g in good} else names[m["category_id"] - 1] for g, m in enumerate(truths)]
        false = [
            "" if d in {d for d, _ in good} else f"{names[m['category_id'] - 1]} {m['score']:.2f}"
            for d, m in enumerate(said)
        ]
        image, factor = _gallery.enlarged(images.read_image(self.data.root / self.data.manifest["path"][row]))
        for marks, texts, colour in ((truths, missed, _gallery.TRUTH), (said, false, _gallery.FALSE)):
            boxes = [(x, y, x + w, y + h) for x, y, w, h in (m["bbox"] for m in marks)]
            for region in self._regions(row, marks, masks=True) if self.masks else []:
                image = _gallery.with_outline(image, np.asarray(coco.decode(region), bool), colour, factor)
            kept = [i for i, text in enumerate(texts) if text] if self.masks else range(len(texts))
            image = _gallery.with_boxes(image, [boxes[i] for i in kept], [texts[i] for i in kept], colour, factor)
        return image


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
