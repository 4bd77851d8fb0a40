"""Memory of judging by the number of pictures: validation, evaluation and audit of instances, the answers canned.

Every picture holds a hundred objects, each with its mask, and is answered with a hundred masks. Each step runs in a process
of its own, over all pictures and over a quarter of them: what the peak grows by between the two is the slope. Also as
``python -m tests.bench.streaming NUM`` for another number of pictures.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages import audit, evaluate
from stages.core import artefacts, checkpoint, dataset, files, images
from stages.core.stage import Job
from stages.judge.validation import Truths, Validation
from stages.maths import rle
from tests.bench.harness import Entry

NUM_PICTURES = 20_000
PARTS = 4  # the smaller measurement has this part of the pictures
SIZE_PX = 80
CELL_PX = 8  # a hundred objects in a square of ten by ten
NUM_CLASSES = 5
TASK = "instance"
EVALUATE = {"num_bootstraps": 100, "num_worst": 1, "min_score": 0.5, "max_detections": 100, "average_precision": "coco"}
AUDIT = {
    "max_gap": 0.1,
    "min_worst_group": 0.5,
    "min_group": 10,
    "max_groups": 20,
    "leave_out": [],
    "alpha": 0.05,
    "num_permutations": 2000,
    "num_bootstraps": 100,
    "num_pictures": 0,
}
Prediction = dict[str, NDArray[Any]]


def measure(num_pictures: int = NUM_PICTURES) -> list[Entry]:
    """Measure peak memory and time of the three steps, and what each thousand pictures more take."""
    entries = []
    small, large = (_apart(num) for num in (num_pictures // PARTS, num_pictures))
    words = f"{num_pictures} pictures of 100 masks"
    for step in small:
        slope = (large[step]["mb"] - small[step]["mb"]) / (num_pictures - num_pictures // PARTS) * 1000
        entries += [
            Entry(f"scale.{step}_mb", large[step]["mb"], f"MB at most, {words}"),
            Entry(f"scale.{step}_mb_per_1000", slope, "MB for each 1,000 pictures more"),
            Entry(f"scale.{step}_s", large[step]["seconds"], f"CPU s, {words}"),
        ]
    return entries


def _apart(num_pictures: int) -> dict[str, dict[str, float]]:
    """Run every step over so many pictures in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.streaming"]
        found = {}
        for step in ("make", *STEPS):
            done = subprocess.run([*command, folder, step, str(num_pictures)], check=True, stdout=subprocess.PIPE, text=True)
            found[step] = json.loads(done.stdout.splitlines()[-1])
    return {step: found[step] for step in STEPS}


