"""Train the backbone without labels, on training pictures only.

In: ``data/preprocessed`` (training split; labels of the validation split for the kNN probe alone).
Out: ``data/pretrained``: ``backbone.safetensors``, ``backbone.json``, ``curves.csv``; ``data/metrics/pretrain.json``,
which says whether the kNN probe was best in the last epoch or still rose (``stages/judge/curves.py``).
Choices: the backbone and the method (``params.yaml``: ``pretrain``). Not on augmented pictures: a new policy must not
retrain the backbone, and the method makes its own views.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from stages.core import artefacts, checkpoint, dataset, files, loading, training
from stages.core.compute import Compute, Machine, prepare, seeded
from stages.core.dataset import Dataset
from stages.core.errors import DataError, ParamsError
from stages.core.loading import Examples, Loading
from stages.core.params import Part
from stages.core.seeds import derive
from stages.core.stage import Job, Keep, Metrics, Note, Record
from stages.core.training import Budget, History, Plan
from stages.judge import curves
from stages.maths import embeddings

if TYPE_CHECKING:
    from torch import nn

NEIGHBOURS = 20
WATCHED = "probe/knn_accuracy"  # where pictures have labels; it chooses nothing, the last epoch's weights are taken


class Params(Budget):
    """Parameters.

    Attributes:
        backbone: the network; see ``stages/parts/backbones``.
        ssl: the method; see ``stages/parts/ssl``.
        probe_every: epochs between two looks at the features (kNN probe, collapse meter); the last epoch always has one.
        loading: how pictures come from disk.
        compute: where.
    """

    backbone: Annotated[str, Part("backbones")]
    ssl: Annotated[str, Part("ssl")]
    probe_every: Annotated[int, Field(ge=1)]
    loading: Loading
    compute: Compute


@dataclass(frozen=True)
class Probe:
    """What the features are judged by.

    Attributes:
        train: training pictures.
        val: validation pictures.
        labels: class index of each training and of each validation picture, -1 where there is none; None without any.
    """

    train: Examples
    val: Examples
    labels: tuple[NDArray[np.int64], NDArray[np.int64]] | None


def run(job: Job[Params]) -> Iterator[Record]:
    """Train the backbone and write it with its curves.

    Raises:
        DataError: the training split is empty.
        ParamsError: a batch is too small for the method.
        RawlineError: the loss is not finite.
    """
    params, machine = job.params, prepare(job.params.compute)
    data = dataset.read(artefacts.PREPROCESSED)
    probe, note = _probe(data, params.loading.memory_mb)
    _require_batches(job, len(probe.train))
    yield note
    model = _model(job, machine, data)
    random = _look(job, machine, probe, _calibrated(job, machine, probe, model.backbone))
    random_figures = {f"random_{name}": value for name, value in random.items()}
    yield Metrics({f"random/{name}": value for name, value in random.items()})
    history = yield from training.train(
        model, [{"params": list(model.parameters()), "scale": 1.0}], _plan(job, machine, probe)
    )
    final = _look(job, machine, probe, model.backbone)
    curve = curves.read([row.get(WATCHED, math.nan) for row in history.rows])
    rises = {} if probe.labels is None else {f"knn_{name}": float(value) for name, value in curve.content().items()}
    if told := curves.sentence(curve, WATCHED, "pretrain.epochs"):
        yield Note(told)
    counts = {"num_train": float(len(probe.train))}
    yield from _write(job, model.backbone, history, final | random_figures | rises | counts)


def _probe(data: Dataset, memory_mb: int) -> tuple[Probe, Note]:
    train, val = data.subset("train"), data.subset("val")
    if not len(train.manifest):
        raise DataError(
            f"{data.root} has no picture in split 'train'; there is nothing to learn from (params.yaml: acquire)"
        )
    found = _classes(train), _classes(val)
    labels = None if any((side < 0).all() for side in found) else found
    kind = "label" if data.info.labels else "category of the largest object"
    text = f"the kNN probe judges by the {kind}" if labels else f"{_unknown(*found)}: the kNN probe is skipped"
    probe = Probe(Examples(train, None, memory_mb), Examples(val, None, memory_mb), labels)
    return probe, Note(f"{len(train.manifest)} training pictures; {text}")


def _unknown(train: NDArray[np.int64], val: NDArray[np.int64]) -> str:
    """Say why pictures of one class each cannot be compared."""
    if not val.size:
        return "split 'val' has no picture"
    bare = [f"'{split}'" for split, side in (("train", train), ("val", val)) if (side < 0).all()]
    return f"no label and no object in split {' and '.join(bare)}"


def _classes(data: Dataset) -> NDArray[np.int64]:
    """Return each picture's class: its label, else the category of its largest object, else -1."""
    if data.info.labels:
        index = {name: position for position, name in enumerate(data.info.labels)}
        return np.array([index.get(label, -1) for label in data.manifest["label"]], dtype=np.int64)
    largest = [max(marks, key=lambda m: m["bbox"][2] * m["bbox"][3], default=None) for marks in data.annotations().values()]
    return np.array([mark["category_id"] - 1 if mark else -1 for mark in largest], dtype=np.int64)


