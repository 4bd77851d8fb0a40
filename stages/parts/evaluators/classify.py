"""Classification: accuracy, precision, recall, F1 and the twin that was trained from scratch."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from stages.core.dataset import Dataset
from stages.core.display import view
from stages.core.params import Params as Base
from stages.maths import confusion, paired
from stages.maths.measures import Measure, estimate, from_confusions, proportion
from stages.parts.evaluators import BEST, SCRATCH, Mistake, Prediction, _gallery, _plots

TABLE = "predictions.parquet"


class Params(Base):
    """Nothing to choose."""


def build(params: Params, data: Dataset, folder: Path) -> "Classify":
    """Return the evaluator of the pictures that carry a label."""
    del params
    rows = data.manifest[data.manifest["label"].notna()].reset_index(drop=True)
    return Classify(replace(data, manifest=rows), folder)


@dataclass
class Classify:
    """Judges predicted labels; see ``evaluators.Evaluator``.

    ``predictions.parquet`` has one row per picture: ``image_id``, ``label``, ``predicted``, ``score`` (of the prediction),
    ``truth_score``, for the twin ``scratch_predicted``, and ``score_<label>`` for every label.
    """

    data: Dataset
    folder: Path
    models: Sequence[str] = (BEST, SCRATCH)
    legend: str = "The surest first."
    colours: Sequence[tuple[str, tuple[int, int, int]]] = ()
    scores: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)

    def add(self, model: str, predictions: Sequence[Prediction]) -> None:
        """Take ``scores`` (K,) of the next pictures."""
        self.scores.setdefault(model, []).extend(np.asarray(p["scores"], np.float64) for p in predictions)

    def save(self) -> None:
        """Write ``predictions.parquet``."""
        labels = np.array(self.data.info.labels, dtype=object)
        best = np.stack(self.scores[BEST])
        truth = self._indices(self.data.manifest["label"])
        table = self.data.manifest[["image_id", "label"]].copy()
        table["predicted"] = labels[best.argmax(1)]
        table["score"] = best.max(1).round(6)
        table["truth_score"] = best[np.arange(len(truth)), truth].round(6)
        if SCRATCH in self.scores:
            table["scratch_predicted"] = labels[np.stack(self.scores[SCRATCH]).argmax(1)]
        columns = pd.DataFrame(best.round(6), columns=[f"score_{name}" for name in labels])
        pd.concat([table, columns], axis=1).to_parquet(self.folder / TABLE, index=False)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The saved predictions."""
        return pd.read_parquet(self.folder / TABLE)

    def _indices(self, names: "pd.Series[Any]") -> NDArray[np.int64]:
        order = {name: index for index, name in enumerate(self.data.info.labels)}
        return np.array([order[name] for name in names], np.int64)

    def measures(self) -> list[Measure]:
        """Return accuracy and macro F1, and the recall of each class to be listed."""
        truth, said = self._indices(self.table["label"]), self._indices(self.table["predicted"])
        num, classes = len(truth), len(self.data.info.labels)
        ones = np.ones(num)
        cells = sparse.csr_array((ones, (np.arange(num), truth * classes + said)), shape=(num, classes**2))
        found = [
            proportion("accuracy", "accuracy", "pictures", (truth == said).astype(np.float64), ones),
            from_confusions(
                "macro_f1", "macro F1", "pictures", cells, classes, lambda t: confusion.precision_recall_f1(t)[2]
            ),
        ]
        for index, name in enumerate(self.data.info.labels):
            there = np.asarray(truth == index, np.float64)
            hit = there * np.asarray(said == index, np.float64)
            found.append(proportion(f"recall/{name}", f"recall of {name}", "pictures", hit, there, judged=False))
        return found

    def figures(self, weights: NDArray[np.float64]) -> dict[str, Any]:
        """Return headline figures, the twin's beside them, and each class."""
        everything = np.ones(len(self.table), bool)
        content: dict[str, Any] = {
            m.name: estimate(m, everything, weights, percentile=True).content() for m in self.measures() if m.judged
        }
        counts = self._counts()
        table = zip(*confusion.precision_recall_f1(counts), counts.sum(1), strict=True)
        content["per_class"] = {
            name: {"precision": p, "recall": r, "f1": f, "n": int(n)}
            for name, (p, r, f, n) in zip(self.data.info.labels, table, strict=True)
        }
        return content | (self._twin(everything, weights) if "scratch_predicted" in self.table else {})

    def _counts(self) -> NDArray[np.int64]:
        truth, said = self._indices(self.table["label"]), self._indices(self.table["predicted"])
        return confusion.confusion_matrix(truth, said, len(self.data.info.labels))

    def _twin(self, everything: NDArray[np.bool_], weights: NDArray[np.float64]) -> dict[str, Any]:
        """Judge the twin on the same pictures."""
        right = np.asarray(self.table["predicted"] == self.table["label"], np.float64)
        twin = np.asarray(self.table["scratch_predicted"] == self.table["label"], np.float64)
        measure = proportion("accuracy", "accuracy", "pictures", twin, np.ones(len(twin)))
        gain, low, high = paired.difference(right.tolist(), twin.tolist())
        return {
            "scratch": {"accuracy": estimate(measure, everything, weights).content()},
            "gain_over_scratch": {"value": gain, "low": low, "high": high, "n": len(twin)},
        }

    def plots(self) -> None:
        """Draw the confusion matrix."""
        pairs = zip(
            self._indices(self.table["label"]).tolist(), self._indices(self.table["predicted"]).tolist(), strict=True
        )
        _plots.confusion(self.folder, self._counts(), self.data.info.labels, sorted(pairs))

    def mistakes(self) -> list[Mistake]:
        """Return the wrong pictures, the surest first."""
        wrong = self.table[self.table["label"] != self.table["predicted"]]
        found = [
            Mistake(int(r.Index), float(r.score - r.truth_score), f"is {r.label}\nsaid {r.predicted} ({r.score:.2f})")  # type: ignore[arg-type, operator]
            for r in wrong.itertuples()
        ]
        return sorted(found, key=lambda m: (-m.badness, m.row))

    def draw(self, mistake: Mistake) -> NDArray[np.uint8]:
        """Return the picture, enlarged."""
        return _gallery.enlarged(view(self.data.info.pixels, self.data.root / self.data.manifest["path"][mistake.row]))[0]
