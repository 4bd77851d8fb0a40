"""Train a task's head on the pretrained backbone.

In: ``data/augmented`` (training pictures and their copies), ``data/preprocessed`` (validation split), ``data/pretrained``.
Out: ``data/finetuned/<task>``: ``best``, ``last`` and for ``classify`` ``scratch`` (the same budget without pretraining) as
safetensors, ``model.json``, ``curves.csv``; ``data/metrics/finetune_<task>.json``, which says whether the best epoch was the
last one or the curve still rose (``stages/judge/curves.py``).
Choices: the head and the tuning (``params.yaml``: ``tasks``), the budget (``finetune.<task>``).
"""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from stages.core import artefacts, checkpoint, dataset, files, loading, training
from stages.core.compute import Compute, Machine, prepare, seeded
from stages.core.dataset import Dataset
from stages.core.errors import ParamsError
from stages.core.loading import Examples, Loading
from stages.core.params import Part
from stages.core.seeds import derive
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record
from stages.core.training import Budget, History, Plan
from stages.judge import curves, validation
from stages.judge.validation import Truths, Validation

if TYPE_CHECKING:
    from torch import Tensor, nn


class Params(Budget):
    """Parameters of one task; ``head`` and ``tuning`` come from ``tasks.<task>``.

    Attributes:
        epochs: passes over the training pictures, at least one: what has not been trained has no best epoch.
        head: what answers; see ``stages/parts/heads``.
        tuning: which weights learn; see ``stages/parts/tuning``.
        patience: epochs without a better validation figure before the training stops; 0 never stops early.
        class_weights: weigh each class of ``classify`` by the inverse of its frequency.
        scratch_twin: train the same model on the same budget without pretraining too, to see what pretraining earned.
        loading: how pictures come from disk.
        compute: where.
    """

    epochs: Annotated[int, Field(ge=1)]
    head: Annotated[str, Part("heads")]
    tuning: Annotated[str, Part("tuning")]
    patience: Annotated[int, Field(ge=0)]
    class_weights: bool
    scratch_twin: bool
    loading: Loading
    compute: Compute


@dataclass(frozen=True)
class Setting:
    """What both trainings of a task share."""

    job: Job[Params]
    task: str
    card: dict[str, Any]
    machine: Machine
    train: Examples
    val: Examples
    truths: Truths | None


def run(job: Job[Params]) -> Iterator[Record]:
    """Train, and write weights, card and curves.

    Raises:
        DataError: a split is empty or lacks what the task learns from, or an input is missing.
        ParamsError: the head does not answer the task.
        RawlineError: the loss is not finite.
    """
    setting, notes = _prepare(job)
    yield from notes
    model, groups = _pretrained(setting)
    history = yield from _train(setting, model, groups, "finetune")
    last = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    twin = (yield from _twin(setting)) if job.params.scratch_twin else None
    yield from _write(setting, history, last, twin)


def _prepare(job: Job[Params]) -> tuple[Setting, list[Note]]:
    """Read the inputs and see to it that they fit the task."""
    task = job.task or ""
    _check_head(job, task)
    train = dataset.read(artefacts.AUGMENTED).subset("train")
    val = dataset.read(artefacts.PREPROCESSED).subset("val")
    loading.require(train, task, "train")
    loading.require(val, task, "val")
    empty = tuple(loading.empty_classes(train, task))
    notes = [Note(f"no training example of '{name}': the model cannot learn it") for name in empty]
    memory = job.params.loading.memory_mb
    machine = prepare(job.params.compute)
    notes.append(Note(f"{len(train.manifest)} training and {len(val.manifest)} validation pictures on {machine.device}"))
    examples = Examples(train, task, memory), Examples(val, task, memory)
    truths = Truths(val) if task in loading.WITH_BOXES else None
    return Setting(job, task, _card(job, task, train, empty), machine, *examples, truths), notes


def _check_head(job: Job[Params], task: str) -> None:
    head = job.part("heads")
    if task not in head.module.TASKS:
        tasks = ", ".join(head.module.TASKS)
        raise ParamsError(f"tasks.{task}.head is '{head.name}', which answers {tasks} (params.yaml: tasks.{task}.head)")
    if job.params.scratch_twin and task != "classify":
        raise ParamsError(f"finetune.{task}.scratch_twin is true; only classify has a twin (params.yaml: finetune.{task})")