def _model(job: Job[Params], machine: Machine, data: Dataset) -> Any:
    row = data.manifest.iloc[0]
    seed = derive(job.seed, "pretrain", "weights")
    backbone = job.part("backbones").build(seed=seed, pretrained=True, pixels=data.info.pixels)
    with seeded(seed):
        return machine.put(job.part("ssl").build(backbone=backbone, size_px=(int(row["height"]), int(row["width"]))))


def _calibrated(job: Job[Params], machine: Machine, probe: Probe, backbone: Any) -> Any:
    """Return a copy of the untrained backbone whose BatchNorm knows the pictures' statistics.

    Without it the control would be handicapped: a random network with the statistics of no data.
    """
    import copy  # noqa: PLC0415 - here alone

    import torch  # noqa: PLC0415 - heavy; only those who train need it

    twin = copy.deepcopy(backbone).train()
    for module in twin.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain mean over all batches
    with torch.no_grad(), machine.autocast():
        for pictures, _ in loading.batches(probe.train, loading.order(len(probe.train), job.params.batch_size, None), 0):
            twin(machine.images(pictures))
    return twin.eval()


def _require_batches(job: Job[Params], num: int) -> None:
    """See to it that each batch holds as many pictures as the method compares.

    Raises:
        ParamsError: one does not.
    """
    least, method = getattr(job.part("ssl").module, "LEAST", 1), job.part("ssl").name
    smallest = min(len(batch) for batch in loading.order(num, job.params.batch_size, None))
    if smallest < least:
        raise ParamsError(
            f"pretrain.batch_size {job.params.batch_size} makes a batch of {smallest} of the {num} training pictures; "
            f"{method} compares at least {least}: give a larger one, or more pictures (params.yaml: pretrain.batch_size)"
        )


def _plan(job: Job[Params], machine: Machine, probe: Probe) -> Plan:
    params, seed, num = job.params, derive(job.seed, "pretrain"), len(probe.train)

    def batches(epoch: int) -> Iterator[loading.Batch]:
        plan = loading.order(num, params.batch_size, derive(seed, "order", epoch))
        return loading.batches(probe.train, plan, params.loading.workers)

    def judge(model: Any, epoch: int) -> dict[str, float]:
        due = epoch % params.probe_every == 0 or epoch == params.epochs
        found = _look(job, machine, probe, model.backbone) if due else {}
        return {f"probe/{name}": value for name, value in found.items()}

    def loss(model: "nn.Module", batch: loading.Batch, step_seed: int) -> training.Losses:
        return {job.part("ssl").name: model(machine.images(batch[0]), step_seed)}

    return Plan(
        budget=params,
        machine=machine,
        seed=seed,
        num_batches=len(loading.order(num, params.batch_size, None)),
        batches=batches,
        loss=loss,
        judge=judge,
        watch=None,
        patience=0,
        work=job.work,
        key=f"{seed} {params!r} {job.part('backbones').params!r} {job.part('ssl').params!r} "
        f"{probe.train.ids} {probe.train.data.info.pixels}",
        what="pretraining",
    )


def _look(job: Job[Params], machine: Machine, probe: Probe, backbone: Any) -> dict[str, float]:
    """Measure the features: kNN accuracy, spread and effective rank."""
    train, val = (_features(job, machine, side, backbone) for side in (probe.train, probe.val))
    figures = {"spread": embeddings.spread(train), "effective_rank": embeddings.effective_rank(train)}
    if probe.labels is None:
        return figures
    (known, asked) = (labels >= 0 for labels in probe.labels)
    knn = embeddings.knn_accuracy(train[known], probe.labels[0][known], val[asked], probe.labels[1][asked], NEIGHBOURS)
    return {"knn_accuracy": knn, **figures}


def _features(job: Job[Params], machine: Machine, examples: Examples, backbone: Any) -> NDArray[np.float32]:
    """Return the pooled last features, (N, D) float32."""
    import torch  # noqa: PLC0415 - heavy; only those who train need it

    backbone.eval()
    rows = []
    with torch.inference_mode(), machine.autocast():
        for pictures, _ in loading.batches(examples, loading.order(len(examples), job.params.batch_size, None), 0):
            rows.append(backbone(machine.images(pictures))[-1].float().mean(dim=(2, 3)).cpu().numpy())
    width = backbone.channels[-1]
    return np.concatenate(rows) if rows else np.zeros((0, width), np.float32)


def _write(job: Job[Params], backbone: Any, history: History, figures: dict[str, float]) -> Iterator[Record]:
    with files.atomic(artefacts.PRETRAINED) as folder:
        folder.mkdir(parents=True)
        checkpoint.save(folder / "backbone.safetensors", backbone.state_dict())
        files.write_json(folder / "backbone.json", checkpoint.describe(job.part("backbones")))
        table = pd.DataFrame(history.rows, columns=None if history.rows else ["epoch"]).astype({"epoch": int})
        table.to_csv(folder / "curves.csv", index=False, float_format="%.6g", lineterminator="\n")
    files.write_json(artefacts.PRETRAIN_METRICS, figures)
    yield Metrics(figures)
    yield Keep(artefacts.PRETRAINED / "curves.csv")
