"""Faster R-CNN with a feature pyramid, torchvision's, on a pretrained backbone."""

from typing import Any

from stages.parts.heads._detection import DetectionParams, Detector

TASKS = ("detect",)


class Params(DetectionParams):
    """Parameters: see ``DetectionParams``."""


def build(params: Params, *, backbone: Any, num_classes: int, size_px: tuple[int, int]) -> Detector:
    """Return the detector; see the family's head."""
    return Detector(params, backbone, num_classes, size_px)
