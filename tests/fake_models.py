"""Stand-ins for trained models: they know the truth of a made data set and err on purpose."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import checkpoint, images
from stages.core.dataset import Dataset

Prediction = dict[str, NDArray[Any]]


class FakeModel:
    """Answers like ``core.checkpoint.Trained``: looks a picture up by its pixels and asks ``answer`` for its row."""

    def __init__(self, task: str, data: Dataset, answer: Callable[[Any], Prediction]) -> None:
        self.card = {"task": task, "classes": list(getattr(data.info, checkpoint.CLASSES[task]))}
        self.rows = {images.read_image(data.root / row.path).tobytes(): row for row in data.manifest.itertuples()}
        self.answer = answer

    def predict(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Prediction]:
        """Predict each picture."""
        return [self.answer(self.rows[picture.tobytes()]) for picture in pictures]


def scores(label: str, labels: Sequence[str], sure: float = 0.9) -> Prediction:
    """Answer a classification with one label."""
    found = np.full(len(labels), (1 - sure) / max(len(labels) - 1, 1), np.float32)
    found[list(labels).index(label)] = sure
    return {"scores": found}


def other(label: str, labels: Sequence[str]) -> str:
    """Return the label after this one."""
    return labels[(list(labels).index(label) + 1) % len(labels)]


def loader(**models: FakeModel) -> Callable[..., FakeModel]:
    """Return what stands in for ``checkpoint.load``: models by ``which``."""

    def load(folder: Path, which: str = "best", device: str = "auto") -> FakeModel:
        return models[which]

    return load


def objects(row: Any, data: Dataset, random: np.random.Generator, *, lost: float, masks: bool) -> Prediction:
    """Answer with the true objects: some lost, some of another class, a little off, sometimes one too many."""
    from stages.maths import rle  # noqa: PLC0415 - only these tests need it

    marks = [m for m in data.annotations()[row.image_id] if random.random() >= lost]
    boxes = [np.array([m["bbox"][0], m["bbox"][1], m["bbox"][0] + m["bbox"][2], m["bbox"][1] + m["bbox"][3]]) for m in marks]
    inside = [rle.decode(m["segmentation"], row.height, row.width) for m in marks]
    labels = [m["category_id"] if random.random() > 0.1 else 1 + m["category_id"] % len(data.info.categories) for m in marks]
    inside = [np.roll(m, int(random.integers(-3, 4)), axis=1) for m in inside]
    boxes = [box + random.normal(0, 1.5, 4) for box in boxes]
    if random.random() < 0.3:
        boxes.append(np.array([2.0, 2, 20, 20]))
        labels.append(1)
        inside.append(np.zeros((row.height, row.width), bool))
        inside[-1][2:20, 2:20] = True
    found: Prediction = {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "labels": np.array(labels, np.int64),
        "scores": random.random(len(boxes)).astype(np.float32) * 0.5 + 0.5,
    }
    return found | ({"masks": np.array(inside, bool).reshape(-1, row.height, row.width)} if masks else {})


def segmented(row: Any, data: Dataset, random: np.random.Generator, *, shift: int) -> Prediction:
    """Answer with the true mask moved sideways by up to ``shift`` pixels."""
    return {"mask": np.roll(images.read_mask(data.root / row.mask), int(random.integers(0, shift + 1)), axis=1)}