def _card(job: Job[Params], task: str, train: Dataset, empty: tuple[str, ...]) -> dict[str, Any]:
    """Return all that is needed to build the model again and to feed it."""
    row = train.manifest.iloc[0]
    return {
        "format": checkpoint.FORMAT,
        "name": train.info.name,
        "task": task,
        "classes": list(getattr(train.info, checkpoint.CLASSES[task])),
        "size_px": [int(row["height"]), int(row["width"])],
        "pixels": train.info.pixels.content(),
        "backbone": files.read_json(artefacts.PRETRAINED / "backbone.json"),
        "head": checkpoint.describe(job.part("heads")),
        "tuning": checkpoint.describe(job.part("tuning")),
        "budget": job.params.model_dump(mode="json", exclude={"head", "tuning", "loading", "compute"}),
        "recipe": _optional(artefacts.PREPROCESSED / "recipe.json"),
        "policy": _optional(artefacts.AUGMENTED / "policy.json"),
    } | ({"no_example": list(empty)} if empty else {})


def _optional(path: Path) -> Any:
    return files.read_json(path) if path.is_file() else None


def _pretrained(setting: Setting) -> tuple["nn.Module", list[dict[str, Any]]]:
    """Return the model on the pretrained backbone and the parameter groups that the tuning gives."""
    model = _model(setting)
    checkpoint.fill(model.backbone, artefacts.PRETRAINED / "backbone.safetensors")
    groups = setting.job.part("tuning").build(model=model)
    if not training.learns(groups):
        head, tuning = (setting.job.part(family).name for family in ("heads", "tuning"))
        raise ParamsError(
            f"tasks.{setting.task}: the head '{head}' with the tuning '{tuning}' has no weights that learn; expected a "
            f"tuning that lets the backbone learn (full, partial) or another head (params.yaml: tasks.{setting.task}.tuning)"
        )
    return model, groups


def twin_seed(seed: int, task: str) -> int:
    """Return the seed of the twin's backbone, its own for each seed of the pipeline."""
    return derive(seed, "finetune", task, "scratch")


def _model(setting: Setting) -> Any:
    """Return the twin on its device: the backbone random by its own seed, the head from the seed, the same for the model."""
    own = twin_seed(setting.job.seed, setting.task)
    with seeded(derive(setting.job.seed, "finetune", setting.task, "weights")):
        model: Any = setting.machine.put(checkpoint.build(setting.card, own))
    if setting.job.params.class_weights and setting.task == "classify":
        model.class_weights = _class_weights(setting.train.data)
    return model


def _class_weights(data: Dataset) -> "Tensor":
    """Return weights inverse to the classes' frequency, 1 on average over the pictures; 0 for an empty class."""
    import torch  # noqa: PLC0415 - heavy; only those who train need it

    counts = data.manifest["label"].value_counts().reindex(list(data.info.labels), fill_value=0).to_numpy()
    weights = np.where(counts > 0, len(data.manifest) / np.maximum(counts, 1) / (counts > 0).sum(), 0)
    return torch.tensor(weights, dtype=torch.float32)


def _train(
    setting: Setting, model: "nn.Module", groups: list[dict[str, Any]], name: str
) -> Generator[Metrics | Progress, None, History]:
    """Train one model; the twin differs from the other in ``name`` and weights alone, never in its seeds."""
    params, seed = setting.job.params, derive(setting.job.seed, "finetune", setting.task)
    num = len(loading.order(len(setting.train), params.batch_size, None))
    online = loading.online(setting.card["policy"])

    def batches(epoch: int) -> Iterator[loading.Batch]:
        plan = loading.order(len(setting.train), params.batch_size, derive(seed, "order", epoch))
        return loading.batches(setting.train, plan, params.loading.workers, online, derive(seed, "online", epoch))

    def judge(model: "nn.Module", epoch: int) -> dict[str, float]:  # noqa: ARG001 - the plan's form
        return _judge(setting, model)

    plan = Plan(
        budget=params,
        machine=setting.machine,
        seed=seed,
        num_batches=num,
        batches=batches,
        loss=lambda model, batch, _: _loss(setting.machine, model, batch),
        judge=judge,
        watch=validation.WATCH[setting.task],
        patience=params.patience,
        work=setting.job.work / name,
        key=f"{seed} {setting.card!r}",
        what=f"{name} {setting.task}",
    )
    return (yield from training.train(model, groups, plan))


def _loss(machine: Machine, model: Any, batch: loading.Batch) -> training.Losses:
    pictures, targets = batch
    there = [{name: tensor.to(machine.device) for name, tensor in target.items()} for target in targets]
    losses: training.Losses = model.loss(machine.images(pictures), there)
    return losses


