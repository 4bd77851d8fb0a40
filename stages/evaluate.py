"""Judges a task's model on the test split, which no training has seen.

Enters: ``data/preprocessed`` (its test split) and ``data/finetuned/<task>``.
Leaves: ``data/evaluated/<task>`` with predictions, tables, plots and a gallery of the worst mistakes, and
``data/metrics/evaluate_<task>.json``, where each headline figure is ``{"value", "low", "high", "n"}`` with a 95 % interval.
Choices: none; the task names its evaluator in ``stages/parts/evaluators``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from stages.core import artefacts, checkpoint, dataset, files, images, seeds
from stages.core.errors import DataError
from stages.core.params import Params as Base
from stages.core.pixels import of
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record
from stages.maths import statistics
from stages.parts import evaluators
from stages.parts.evaluators import Evaluator

BATCH = 16  # pictures between two reports of progress


class Params(Base):
    """What the evaluation takes.

    Attributes:
        num_bootstraps: draws behind each interval that is not Wilson's.
        num_worst: pictures in the gallery.
        min_score: detections below it are left out of the confusion matrix and the gallery (never out of the mAP);
            detect and
            instance alone have it.
    """

    num_bootstraps: Annotated[int, Field(ge=100, le=100_000)]
    num_worst: Annotated[int, Field(ge=1, le=100)]
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None


def run(job: Job[Params]) -> Iterator[Record]:
    """Predict the test split, write tables, plots, gallery and figures."""
    task = str(job.task)
    with files.atomic(artefacts.evaluated(task)) as folder:
        folder.mkdir()
        given = {} if job.params.min_score is None else {"min_score": job.params.min_score}
        judge = evaluators.load(task, given, dataset.read(artefacts.PREPROCESSED).subset("test"), folder)
        yield from _predict(judge, artefacts.finetuned(task))
        judge.save()
        files.write_json(folder / evaluators.SETTINGS, given)
        weights = statistics.resamples(
            len(judge.data.manifest), job.params.num_bootstraps, seeds.generator(job.seed, "evaluate", "bootstrap")
        )
        content = judge.figures(weights)
        judge.plots()
        num = _gallery_page(judge, folder, job.params.num_worst)
        files.write_json(artefacts.evaluate_metrics(task), content)
    headline = {
        name: figure["value"] for name, figure in content.items() if "value" in figure and figure["value"] is not None
    }
    yield Metrics({f"test/{name}": value for name, value in headline.items()})
    yield Note(_sentence(content, num))
    yield Keep(artefacts.evaluate_metrics(task))
    for path in sorted(artefacts.evaluated(task).glob("*.png")) + sorted(artefacts.evaluated(task).glob("*.csv")):
        yield Keep(path, "evaluated")


def _predict(judge: Evaluator, trained: Path) -> Iterator[Record]:
    """Run every model over every picture."""
    rows, pixels = judge.data.manifest["path"], judge.data.info.pixels
    present = [m for m in judge.models[1:] if (trained / f"{m}.safetensors").is_file()]
    for which in [judge.models[0], *present]:
        model = checkpoint.load(trained, which)
        _check_card(judge, model.card, trained)
        for start in range(0, len(rows), BATCH):
            pictures = [pixels.read(judge.data.root / path) for path in rows[start : start + BATCH]]
            judge.add(which, model.predict(pictures))
            yield Progress(start + len(pictures), len(rows), f"test pictures predicted ({which})")


def _check_card(judge: Evaluator, card: dict[str, Any], trained: Path) -> None:
    expected = list(getattr(judge.data.info, checkpoint.CLASSES[card["task"]]))
    if list(card["classes"]) != expected:
        raise DataError(
            f"{trained} knows the classes {card['classes']}; {artefacts.PREPROCESSED} has {expected}; train it again"
        )
    takes, given = of(card.get("pixels")).output, judge.data.info.pixels.output
    if takes != given:
        raise DataError(f"{trained} takes {takes} pictures, {artefacts.PREPROCESSED} has {given}; train it again")


def _gallery_page(judge: Evaluator, folder: Path, num_worst: int) -> int:
    """Write ``worst.png``; return how many mistakes there are in all."""
    mistakes = judge.mistakes()
    shown = mistakes[:num_worst]
    if shown:
        title = f"The {len(shown)} worst of {len(mistakes)} pictures with mistakes.  {judge.legend}"
        images.write_png(folder / "worst.png", evaluators.contact_sheet(judge, shown, title))
    return len(mistakes)


def _sentence(content: dict[str, Any], num_mistakes: int) -> str:
    shown = [
        f"{name} {f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f}, n = {f['n']})"
        for name, f in content.items()
        if "value" in f and f["value"] is not None
    ]
    return f"{'; '.join(shown)}; {num_mistakes} pictures with mistakes"
