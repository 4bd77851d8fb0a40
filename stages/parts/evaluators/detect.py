"""Detection: average precision of boxes, recall, and a confusion matrix with a background row and column."""

from pathlib import Path

from stages.core.dataset import Dataset
from stages.judge.objects import Rule
from stages.parts.evaluators._detections import Params
from stages.parts.evaluators._objects import Objects

__all__ = ["Params", "build"]


def build(params: Params, data: Dataset, folder: Path) -> Objects:
    """Return the evaluator of all pictures of the test split, those without objects among them."""
    rule = Rule(params.min_score, params.max_detections, params.average_precision, masks=False)
    return Objects(data, folder, rule)
