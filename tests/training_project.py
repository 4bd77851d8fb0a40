"""A project with tiny data and tiny budgets, in the current folder, for tests that train."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from stages import finetune, pretrain
from stages.core import artefacts, checkpoint
from stages.core import params as parameters
from stages.core.stage import Job
from stages.parts.backbones import resnet18
from tests.factories import make_dataset

BUDGET = {
    "epochs": 2, "batch_size": 8, "optimizer": "adamw", "learning_rate": 0.001, "weight_decay": 0.01, "warmup_epochs": 0.5,
    "clip_norm": 10.0, "loading": {"memory_mb": 64, "workers": 0},
    "compute": {"device": "cpu", "precision": "fp32", "threads": 1},
}  # fmt: skip
PRETRAIN = {
    **BUDGET, "backbone": "resnet18", "resnet18": {"weights": "random"}, "ssl": "simclr", "probe_every": 1,
    "simclr": {"view_px": 32, "min_scale": 0.3, "strength": 0.5, "projection_dim": 16, "temperature": 0.2},
    "denoising_autoencoder": {"view_px": 32, "min_scale": 0.5, "noise": 0.1, "hole_share": 0.3, "width": 16},
}  # fmt: skip
DETECTION = {
    "anchor_px": [8.0, 16.0, 32.0, 64.0], "width": 16, "box_width": 32, "num_proposals": 30, "num_samples": 16,
    "roi_sampling": 1, "score_threshold": 0.05, "nms_iou": 0.5, "max_detections": 10,
}  # fmt: skip
HEADS = {
    "linear": {"dropout": 0.1, "label_smoothing": 0.1, "shrink": 1},
    "unet": {"width": 64, "dice": 1.0},
    "faster_rcnn": DETECTION,
    "mask_rcnn": {**DETECTION, "mask_width": 16},
}
TUNINGS = {"full": {"backbone_scale": 1.0}, "partial": {"num_stages": 2, "backbone_scale": 0.5}, "frozen": {}}
HEAD_OF = {"classify": "linear", "segment": "unet", "detect": "faster_rcnn", "instance": "mask_rcnn"}
FINETUNE = {**BUDGET, "patience": 0, "class_weights": False, "scratch_twin": False}


def make_inputs(**options: Any) -> None:
    """Write ``data/preprocessed`` and ``data/augmented`` (the same pictures; the stage takes its training split)."""
    make_dataset(artefacts.PREPROCESSED, **{"num_images": 24, "size_px": 64, **options})
    shutil.rmtree(artefacts.AUGMENTED, ignore_errors=True)
    shutil.copytree(artefacts.PREPROCESSED, artefacts.AUGMENTED)


def pretrain_job(work: str = "work", **changes: Any) -> Job[Any]:
    """Return a job of ``pretrain``."""
    section = parameters.section(pretrain.Params, {**PRETRAIN, **changes}, "pretrain")
    return Job(section.values, section.choices, 7, Path(work))


def finetune_job(task: str, work: str = "work", tuning: str = "full", **changes: Any) -> Job[Any]:
    """Return a job of ``finetune``."""
    head = changes.pop("head", HEAD_OF[task])
    raw = {**FINETUNE, "head": head, "tuning": tuning, head: HEADS[head], tuning: TUNINGS[tuning], **changes}
    section = parameters.section(finetune.Params, raw, f"finetune.{task}")
    return Job(section.values, section.choices, 7, Path(work), task)


def make_backbone() -> None:
    """Write an untrained ``data/pretrained``."""
    backbone = resnet18.build(resnet18.Params(weights="random"), seed=3, pretrained=False)
    artefacts.PRETRAINED.mkdir(parents=True, exist_ok=True)
    checkpoint.save(artefacts.PRETRAINED / "backbone.safetensors", backbone.state_dict())
    (artefacts.PRETRAINED / "backbone.json").write_text(json.dumps({"name": "resnet18", "params": {"weights": "random"}}))


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}