def _judge(setting: Setting, model: Any) -> dict[str, float]:
    """Measure loss and the task's figure on the validation split: each picture is read, answered, observed and dropped."""
    import torch  # noqa: PLC0415 - heavy; only those who train need it

    plan = loading.order(len(setting.val), setting.job.params.batch_size, None)
    sums, found = 0.0, Validation(setting.task, len(setting.card["classes"]))
    with torch.inference_mode(), setting.machine.autocast():
        for batch in loading.batches(setting.val, plan, setting.job.params.loading.workers):
            terms = _loss(setting.machine, model, batch)
            sums += float(torch.stack(list(terms.values())).sum()) * len(batch[1])
            for target, answer in zip(batch[1], _answers(setting, model, batch[0]), strict=True):
                _observe(setting, found, target, checkpoint.to_numpy(answer))
    return {"val/loss": sums / len(setting.val), **found.figures()}


def _answers(setting: Setting, model: Any, pictures: "Tensor") -> Iterator[dict[str, "Tensor"]]:
    """Give the model's answers to a batch, of instances one at a time: their masks are whole pictures."""
    step = 1 if setting.task in checkpoint.ALONE else len(pictures)
    for start in range(0, len(pictures), step):
        yield from model.predict(setting.machine.images(pictures[start : start + step]))


def _observe(setting: Setting, found: Validation, target: dict[str, "Tensor"], answer: checkpoint.Prediction) -> None:
    row, truths = len(found.rows), setting.truths
    name = str(setting.val.data.manifest["source"].iloc[row])
    if truths is not None:
        marks, at = truths[row]
        found.marks(marks, answer, at, name)
    elif "mask" in target:
        found.mask(target["mask"].numpy(), answer, name)
    else:
        found.label(int(target["label"]), answer, name)


def _twin(setting: Setting) -> Generator[Metrics | Progress, None, History]:
    """Train the twin that was never pretrained, on the same data and epochs; it chooses its own best epoch.

    Its backbone is random by a seed of its own, drawn from the pipeline's; order of pictures, augmentation and the head's
    first weights are the model's, so that the two differ by what pretraining gave and nothing else.

    All its weights learn at the full rate, whatever the tuning: freezing random weights would make it a straw man.
    """
    model = _model(setting)
    backbone = list(model.backbone.parameters())
    known = {id(parameter) for parameter in backbone}
    head = [parameter for parameter in model.parameters() if id(parameter) not in known]
    groups = [{"params": head, "scale": 1.0}, {"params": backbone, "scale": 1.0}]  # the order of full tuning
    inner = _train(setting, model, groups, "scratch")
    while True:
        try:
            record = next(inner)
        except StopIteration as end:
            history: History = end.value
            return history
        yield _renamed(record)


def _renamed(record: Metrics | Progress) -> Metrics | Progress:
    if isinstance(record, Progress):
        return record
    return Metrics({f"scratch/{name}": value for name, value in record.values.items()}, record.step)  # noqa: PD011 - no frame


def _write(setting: Setting, history: History, last: dict[str, "Tensor"], twin: History | None) -> Iterator[Record]:
    """Write the folder and the metrics."""
    watch, figures = validation.WATCH[setting.task], {}
    with files.atomic(artefacts.finetuned(setting.task)) as folder:
        folder.mkdir(parents=True)
        checkpoint.save(folder / "best.safetensors", history.best)
        checkpoint.save(folder / "last.safetensors", last)
        table = pd.DataFrame(history.rows)
        if twin:
            checkpoint.save(folder / "scratch.safetensors", twin.best)
            table = table.merge(pd.DataFrame(twin.rows).rename(columns=_scratch), on="epoch", how="outer")
            figures = {"scratch_best_epoch": twin.best_epoch, f"scratch_{watch}": twin.best_value}
        table.astype({"epoch": int}).to_csv(folder / "curves.csv", index=False, float_format="%.6g", lineterminator="\n")
        files.write_json(folder / checkpoint.CARD, setting.card)
    found = {"": history} | ({"scratch_": twin} if twin else {})
    seen = {prefix: curves.read([row.get(watch, math.nan) for row in one.rows]) for prefix, one in found.items()}
    for prefix, curve in seen.items():
        figures |= curve.content(prefix)
    figures |= {"best_epoch": history.best_epoch, watch: history.best_value, "epochs": len(history.rows)}
    figures = {name.replace("/", "_"): value for name, value in figures.items()}
    figures |= {"num_train": len(setting.train), "num_val": len(setting.val)}
    files.write_json(artefacts.finetune_metrics(setting.task), figures)
    yield Metrics({name: float(value) for name, value in figures.items()})
    for prefix, curve in seen.items():
        if told := curves.sentence(curve, f"{'the twin: ' if prefix else ''}{watch}", f"finetune.{setting.task}.epochs"):
            yield Note(told)
    yield Keep(artefacts.finetuned(setting.task) / "curves.csv")
    yield Keep(artefacts.finetuned(setting.task) / checkpoint.CARD)


def _scratch(name: str) -> str:
    return name if name == "epoch" else f"scratch/{name}"
