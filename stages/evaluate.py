"""Judges a task's model on the test split, from which nothing is learnt.

Enters: ``data/preprocessed`` (its test split) and ``data/finetuned/<task>``.
Leaves: ``data/evaluated/<task>`` with predictions, tables, plots and a gallery of the worst mistakes, and
``data/metrics/evaluate_<task>.json``, where each headline figure is ``{"value", "low", "high", "n"}`` with a 95 % interval;
``degenerate`` there says why the figures say nothing, where they do not, ``model_digest`` which model they are of,
``tables_digest`` which tables of the folder, ``test_data_digest`` and ``measuring_digest`` which test data and which code
made them.
Choices: none; the task names its evaluator in ``stages/parts/evaluators``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from stages.core import artefacts, checkpoint, dataset, digests, figures, files, images, measuring, seeds
from stages.core.dataset import Dataset
from stages.core.errors import DataError
from stages.core.params import Params as Base
from stages.core.pixels import of
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record, Tags
from stages.judge import degenerate, units
from stages.judge.average_precision import Rule
from stages.judge.detections import is_spared
from stages.judge.draws import Draws
from stages.parts import evaluators
from stages.parts.evaluators import Evaluator

BATCH = 16  # pictures between two reports of progress
OWN = ("min_score", "max_detections", "average_precision")  # the evaluator's own parameters


class Params(Base):
    """What the evaluation takes.

    Attributes:
        num_bootstraps: draws of units behind each interval of a figure that is no share of pictures.
        num_worst: pictures in the gallery.
        min_score: detections below it are left out of recall, confusion matrix and gallery (never out of the mAP); detect
            and instance alone have it and the two that follow.
        max_detections: the surest detections of each class in each picture that count; 100 is COCO's, null takes all.
        average_precision: ``coco``, ``voc2007`` or ``voc2010``; see ``stages/parts/evaluators/_detections.py``.
    """

    num_bootstraps: Annotated[int, Field(ge=100, le=100_000)]
    num_worst: Annotated[int, Field(ge=1, le=100)]
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None
    max_detections: Annotated[int, Field(ge=1)] | None = None
    average_precision: Rule | None = None


def run(job: Job[Params]) -> Iterator[Record]:
    """Predict the test split, write tables, plots, gallery and figures."""
    task = str(job.task)
    with files.atomic(artefacts.evaluated(task)) as folder:
        folder.mkdir()
        given = {name: getattr(job.params, name) for name in OWN if name in job.params.model_fields_set}
        data = dataset.read(artefacts.PREPROCESSED)
        test = data.subset("test")  # also what this task has no truth for, as registration reads it
        judge = evaluators.load(task, given, test, folder)
        ground = {measuring.TEST: measuring.test_data(test), measuring.CODE: measuring.code(task)}
        judged = {digests.MODEL: digests.model(artefacts.finetuned(task))} | ground
        yield from _predict(judge, artefacts.finetuned(task))
        judge.save()
        evaluators.write_settings(folder, given)
        draws = Draws(
            judge.units.num,
            job.params.num_bootstraps,
            lambda: seeds.generator(job.seed, "evaluate", "bootstrap"),
        )
        content = judge.figures(draws) | torn_units(data, judge) | torn_near_copies(data) | judged
        judge.plots()
        num = _gallery_page(judge, folder, job.params.num_worst)
        judged_by = [measure.name for measure in judge.headlines() if measure.judged]
        content |= {digests.TABLES: digests.tables(folder)}
        files.write_json(artefacts.evaluate_metrics(task), content)
    yield Metrics(figures.numbers(files.tidy(content)))  # as the file has them, to the digit
    if told := figures.covers(content):
        yield Tags(told)
    if lost := figures.undefined(content):
        yield Tags({"undefined": ", ".join(lost)})
    yield Tags({degenerate.KEY: degenerate.concerned(content)})
    yield Note(_sentence(content, num))
    yield from (Note(f"degenerate evaluation: {line}") for line in degenerate.lines(content, judged_by))
    yield from map(Note, degenerate.lines(content, judged_by, others=True))
    yield from map(Note, judge.notes())
    yield from map(Note, units.torn(content))
    yield Keep(artefacts.evaluate_metrics(task))
    for path in sorted(artefacts.evaluated(task).glob("*.png")) + sorted(artefacts.evaluated(task).glob("*.csv")):
        yield Keep(path, "evaluated")


def torn_units(data: Dataset, judge: Evaluator) -> dict[str, Any]:
    """Count the units of which pictures are judged and others learnt from, and their judged pictures; empty without any."""
    elsewhere = {unit for unit, split in zip(data.units(), data.manifest["split"], strict=True) if split != "test"}
    torn = [unit for unit in judge.data.units() if unit in elsewhere]
    return {units.TORN: {"units": len(set(torn)), "pictures": len(torn)}} if torn else {}


def torn_near_copies(data: Dataset) -> dict[str, Any]:
    """Count the judged pictures of which a copy or near copy is learnt from; empty without any."""
    num = data.num_copied()
    return {units.TORN_COPIES: {"pictures": num}} if num else {}


def _predict(judge: Evaluator, trained: Path) -> Iterator[Record]:
    """Run every model over every picture."""
    rows, pixels = judge.data.manifest["path"], judge.data.info.pixels
    present = [m for m in judge.models[1:] if (trained / f"{m}.safetensors").is_file()]
    for which in [judge.models[0], *present]:
        model = checkpoint.load(trained, which)
        _check_card(judge, model.card, trained)
        yield from _beyond_the_head(judge, model.card)
        some = checkpoint.at_once(model.card["task"])
        for start in range(0, len(rows), some):
            pictures = [pixels.read(judge.data.root / path) for path in rows[start : start + some]]
            judge.add(which, model.predict(pictures))
            done = start + len(pictures)
            if done % BATCH == 0 or done == len(rows):
                yield Progress(done, len(rows), f"test pictures predicted ({which})")


def _beyond_the_head(judge: Evaluator, card: dict[str, Any]) -> Iterator[Note]:
    """Name the pictures that hold more objects than the head gives answers, whatever its quality."""
    head = card.get("head", {})
    most = head.get("params", {}).get("max_detections")
    if most is None:
        return
    marks = judge.data.annotations()
    sources = zip(judge.data.manifest["source"], judge.data.manifest["image_id"], strict=True)
    above = [source for source, name in sources if sum(not is_spared(mark) for mark in marks[name]) > most]
    if above:
        where = f"finetune.{card['task']}.{head['name']}.max_detections"
        yield Note(
            f"{len(above)} of {len(judge.data.manifest)} test pictures hold more than the {most} objects that the head "
            f"answers, {above[0]} the first: not all of them can be found ({where})"
        )


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
        title = f"The {len(shown)} worst of {figures.plural(len(mistakes), 'picture')} with mistakes. {judge.legend}"
        images.write_png(folder / "worst.png", evaluators.contact_sheet(judge, shown, title))
    return len(mistakes)


def _sentence(content: dict[str, Any], num_mistakes: int) -> str:
    found = {name: raw for name, raw in figures.headlines(content).items() if raw["value"] is not None}
    shown = [told for name, raw in found.items() if (told := figures.text(name, raw))]
    return f"{'; '.join(shown)}; {figures.plural(num_mistakes, 'picture')} with mistakes"
