"""What detect and instance share: objects found, missed, confused, by boxes or by masks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from stages.core import placements
from stages.core.dataset import Dataset
from stages.core.display import view
from stages.core.errors import DataError
from stages.judge import average_precision as ap
from stages.judge import constants, dealt, degenerate, detection_rows, detections, objects, panels, ratio_slope, units
from stages.judge.confusion import ratio
from stages.judge.draws import Draws, Panel, Values, estimates
from stages.judge.estimate import Estimate
from stages.judge.measures import Measure, proportion
from stages.judge.objects import Rule
from stages.judge.units import Units
from stages.maths import geometry, rle
from stages.maths.geometry import Placement
from stages.parts.evaluators import BEST, Mistake, Prediction, _gallery, _plots, _results
from stages.parts.evaluators._results import Results

Mark = dict[str, Any]
Floats = NDArray[np.float64]
TABLE = "predictions.json"
ROWS = "rows.npz"
ANSWERS = ".answers"  # while the pictures are judged: what was said, to be dealt to other pictures
OBJECTS = "objects.parquet"
BACKGROUND = "background"
_TITLES = {"map50": "mAP50", "map75": "mAP75", "map": "mAP"}
_NAMED = 3  # pictures that a note names


@dataclass
class Objects:
    """Judges detections, a picture at a time; see ``evaluators.Evaluator``.

    ``predictions.json`` is a COCO results file in the user's own pixels and category ids, one detection a line.
    ``rows.npz`` holds what every figure is read from (``judge.detection_rows.Rows``). ``objects.parquet`` has one row per
    object of the test split that counts: ``image_id``, ``category``, ``area`` (of the user's picture), ``found``
    (by a detection of its class at ``min_score`` or above, IoU >= 0.5).
    """

    data: Dataset
    folder: Path
    rule: Rule
    models: Sequence[str] = (BEST,)
    legend: str = _gallery.LEGEND
    colours: Sequence[tuple[str, tuple[int, int, int]]] = ()
    seen: list[objects.Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._file, self._answers = Results(self.folder / TABLE), dealt.Spool(self.folder / ANSWERS)
        self._dealt: list[detection_rows.Rows] = []
        spared = [detections.is_spared(mark) for mark in self.data.coco["annotations"]]
        if any(spared):
            self.legend += _gallery.SPARED_LEGEND
        if all(spared):
            raise DataError(f"the test split of {self.data.root} has no annotated object to judge on")
        if self.rule.masks and not all(mark.get("segmentation") for mark in self.data.coco["annotations"]):
            raise DataError(
                f"{self.data.root}: an annotation of the test split has no segmentation; instance needs one for every object"
            )

    def add(self, model: str, predictions: Sequence[Prediction]) -> None:
        """Take ``boxes``, ``labels``, ``scores`` and, for instances, ``masks`` of the next pictures; keep their rows."""
        del model
        for prediction in predictions:
            row = len(self.seen)
            at = self._placements[row]
            truth = self._truth(row)
            answer = detections.answer(prediction, at, str(self.data.manifest["source"][row]), masks=self.rule.masks)
            self.seen.append(objects.observe(truth, answer, self.rule, self._num_classes))
            self._answers.add(answer)
            self._file.add(self._results(row, prediction, at))

    def _results(self, row: int, prediction: Prediction, at: Placement) -> Iterator[Mark]:
        """Return the answer as COCO results in the user's own pixels."""
        boxes = geometry.boxes_back(np.asarray(prediction["boxes"], np.float64), at)
        for index, (x0, y0, x1, y1) in enumerate(boxes):
            mark: Mark = {"image_id": self._numbers[row], "file_name": str(self.data.manifest["source"][row])}
            mark |= {"category_id": self._own_id(int(prediction["labels"][index]))}
            mark |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "score": float(prediction["scores"][index])}
            if self.rule.masks:
                inside = geometry.mask_back(np.asarray(prediction["masks"][index], np.uint8), at)
                mark["segmentation"] = rle.encode(inside.astype(bool))
            yield mark

    def _own_id(self, category: int) -> int:
        """Return the id by which the user's own annotations know a category."""
        own = self.data.info.category_ids
        return own[category - 1] if own else category

    def save(self) -> None:
        """Write ``predictions.json``, ``rows.npz`` and ``objects.parquet``."""
        self._file.close()
        rows = detection_rows.gather(self.seen, self._num_classes)
        rows.columns["offsets"] = np.array(self._file.offsets, np.int64)
        rows.save(self.folder / ROWS)
        self.seen = []
        names, shapes = self.data.manifest["image_id"].tolist(), [dealt.part(at) for at in self._placements]
        deals = dealt.deals(names, self.units, shapes)
        self._dealt = self._answers.observe(deals, self._truth, self._placements, self.rule, self._num_classes)
        self._objects().to_parquet(self.folder / OBJECTS, index=False)

    @cached_property
    def units(self) -> Units:
        """Which pictures are drawn together."""
        return units.of(self.data.units())

    @cached_property
    def _numbers(self) -> list[int]:
        """COCO's number of each picture, in the manifest's order."""
        found = {image["rawline_id"]: int(image["id"]) for image in self.data.coco["images"]}
        return [found[name] for name in self.data.manifest["image_id"]]

    @cached_property
    def _marks(self) -> Mapping[str, list[Mark]]:
        return self.data.annotations()

    def _truths(self, row: int) -> list[Mark]:
        """Return the annotations of a picture, by its place in the manifest."""
        return self._marks[self.data.manifest["image_id"][row]]

    def _truth(self, row: int) -> detections.Truth:
        """Return what is there, as it is judged."""
        return detections.truth(self._truths(row), self._placements[row], masks=self.rule.masks)

    @cached_property
    def _placements(self) -> list[Placement]:
        return placements.of(self.data)

    @property
    def _num_classes(self) -> int:
        return len(self.data.info.categories)

    @cached_property
    def rows(self) -> detection_rows.Rows:
        """What was observed, read from the folder.

        Raises:
            DataError: the folder was made by a version that kept no such table.
        """
        if not (self.folder / ROWS).is_file():
            raise DataError(f"{self.folder / ROWS} is missing; run the evaluation again (dvc repro evaluate)")
        return detection_rows.load(self.folder / ROWS)

    @cached_property
    def _tables(self) -> list[ap.Matches]:
        return detection_rows.tables(self.rows)

    def _objects(self) -> pd.DataFrame:
        """List the objects that count, and whether each was found."""
        held = self.rows.columns
        names = np.array([*self.data.info.categories], dtype=object)
        return pd.DataFrame(
            {
                "image_id": self.data.manifest["image_id"].to_numpy(object)[self.rows.pictures("objects")],
                "category": names[held["object_labels"]],
                "area": held["object_areas"],
                "found": held["found"],
            }
        )

    def measures(self) -> list[Measure]:
        """Return mAP50 and recall, and mAP, mAP75 and the AP50 of each class to be listed."""
        each = [
            self._precision(f"ap50/{name}", f"AP50 of {name}", [table], panels.CHOSEN["map50"], judged=False)
            for name, table in zip(self.data.info.categories, self._tables, strict=True)
        ]
        return [*self._whole(self.rows, self._tables), *each]

    def contents(self) -> Any:
        """Return the objects of each class that count."""
        of, labels = self.rows.pictures("objects"), self.rows.columns["object_labels"]
        shape = self.rows.num_pictures, self._num_classes
        return sparse.csr_array((np.ones(of.size), (of, labels)), shape=shape)

    def headlines(self) -> list[Measure]:
        """Return the figures of the whole split; those of groups are read in the same way."""
        return self._headlines(self.rows, self._tables)

    def _headlines(self, rows: detection_rows.Rows, tables: list[ap.Matches]) -> list[Measure]:
        found = [*self._whole(rows, tables), panels.recall("ar", "AR", tables)]
        return [measure.merged(self.units.codes, self.units.num) for measure in found]

    def _whole(self, rows: detection_rows.Rows, tables: list[ap.Matches]) -> list[Measure]:
        found = [
            self._precision(name, _TITLES[name], tables, chosen, judged=name == "map50")
            for name, chosen in panels.CHOSEN.items()
        ]
        of, num = rows.pictures("objects"), rows.num_pictures
        hits = np.bincount(of, rows.columns["found"], num).astype(np.float64)
        totals = np.bincount(of, minlength=num).astype(np.float64)
        recall = proportion("recall", f"recall at score {self.rule.min_score:g}", "objects", hits, totals)
        return [found[0], recall, *found[1:]]

    def _precision(self, name: str, title: str, tables: list[ap.Matches], chosen: slice, *, judged: bool) -> Measure:
        return panels.precision(name, title, tables, chosen, rule=self.rule.average_precision, judged=judged)

    def figures(self, draws: Draws) -> dict[str, Any]:
        """Return headline figures, sizes and classes, and which pictures hold more objects than detections count."""
        classes, rule = self.data.info.categories, self.rule.average_precision
        found = estimates(self._panel(), draws)
        content: dict[str, Any] = {name: found[name].content() for name in ("map50", "recall", "map75", "map", "ar")}
        if self.rule.masks:
            boxes = panels.of_precision(detection_rows.tables(self.rows, boxes=True), rule, units=self.units)
            content["box"] = {name: one.content() for name, one in estimates(boxes, draws).items()}
        content["by_size"] = {area: self._of_size(area, draws) for area in ap.AREAS if area != "all"}
        content["per_class"] = {}
        for label, name in enumerate(classes):
            own = {figure: found[f"{figure}/{label}"] for figure in ("map", "map50", "recall")}
            content["per_class"][name] = {figure: one.content() for figure, one in own.items()} | own["map50"].count()
        if self.rule.max_detections is not None:
            above = detection_rows.above(self.rows, self.rule.max_detections)
            content["limit"] = {"max_detections": self.rule.max_detections, "num_pictures_above": int(above.size)}
        return content | self._degenerate(found, draws)

    def _degenerate(self, figures: Mapping[str, Estimate], draws: Draws) -> dict[str, Any]:
        """Return whether the figures say nothing, and why; see ``judge.degenerate``."""
        names = self.data.info.categories
        counts = np.bincount(self.rows.columns["object_labels"], minlength=len(names)).tolist()
        holding = np.bincount(self.rows.pictures("objects"), minlength=self.rows.num_pictures) > 0
        what = "that can be judged" if holding.all() else "with an object that counts"
        marks = self.data.coco["annotations"]
        spared = {names[mark["category_id"] - 1] for mark in marks if detections.is_spared(mark)}
        told = "all that the truth has of it are crowds, difficult or ignored; add test pictures where it stands clear"
        own, dealt_out = self.headlines(), [self._headlines(rows, detection_rows.tables(rows)) for rows in self._dealt]
        others, self._dealt = constants.gains(own, dealt_out, draws), []  # as many rows as the pictures' own, once more
        faults = [
            *degenerate.of_classes(dict(zip(names, counts, strict=True)), "object", dict.fromkeys(spared, told)),
            *degenerate.of_constants(None, [], others),
            *degenerate.of_units(*self.units.behind(holding), what),
            *degenerate.of_exact({measure.name: figures[measure.name] for measure in own}),
        ]
        return degenerate.content(faults, others)

    def _of_size(self, area: str, draws: Draws) -> dict[str, Any]:
        tables = detection_rows.tables(self.rows, area)
        found = estimates(panels.of_precision(tables, self.rule.average_precision, units=self.units, part=True), draws)
        return {name: found[name].content() for name in ("map", "map50", "ar")} | found["map"].count()

    def _panel(self) -> Panel:
        """Return the headline figures and those of each class (``<figure>/<index>``), read in one pass."""
        held, num, classes = self.rows.columns, self.units.num, self._num_classes
        at = (self.units.codes[self.rows.pictures("objects")], held["object_labels"])
        there = sparse.csr_array((np.ones(at[0].size), at), shape=(num, classes))
        hits = sparse.csr_array((held["found"].astype(np.float64), at), shape=(num, classes))

        def with_recalls(others: Values, some: slice) -> Values:
            def values(weights: Floats) -> Floats:
                hit, total = np.asarray(weights @ hits[some]), np.asarray(weights @ there[some])
                return np.concatenate([others(weights), ratio(hit.sum(1), total.sum(1))[:, None], ratio(hit, total)], axis=1)

            return values

        def slopes() -> list[ratio_slope.Shown]:
            of_all = (sparse.csr_array(np.asarray(table.sum(axis=1)).reshape(-1, 1)) for table in (hits, there))
            both = (*of_all,), (hits, there)
            recalls = np.concatenate([ratio_slope.by_class(*tables, objects=True) for tables in both])
            return [*first.shown(), *(ratio_slope.Shown(error) for error in recalls.tolist())]

        first = panels.of_precision(self._tables, self.rule.average_precision, units=self.units, each=True)
        counts = [int(table.num_objects) for table in self._tables]
        read, part = first.values, first.part  # noqa: PD011 - of a panel, not of pandas
        holders, drawn = (list(some[-classes:]) for some in (first.pictures, first.units))
        return Panel(
            (*first.names, "recall", *(f"recall/{label}" for label in range(classes))),
            with_recalls(read, slice(None)),
            [*first.n, sum(counts), *counts],
            [*first.pictures, self.rows.num_pictures, *holders],
            [*first.units, num, *drawn],
            [False] * (len(first.names) + 1 + classes),
            worth=[*first.worth, first.worth[0], *first.worth[-classes:]],
            uneven=[*first.uneven, first.uneven[0], *first.uneven[-classes:]],
            slopes=slopes,
            part=None if part is None else lambda some: with_recalls(part(some), some),
        )

    def notes(self) -> list[str]:
        """Name the pictures in which not all objects can be found, and what to do."""
        most = self.rule.max_detections
        above = detection_rows.above(self.rows, most).tolist()
        if not above:
            return []
        names = ", ".join(str(self.data.manifest["source"][row]) for row in above[:_NAMED])
        rest = f" and {len(above) - _NAMED} more" if len(above) > _NAMED else ""
        what = f"hold more than {most} objects of a class ({names}{rest})"
        why = "no more detections of a class count there, so not all of them can be found (max_detections; null takes all)"
        return [f"{len(above)} of {self.rows.num_pictures} test pictures {what}: {why}"]

    def plots(self) -> None:
        """Draw precision over recall and the detection confusion matrix."""
        names = (*self.data.info.categories, BACKGROUND)
        total = detection_rows.confusion(self.rows)
        _plots.confusion(self.folder, total, names, cases=True)
        curves = {name: ap.precision_curve(t) for name, t in zip(self.data.info.categories, self._tables, strict=True)}
        _plots.precision_recall(self.folder, curves, ap.RECALLS)

    def mistakes(self) -> list[Mistake]:
        """Return the pictures with a missed, false or confused object, most mistakes first."""
        numbers = detection_rows.mistakes(self.rows)
        total, objects_of = np.sum([*numbers.values()], axis=0), np.diff(self.rows.starts["objects"])
        found = []
        for row in np.flatnonzero(total).tolist():
            told = {word: int(number[row]) for word, number in numbers.items() if number[row]}
            found.append(Mistake(row, int(total[row]), _gallery.caption(told, int(objects_of[row]))))
        return sorted(found, key=lambda m: (-m.badness, m.row))

    def _said(self, row: int) -> list[Mark]:
        """Read a picture's detections, in the pixels of the user's own picture and the model's order."""
        return _results.read(self.folder / TABLE, *self.rows.columns["offsets"][row : row + 2].tolist())

    def draw(self, mistake: Mistake) -> NDArray[np.uint8]:
        """Return the picture with objects in green, those that do not count in yellow, and detections in red."""
        row, names, rows = mistake.row, self.data.info.categories, self.rows
        came = rows.of(row, "detections", "came")
        sure, labels = np.flatnonzero(came != objects.UNSURE), rows.of(row, "detections", "labels")
        answers, order = self._said(row), rows.of(row, "detections", "order")
        said = [self._placed(answers[i], self._placements[row]) for i in order[sure].tolist()]
        spared = [mark for mark in self._truths(row) if detections.is_spared(mark)]
        truths = [self._truths(row)[g] for g in rows.of(row, "objects", "objects").tolist()]
        seen = rows.of(row, "objects", "seen").tolist()
        missed = ["" if there else names[m["category_id"] - 1] for there, m in zip(seen, truths, strict=True)]
        false = [
            f"{names[labels[i]]} {m['score']:.2f}" if came[i] == objects.WRONG else ""
            for i, m in zip(sure.tolist(), said, strict=True)
        ]
        image, factor = _gallery.enlarged(view(self.data.info.pixels, self.data.root / self.data.manifest["path"][row]))
        of_none = [""] * len(spared), _gallery.SPARED
        for marks, texts, colour in ((spared, *of_none), (truths, missed, _gallery.TRUTH), (said, false, _gallery.FALSE)):
            image = _gallery.with_marks(image, marks, texts, colour, factor, outlines=self.rule.masks)
        return image

    @staticmethod
    def _placed(mark: Mapping[str, Any], at: Placement) -> Mark:
        """Bring a detection to the pixels of the prepared picture."""
        return geometry.place_annotation({"area": 0.0, **mark}, at)