def _mask(place: int) -> NDArray[np.bool_]:
    """Return the mask of an object: most of its cell."""
    inside = np.zeros((SIZE_PX, SIZE_PX), bool)
    y, x = divmod(place, SIZE_PX // CELL_PX)
    inside[y * CELL_PX + 1 : (y + 1) * CELL_PX, x * CELL_PX + 1 : (x + 1) * CELL_PX] = True
    return inside


def _box(place: int) -> list[float]:
    y, x = divmod(place, SIZE_PX // CELL_PX)
    return [x * CELL_PX + 1.0, y * CELL_PX + 1.0, CELL_PX - 1.0, CELL_PX - 1.0]


def canned() -> Prediction:
    """Return the one answer that every picture gets: a hundred objects, some a pixel aside, some of another class."""
    places = range((SIZE_PX // CELL_PX) ** 2)
    boxes = np.array([_box(place) for place in places])
    boxes[:, 2:] += boxes[:, :2]
    return {
        "boxes": boxes.astype(np.float32),
        "labels": np.array([1 + (place + (place % 7 == 0)) % NUM_CLASSES for place in places]),
        "scores": np.linspace(0.99, 0.4, len(places), dtype=np.float32),
        "masks": np.stack([np.roll(_mask(place), int(place % 10 == 0), axis=1) for place in places]),
    }


class Canned:
    """Answers like a trained model."""

    card: dict[str, Any] = {"task": TASK, "classes": [f"class {k}" for k in range(NUM_CLASSES)]}  # noqa: RUF012 - never changed

    def __init__(self) -> None:
        self.answer = canned()

    def predict(self, pictures: Sequence[NDArray[Any]]) -> list[Prediction]:
        """Return a fresh copy for each picture, as a model would."""
        return [{name: value.copy() for name, value in self.answer.items()} for _ in pictures]


def make(num_pictures: int) -> None:
    """Write a test split whose pictures are one file under many names; annotations line by line."""
    root = artefacts.PREPROCESSED
    (root / "images").mkdir(parents=True)
    names = [f"{i:016x}" for i in range(num_pictures)]
    images.write_png(root / "images/one.png", np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8))
    for name in names:
        (root / f"images/{name}.png").hardlink_to(root / "images/one.png")
    rows = pd.DataFrame({"image_id": names, "path": [f"images/{n}.png" for n in names], "width": SIZE_PX, "height": SIZE_PX})
    groups = np.array(list("abcd"), dtype=object)[np.arange(num_pictures) % 4]
    rows = rows.assign(split="test", label=None, source=rows["path"], mask=None, group_ground=groups)
    dataset.write(root, dataset.Info("scale", "made", categories=tuple(Canned.card["classes"])), rows, [])
    content = files.read_json(root / "annotations.json")
    with (root / "annotations.json").open("w", encoding="utf-8") as stream:
        stream.write('{"annotations": [')
        stream.writelines(_annotations(num_pictures))
        stream.write(f'], "categories": {json.dumps(content["categories"])}, "images": {json.dumps(content["images"])}}}\n')


def _annotations(num_pictures: int) -> Iterator[str]:
    """Yield the annotations as text; only numbers differ from picture to picture."""
    places = range((SIZE_PX // CELL_PX) ** 2)
    ends = []
    for place in places:
        coded = {"bbox": _box(place), "category_id": 1 + place % NUM_CLASSES, "iscrowd": 0}
        coded |= {"area": (CELL_PX - 1.0) ** 2, "segmentation": rle.encode(_mask(place))}
        ends.append(json.dumps(coded)[1:])
    for picture in range(num_pictures):
        for place, rest in zip(places, ends, strict=True):
            number = picture * len(ends) + place + 1
            yield f'{"," if number > 1 else ""}\n{{"id": {number}, "image_id": {picture + 1}, {rest}'


def validate() -> None:
    """Take the truths of the split and the canned answers picture by picture, as finetune does after an epoch."""
    data = dataset.read(artefacts.PREPROCESSED).subset("test")
    truths, found, model = Truths(data), Validation(TASK, NUM_CLASSES), Canned()
    for place in range(len(data.manifest)):
        marks, at = truths[place]
        found.marks(marks, model.predict([np.zeros(0)])[0], at, "")
    found.figures()


def evaluated() -> None:
    """Run the evaluate stage with the canned model."""
    artefacts.finetuned(TASK).mkdir(parents=True)
    checkpoint.load = lambda *_, **__: Canned()  # type: ignore[assignment, return-value]
    for _ in evaluate.run(Job(evaluate.Params(**EVALUATE), {}, 7, Path("work"), TASK)):  # type: ignore[arg-type]
        pass


def audited() -> None:
    """Run the audit stage over what was evaluated."""
    for _ in audit.run(Job(audit.Params(**AUDIT), {}, 7, Path("work"), TASK)):  # type: ignore[arg-type]
        pass


def read() -> None:
    """Read the data set alone: what the annotations take of all that follows."""
    dataset.read(artefacts.PREPROCESSED).subset("test")


STEPS = {"read": read, "validate": validate, "evaluate": evaluated, "audit": audited}


def _run(folder: str, step: str, num_pictures: int) -> None:
    """Run one step in a folder and print what it took."""
    os.chdir(folder)
    start = time.process_time()
    if step == "make":
        make(num_pictures)
    else:
        STEPS[step]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.process_time() - start, "mb": peak}))


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    if len(sys.argv) == 2:  # the number of pictures alone
        for entry in measure(int(sys.argv[1])):
            print(f"{entry.name:<36} {entry.value:10.1f} {entry.unit}")
    else:
        _run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
