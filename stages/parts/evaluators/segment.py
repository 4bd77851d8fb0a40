"""Semantic segmentation: IoU from one pixel confusion matrix over the data set, absent classes dropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from stages.core import images, placements
from stages.core.dataset import Dataset
from stages.core.display import view
from stages.core.errors import DataError
from stages.core.params import Params as Base
from stages.judge import classes, confusion, constants, dealt, degenerate, panels, regions, units
from stages.judge.draws import Draws, estimates
from stages.judge.estimate import Estimate
from stages.judge.measures import Measure, average, mean_of_ratios, proportion, proportions
from stages.judge.units import Units
from stages.parts.evaluators import BEST, Mistake, Prediction, _gallery, _plots

Floats = NDArray[np.float64]
TABLE = "confusions.npz"
MASKS = "masks"


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

    ``confusions.npz`` holds ``image_id`` (N,), ``num_classes`` (K) and the entries of the pictures' confusion matrices
    that are not
    0: ``pictures`` (place in the manifest), ``cells`` (truth * K + prediction) and ``counts`` (pixels). ``masks/`` holds the
    predicted index PNG of each picture.
    """

    data: Dataset
    folder: Path
    models: Sequence[str] = (BEST,)
    legend: str = (
        "Each: the picture, the truth, the prediction. The lowest IoU first, classes there or said weighed by the square "
        "root of their pixels."
    )
    found: list[regions.Row] = field(default_factory=list)

    def add(self, model: str, predictions: Sequence[Prediction]) -> None:
        """Take ``mask`` (H, W) of the next pictures and write it."""
        del model
        for prediction in predictions:
            row = self.data.manifest.iloc[len(self.found)]
            mask = regions.answer(prediction, str(row["source"]))
            images.write_png(self.folder / MASKS / f"{row['image_id']}.png", mask)
            try:
                self.found.append(regions.observe(self._truth(len(self.found)), mask, len(self.data.info.mask_classes)))
            except ValueError as error:
                raise DataError(f"{self.data.root / row['mask']}: {error}") from error

    def _truth(self, row: int) -> NDArray[np.uint8]:
        return images.read_mask(self.data.root / self.data.manifest["mask"][row])

    def save(self) -> None:
        """Write ``confusions.npz``."""
        rows = regions.gather(self.found, len(self.data.info.mask_classes))
        np.savez(
            self.folder / TABLE,
            image_id=self.data.manifest["image_id"].to_numpy(str),
            num_classes=np.array(rows.num_classes),
            pictures=rows.pictures,
            cells=rows.cells,
            counts=rows.counts,
        )

    @property
    def colours(self) -> list[tuple[str, tuple[int, int, int]]]:
        """Names of the colours in a drawn picture: the classes."""
        return _gallery.key(self.data.info.mask_classes)

    @cached_property
    def rows(self) -> regions.Rows:
        """What was observed, read from the folder.

        Raises:
            DataError: the folder was made by a version that kept another table.
        """
        with np.load(self.folder / TABLE) as held:
            if "cells" not in held.files:
                raise DataError(f"{self.folder / TABLE} has another form; run the evaluation again (dvc repro evaluate)")
            num = held["image_id"].size
            return regions.Rows(held["pictures"], held["cells"], held["counts"], num, int(held["num_classes"]))

    @cached_property
    def units(self) -> Units:
        """Which pictures are drawn together."""
        return units.of(self.data.units())

    @cached_property
    def held(self) -> classes.Counts:
        """Pixels by picture and class."""
        return self.rows.by_class()

    def measures(self) -> list[Measure]:
        """Return mIoU and the mean IoU of single pictures, and pixel accuracy and the IoU of each class to be listed.

        Read of a group: classes that it does not hold are left out of its mIoU, and have no IoU of their own.
        """
        hit, real, said = self.held.hit, self.held.real, self.held.said
        pixels = np.asarray(real.sum(axis=1), np.float64).ravel()
        miou = mean_of_ratios("miou", "mIoU", "pixels", hit, real + said - hit, real, counts=pixels)
        names = [(f"iou/{name}", f"IoU of {name}") for name in self.data.info.mask_classes]
        return [miou, *self._means(self.held), *proportions(names, "pixels", hit, real + said - hit, real)]

    def contents(self) -> Any:
        """Return the pixels of each class but the background, which is the first."""
        return sparse.csr_array(self.held.real)[:, 1:]

    def headlines(self) -> list[Measure]:
        """Return mIoU, picture IoU and pixel accuracy of the whole split: a class said that is not there counts as 0."""
        return self._headlines(self.held)

    def _headlines(self, held: classes.Counts) -> list[Measure]:
        found = [panels.mean("miou", "mIoU", "pixels", held, classes.iou), *self._means(held)]
        return [measure.merged(self.units.codes, self.units.num) for measure in found]

    @staticmethod
    def _means(held: classes.Counts) -> list[Measure]:
        """Return the figures that are the same for a group and for the whole split."""
        right, pixels = (np.asarray(t.sum(axis=1), np.float64).ravel() for t in (held.hit, held.real))
        return [
            average("picture_iou", "picture IoU", regions.by_picture(held)),
            proportion("pixel_accuracy", "pixel accuracy", "pixels", right, pixels, judged=False),
        ]

    def figures(self, draws: Draws) -> dict[str, Any]:
        """Return headline figures and each class."""
        headline = estimates(panels.of_measures(self.headlines(), self.units), draws)
        content: dict[str, Any] = {name: one.content() for name, one in headline.items()}
        found = estimates(panels.of_classes(self.held, {"iou": classes.iou}, {}, units=self.units, single=False), draws)
        content["per_class"] = {}
        for label, name in enumerate(self.data.info.mask_classes):
            one = found[f"iou/{label}"]
            content["per_class"][name] = {"iou": one.content()} | one.count()
        return content | self._degenerate(headline, draws)

    def _degenerate(self, figures: Mapping[str, Estimate], draws: Draws) -> dict[str, Any]:
        """Return whether the figures say nothing, and why; see ``judge.degenerate``."""
        names = self.data.info.mask_classes
        there = dict(zip(names, np.asarray(self.held.real.sum(axis=0)).ravel().tolist(), strict=True))
        label, constant = constants.of_classes(self.held)
        own = self.headlines()
        gains = constants.gains(own, [self._headlines(constant)], draws)
        others = constants.gains(own, [self._headlines(held) for held in self._dealt()], draws)
        faults = [
            *degenerate.of_variety(there, "pixel"),
            *degenerate.of_classes(there, "pixel", {} if all(there.values()) else self._ignored(there)),
            *degenerate.of_constants(f"saying {names[label]} of every pixel", gains, others),
            *degenerate.of_units(*self.units.behind(np.asarray(self.held.real.sum(axis=1)).ravel() > 0)),
            *degenerate.of_exact(figures, all_right=list(figures)),
        ]
        return degenerate.content(faults, others)

    def _dealt(self) -> list[classes.Counts]:
        """Return what the masks of other pictures come to, deal by deal, read a picture at a time."""
        names, places = self.data.manifest["image_id"].tolist(), placements.of(self.data)
        deals, num = dealt.deals(names, self.units, [dealt.part(at) for at in places]), len(self.data.info.mask_classes)
        found: list[list[regions.Row]] = [[] for _ in deals]
        for row, at in enumerate(places):
            truth = self._truth(row)
            for rows, other in zip(found, (int(deal[row]) for deal in deals), strict=True):
                mask = images.read_mask(self.folder / MASKS / f"{names[other]}.png")
                rows.append(regions.observe(truth, dealt.moved_mask(mask, places[other], at), num))
        return [regions.gather(rows, num).by_class() for rows in found]

    def _ignored(self, there: Mapping[str, float]) -> dict[str, str]:
        """Say of each class but the first where its pixels may have gone, where the masks mark any as ignored.

        The first is the background; the padding of a letterbox is no part of a picture.
        """
        whole = sum(at.new_width * at.new_height for at in placements.of(self.data))
        share = 1 - sum(there.values()) / whole
        if share <= 0:
            return {}
        told = (
            f"{100 * share:.2g} % of the pictures' pixels are {images.IGNORE}, which means ignore; where the class is drawn "
            "so, give it its own number in the masks"
        )
        return dict.fromkeys([*there][1:], told)

    def notes(self) -> list[str]:
        """Return nothing: there is nothing to be said of pixels."""
        return []

    def plots(self) -> None:
        """Draw the pixel confusion matrix and the IoU of each class."""
        total = self.rows.confusion()
        _plots.confusion(self.folder, total, self.data.info.mask_classes, cases=False)
        _plots.bars(self.folder, self.data.info.mask_classes, confusion.intersection_over_union(total).tolist())

    def mistakes(self) -> list[Mistake]:
        """Return the pictures with a wrong pixel, lowest IoU first, classes weighed as ``regions.Wrong`` has it."""
        wrong, pixels = regions.wrong(self.held), np.asarray(self.held.real.sum(axis=1)).ravel()
        found = []
        for row in np.flatnonzero(wrong.pixels).tolist():
            name, of_class = self.data.info.mask_classes[wrong.classes[row]], wrong.class_pixels[row]
            caption = (
                f"IoU {wrong.weighed[row]:.2f} weighed; {wrong.pixels[row]:,} of {pixels[row]:,.0f} pixels wrong,\n"
                f"most of {name} ({of_class:,}; its IoU {wrong.class_ious[row]:.2f})"
            )
            found.append(Mistake(row, float(1 - wrong.weighed[row]), caption))
        return sorted(found, key=lambda m: (-m.badness, m.row))

    def draw(self, mistake: Mistake) -> NDArray[np.uint8]:
        """Return picture, truth and prediction side by side."""
        row = self.data.manifest.iloc[mistake.row]
        image = view(self.data.info.pixels, self.data.root / row["path"])
        said = images.read_mask(self.folder / MASKS / f"{row['image_id']}.png")
        truth = self._truth(mistake.row)
        said = np.where(truth == images.IGNORE, truth, said)  # padding, and what the annotators left open
        return _gallery.side_by_side([image, _gallery.painted(truth, image), _gallery.painted(said, image)])
