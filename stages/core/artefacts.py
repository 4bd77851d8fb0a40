"""The one home of every path that stages share; all are relative to the project's root."""

from pathlib import Path

DATA = Path("data")
METRICS = DATA / "metrics"

ACQUIRED = DATA / "acquired"
PREPROCESSED = DATA / "preprocessed"
CAMERA_REPORT = DATA / "camera_report"
AUGMENTED = DATA / "augmented"
PRETRAINED = DATA / "pretrained"

ACQUIRE_METRICS = METRICS / "acquire.json"
PREPROCESS_METRICS = METRICS / "preprocess.json"
AUGMENT_METRICS = METRICS / "augment.json"
PRETRAIN_METRICS = METRICS / "pretrain.json"


def finetuned(task: str) -> Path:
    """Return the folder with checkpoints and learning curves of a task."""
    return DATA / "finetuned" / task


def evaluated(task: str) -> Path:
    """Return the folder with predictions, plots and gallery of a task."""
    return DATA / "evaluated" / task


def audited(task: str) -> Path:
    """Return the folder with the audit report of a task."""
    return DATA / "audited" / task


def finetune_metrics(task: str) -> Path:
    """Return the metrics file of a task's training."""
    return METRICS / f"finetune_{task}.json"


def evaluate_metrics(task: str) -> Path:
    """Return the metrics file of a task's evaluation."""
    return METRICS / f"evaluate_{task}.json"


def audit_metrics(task: str) -> Path:
    """Return the metrics file of a task's audit, the verdict among them."""
    return METRICS / f"audit_{task}.json"


def receipt(task: str) -> Path:
    """Return the receipt of a task's registration."""
    return DATA / "registered" / f"{task}.json"
