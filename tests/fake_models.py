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
