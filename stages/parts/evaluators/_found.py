"""Detections beside the objects of each picture, with their overlap: computed once, read by every figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from stages.core.dataset import Dataset
from stages.maths import average_precision as ap
from stages.maths import rle

Mark = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """One picture of the test split.

    Attributes:
        said: detections, COCO results.
        truths: objects, COCO annotations.
        ious: (D, G), by COCO's rule for crowd regions.
        areas: (D,) of the detections, pixels.
    """

    said: list[Mark]
    truths: list[Mark]
    ious: NDArray[np.float64]
    areas: NDArray[np.float64]

    def chosen(self, said: Sequence[int], truths: Sequence[int]) -> NDArray[np.float64]:
        """Return the overlaps of some detections with some objects."""
        return self.ious[np.ix_(np.array(said, np.intp), np.array(truths, np.intp))]


class Found:
    """All pictures of a test split with what was found in them, by boxes or by masks."""

    def __init__(self, data: Dataset, results: Sequence[Mark], *, masks: bool) -> None:
        self.data, self.results, self.masks = data, results, masks

    @cached_property
    def pictures(self) -> list[Picture]:
        """The pictures in the manifest's order."""
        rows = {number: row for row, number in enumerate(numbers(self.data))}
        said: list[list[Mark]] = [[] for _ in rows]
        truths: list[list[Mark]] = [[] for _ in rows]
        for marks, into in ((self.results, said), (self.data.coco["annotations"], truths)):
            for mark in marks:
                into[rows[mark["image_id"]]].append(mark)
        return [self._picture(row, *both) for row, both in enumerate(zip(said, truths, strict=True))]

    def _picture(self, row: int, said: list[Mark], truths: list[Mark]) -> Picture:
        size = (int(self.data.manifest["height"][row]), int(self.data.manifest["width"][row]))
        coded = [[_region(mark, size, self.masks) for mark in marks] for marks in (said, truths)]
        areas = coco.area(coded[0]) if self.masks and said else [m["bbox"][2] * m["bbox"][3] for m in said]
        crowd = [int(mark.get("iscrowd", 0)) for mark in truths]
        ious = coco.iou(coded[0], coded[1], crowd) if said and truths else []
        return Picture(
            said, truths, np.asarray(ious, np.float64).reshape(len(said), len(truths)), np.asarray(areas, np.float64)
        )

    def matches(self, area: str = "all") -> list[ap.Matches]:
        """Return the matches of each category, for one range of areas."""
        categories = range(1, len(self.data.info.categories) + 1)
        return [ap.matches(self._candidates(category), len(self.pictures), area) for category in categories]

    def _candidates(self, category: int) -> list[ap.Candidates]:
        gathered = []
        for row, picture in enumerate(self.pictures):
            said, truths = of_category(picture.said, category), of_category(picture.truths, category)
            if said or truths:
                real = [picture.truths[g] for g in truths]
                gathered.append(
                    ap.Candidates(
                        row,
                        np.array([picture.said[d]["score"] for d in said], np.float64),
                        picture.areas[said],
                        picture.chosen(said, truths),
                        np.array([m["area"] for m in real], np.float64),
                        np.array([bool(m.get("iscrowd", 0)) for m in real], bool),
                    )
                )
        return gathered


def of_category(marks: Sequence[Mark], category: int) -> list[int]:
    """Return which of the marks belong to a category."""
    return [i for i, mark in enumerate(marks) if mark["category_id"] == category]


def numbers(data: Dataset) -> list[int]:
    """Return COCO's number of each picture, in the manifest's order."""
    found = {image["rawline_id"]: int(image["id"]) for image in data.coco["images"]}
    return [found[name] for name in data.manifest["image_id"]]


def _region(mark: Mark, size: tuple[int, int], masks: bool) -> Any:
    """Return a box or run lengths, as pycocotools takes them."""
    if not masks:
        return mark["bbox"]
    return coco.encode(np.asfortranarray(rle.decode(mark["segmentation"], *size).astype(np.uint8)))
