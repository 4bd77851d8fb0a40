"""A model's own answers dealt out to other pictures: what it would reach if it had not looked at the picture.

Whatever a model that does not look says (one class, one mask, the same boxes, throws of a die), it might as well have said
of any other picture: its figures stay what they are. The answers of a model that looks fit their own pictures better. Each
picture gets the answer to a picture of another unit, of the same shape where there is one; else the answer moves by shares
of the picture's sides.
"""

import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from stages.core import seeds
from stages.judge import detection_rows, detections, objects
from stages.judge.detections import Answer, Truth
from stages.judge.objects import Rule
from stages.judge.units import Units
from stages.maths import geometry
from stages.maths.geometry import Placement

Ints = NDArray[np.int64]
MOST = 3  # deals of which the mean is taken
ANSWERS = 3000  # dealt in all, as far as one deal allows: many pictures need no mean of deals


def deals(names: Sequence[str], units: Units, shapes: Sequence[Hashable] | None = None) -> list[Ints]:
    """Return whose answer each picture gets, (N,) positions a deal; nothing where all pictures are of one unit.

    The same pictures are always dealt alike. A unit's pictures get those of one other unit, in turn.

    Args:
        names: of the pictures, what the order of units is drawn from.
        units: which pictures belong together.
        shapes: of the pictures; None where they do not matter.
    """
    if units.num < 2:  # noqa: PLR2004 - one unit has no other
        return []
    ranks = seeds.generator(0, "dealt", *names).permutation(units.num)
    pools: dict[Hashable, list[int]] = {}
    for row in range(units.codes.size):
        pools.setdefault(shapes[row] if shapes is not None else None, []).append(row)
    everywhere = _members(range(units.codes.size), units, ranks)
    parts = [_members(rows, units, ranks) for rows in pools.values()]
    number = max(1, min(MOST, ANSWERS // units.codes.size))
    found = [np.zeros(units.codes.size, np.int64) for _ in range(number)]
    for part in parts:
        givers = part if len(part) > 1 else everywhere
        places = {unit: place for place, unit in enumerate(givers)}
        lists = list(givers.values())
        for unit, rows in part.items():
            for shift, deal in enumerate(found):
                other = lists[(places[unit] + 1 + shift % (len(lists) - 1)) % len(lists)]
                deal[rows] = [other[place % len(other)] for place in range(len(rows))]
    return found


def _members(rows: Sequence[int], units: Units, ranks: Ints) -> dict[int, list[int]]:
    """Return pictures by unit, units in the order of their ranks."""
    found: dict[int, list[int]] = {}
    for row in sorted(rows, key=lambda row: int(ranks[units.codes[row]])):
        found.setdefault(int(units.codes[row]), []).append(row)
    return found


def part(at: Placement) -> tuple[int, ...]:
    """Return where a picture lies on its canvas: answers move between pictures of the same part as they are."""
    return at.canvas_width, at.canvas_height, at.new_width, at.new_height, at.offset_x, at.offset_y


def moved_mask(mask: NDArray[np.uint8], came: Placement, at: Placement) -> NDArray[np.uint8]:
    """Move an index mask (H, W) from one picture's canvas to another's; the padding gets class 0."""
    return mask if part(came) == part(at) else geometry.place_mask(np.ascontiguousarray(geometry.inside(mask, came)), at, 0)


def moved(answer: Answer, came: Placement, at: Placement) -> Answer:
    """Move detections from one picture's canvas to another's, by shares of the picture's sides."""
    boxes, masks = answer.boxes, answer.masks
    if part(came) != part(at):
        factor = np.array([at.new_width / came.new_width, at.new_height / came.new_height])
        first = (boxes[:, :2] - (came.offset_x, came.offset_y)) * factor + (at.offset_x, at.offset_y)
        boxes = np.concatenate([first, boxes[:, 2:] * factor], axis=1)
        if masks is not None:
            masks = [coco.encode(np.asfortranarray(moved_mask(coco.decode(mask), came, at))) for mask in masks]
    return detections.placed(answer.labels, answer.scores, boxes, masks, at)


@dataclass
class Spool:
    """Keeps answers on disk, a picture a line, until they are dealt.

    Attributes:
        path: of the file; it is gone after ``observe``.
        offsets: where each picture's line begins.
    """

    path: Path
    offsets: list[int] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Keep the next picture's answer."""
        masks = None
        if answer.masks is not None:
            masks = [{"size": list(mask["size"]), "counts": mask["counts"].decode("ascii")} for mask in answer.masks]
        line = [answer.labels.tolist(), answer.scores.tolist(), answer.boxes.tolist(), masks]
        with self.path.open("ab" if self.offsets else "wb") as stream:
            self.offsets.append(stream.tell())
            stream.write(json.dumps(line).encode() + b"\n")

    def observe(
        self, partners: Sequence[Ints], truth: Callable[[int], Truth], places: Sequence[Placement], rule: Rule, classes: int
    ) -> list[detection_rows.Rows]:
        """Return what each deal comes to by the headline figures, a picture at a time, and drop the answers.

        Args:
            partners: deals.
            truth: of the picture at a position.
            places: where each picture lies on its canvas.
            rule: by which the model was judged.
            classes: K.
        """
        found: list[list[objects.Row]] = [[] for _ in partners]
        with self.path.open("rb") as stream:
            for row, at in enumerate(places):
                there = truth(row) if partners else None
                for rows, deal in zip(found, partners, strict=True):
                    other = int(deal[row])
                    stream.seek(self.offsets[other])
                    answer = moved(_read(json.loads(stream.readline())), places[other], at)
                    assert there is not None  # noqa: S101 - there is a deal
                    rows.append(objects.observe(there, answer, rule, classes, whole=False))
        self.path.unlink()
        return [detection_rows.gather(rows, classes) for rows in found]


def _read(line: list[Any]) -> Answer:
    labels, scores, boxes, masks = line
    coded = None if masks is None else [{"size": mask["size"], "counts": mask["counts"].encode("ascii")} for mask in masks]
    none = np.zeros(len(labels))
    places = np.array(boxes, np.float64).reshape(-1, 4)
    return Answer(np.array(labels, np.int64), np.array(scores, np.float64), places, none, None, coded)
