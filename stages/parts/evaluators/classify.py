"""Classification: accuracy, precision, recall, F1 and the twin that was trained from scratch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages.core.dataset import Dataset
from stages.core.display import view
from stages.core.params import Params as Base
from stages.judge import classes, confusion, constants, dealt, degenerate, labels, paired, panels, units
from stages.judge.draws import Draws, estimates
from stages.judge.estimate import Estimate
from stages.judge.measures import Measure, mean_of_ratios, proportion, proportions
from stages.judge.units import Units
from stages.parts.evaluators import BEST, SCRATCH, Mistake, Prediction, _gallery, _plots

TABLE = "predictions.parquet"
SCORES = ".scores"  # while the pictures are judged: all scores, K float64 a picture
ROWS_AT_ONCE = 4096


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
    seen: dict[str, list[labels.Row]] = field(default_factory=dict)

    def add(self, model: str, predictions: Sequence[Prediction]) -> None:
        """Take ``scores`` (K,) of the next pictures; keep what was observed."""
        rows = self.seen.setdefault(model, [])
        for prediction in predictions:
            row = len(rows)
            rows.append(labels.observe(int(self._truth[row]), prediction, str(self.data.manifest["source"][row])))
            if model == BEST:
                with (self.folder / SCORES).open("ab" if row else "wb") as stream:
                    stream.write(np.asarray(prediction["scores"], np.float64).tobytes())

    def save(self) -> None:
        """Write ``predictions.parquet``."""
        with pq.ParquetWriter(self.folder / TABLE, next(self._frames(1)).schema) as writer:
            for table in self._frames(ROWS_AT_ONCE):
                writer.write_table(table)
        (self.folder / SCORES).unlink()
        self.seen = {}

    def _frames(self, step: int) -> Iterator[pa.Table]:
        """Yield the table, so many rows at a time."""
        names = np.array(self.data.info.labels, dtype=object)
        scores = np.memmap(self.folder / SCORES, np.float64, "r").reshape(-1, len(names))
        for start in range(0, len(scores), step):
            some = slice(start, start + step)
            rows = self.seen[BEST][some]
            table = self.data.manifest.loc[:, ["image_id", "label"]].iloc[some].reset_index(drop=True)
            table["predicted"] = names[[row.said for row in rows]]
            table["score"] = np.array([row.score for row in rows]).round(6)
            table["truth_score"] = np.array([row.truth_score for row in rows]).round(6)
            if SCRATCH in self.seen:
                table["scratch_predicted"] = names[[row.said for row in self.seen[SCRATCH][some]]]
            columns = pd.DataFrame(scores[some].round(6), columns=[f"score_{name}" for name in names])
            yield pa.Table.from_pandas(pd.concat([table, columns], axis=1), preserve_index=False)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The saved predictions, without the scores of all classes."""
        known = set(pq.read_schema(self.folder / TABLE).names)
        names = ("image_id", "label", "predicted", "score", "truth_score", "scratch_predicted")
        return pd.read_parquet(self.folder / TABLE, columns=[name for name in names if name in known])

    @cached_property
    def _truth(self) -> NDArray[np.int64]:
        return self._indices(self.data.manifest["label"])

    @cached_property
    def _said(self) -> NDArray[np.int64]:
        return self._indices(self.table["predicted"])

    @cached_property
    def units(self) -> Units:
        """Which pictures are drawn together."""
        return units.of(self.data.units())

    @cached_property
    def held(self) -> classes.Counts:
        """Pictures by class."""
        return labels.counts(self._truth, self._said, len(self.data.info.labels))

    def _indices(self, names: "pd.Series[Any]") -> NDArray[np.int64]:
        order = {name: index for index, name in enumerate(self.data.info.labels)}
        return np.array([order[name] for name in names], np.int64)

    def measures(self) -> list[Measure]:
        """Return accuracy and macro F1, and the recall of each class to be listed.

        Read of a group: classes that it does not hold are left out of its macro F1.
        """
        truth, said = self._truth, self._said
        num, number = len(truth), len(self.data.info.labels)
        hit, real, said_of = self.held.hit, self.held.real, self.held.said
        macro = mean_of_ratios(
            "macro_f1", "macro F1", "pictures", 2 * hit, real + said_of, real,
            counts=np.ones(num), kinds=truth * number + said,
        )  # fmt: skip
        names = [(f"recall/{name}", f"recall of {name}") for name in self.data.info.labels]
        return [_accuracy(self.held), macro, *proportions(names, "pictures", hit, real, real)]

    def contents(self) -> Any:
        """Return the label of each picture, as one of it."""
        return self.held.real

    def headlines(self) -> list[Measure]:
        """Return accuracy and macro F1 of the whole split; a class said that is not there counts, as in scikit-learn."""
        return self._headlines(self.held)

    def _headlines(self, held: classes.Counts) -> list[Measure]:
        found = [_accuracy(held), panels.mean("macro_f1", "macro F1", "pictures", held, classes.f1)]
        return [one.merged(self.units.codes, self.units.num) for one in found]

    def figures(self, draws: Draws) -> dict[str, Any]:
        """Return headline figures, the twin's beside them, and each class."""
        each = {"precision": classes.precision, "recall": classes.recall, "f1": classes.f1}
        headline = {"accuracy": classes.share, "macro_f1": classes.f1}
        found = estimates(panels.of_classes(self.held, each, headline, units=self.units, single=True), draws)
        content: dict[str, Any] = {name: found[name].content() for name in ("accuracy", "macro_f1")}
        content["per_class"] = {}
        for label, name in enumerate(self.data.info.labels):
            own = {figure: found[f"{figure}/{label}"] for figure in each}
            content["per_class"][name] = {figure: one.content() for figure, one in own.items()} | own["f1"].count()
        content |= self._degenerate({name: found[name] for name in headline}, draws)
        return content | (self._twin(draws) if "scratch_predicted" in self.table else {})

    def _degenerate(self, figures: Mapping[str, Estimate], draws: Draws) -> dict[str, Any]:
        """Return whether the figures say nothing, and why; see ``judge.degenerate``."""
        names = self.data.info.labels
        there = dict(zip(names, np.asarray(self.held.real.sum(axis=0)).ravel().tolist(), strict=True))
        label, constant = constants.of_classes(self.held)
        own = self._headlines(self.held)
        gains = constants.gains(own, [self._headlines(constant)], draws)
        gains[0] = constants.gain_of_shares(own[0], _right(self.held), _right(constant), self.units)
        deals = dealt.deals(self.data.manifest["image_id"].tolist(), self.units)
        said = [labels.counts(self._truth, self._said[deal], len(names)) for deal in deals]
        others = constants.gains(own, [self._headlines(held) for held in said], draws)
        faults = [
            *degenerate.of_variety(there, "picture"),
            *degenerate.of_classes(there, "picture"),
            *degenerate.of_constants(f"always saying {names[label]}", gains, others),
            *degenerate.of_units(*self.units.behind(np.ones(len(self._truth), bool))),
            *degenerate.of_exact(figures),
        ]
        return degenerate.content(faults, others)

    def notes(self) -> list[str]:
        """Return nothing: there is nothing to be said of labels."""
        return []

    def _twin(self, draws: Draws) -> dict[str, Any]:
        """Judge the twin on the same pictures."""
        said = self._indices(self.table["scratch_predicted"])
        held = labels.counts(self._truth, said, len(self.data.info.labels))
        accuracy = estimates(panels.of_classes(held, {}, {"accuracy": classes.share}, units=self.units, single=True), draws)[
            "accuracy"
        ]
        right, twin = (np.asarray(self._truth == one, np.float64).tolist() for one in (self._said, said))
        gain, low, high = paired.difference(right, twin, units=self.units)
        counted = accuracy.content()
        return {
            "scratch": {"accuracy": counted},
            "gain_over_scratch": {**counted, "value": gain, "low": low, "high": high, "covers": paired.COVERS},
        }

    def plots(self) -> None:
        """Draw the confusion matrix."""
        truth, said = self._truth, self._said
        counts = confusion.confusion_matrix(truth, said, len(self.data.info.labels))
        _plots.confusion(self.folder, counts, self.data.info.labels, cases=True)

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


def _accuracy(held: classes.Counts) -> Measure:
    right = _right(held)
    return proportion("accuracy", "accuracy", "pictures", right, np.ones(right.size))


def _right(held: classes.Counts) -> NDArray[np.float64]:
    """Return (N,) whether each picture's label was said, 0 or 1."""
    return np.asarray(held.hit.sum(axis=1), np.float64).ravel()
