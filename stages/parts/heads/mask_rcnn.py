"""Mask R-CNN (He et al. 2017, arXiv:1703.06870) with a feature pyramid, torchvision's, on a pretrained backbone."""

from typing import Annotated, Any

from pydantic import Field
from torch import Tensor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from stages.parts.heads._detection import LEVELS, DetectionParams, Detector

TASKS = ("instance",)
INSIDE = 0.5


class Params(DetectionParams):
    """Those of ``DetectionParams`` and one more.

    Attributes:
        mask_width: channels of the mask head.
    """

    mask_width: Annotated[int, Field(ge=8)]


class _MaskPredictor(MaskRCNNPredictor):
    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = super().forward(x)
        return logits.float()


class InstanceSegmenter(Detector):
    """A detector that draws each object's outline too; see the family's head."""

    def __init__(self, params: Params, backbone: Any, num_classes: int, size_px: tuple[int, int]) -> None:
        super().__init__(params, backbone, num_classes, size_px)
        layers = [params.mask_width] * 4
        self.roi_heads.mask_roi_pool = MultiScaleRoIAlign(list(LEVELS), output_size=14, sampling_ratio=2)
        self.roi_heads.mask_head = MaskRCNNHeads(params.width, layers, 1)
        self.roi_heads.mask_predictor = _MaskPredictor(params.mask_width, params.mask_width, num_classes + 1)

    def predict(self, images: Tensor) -> list[dict[str, Tensor]]:
        """Return the detector's answer and ``masks`` (N, H, W) bool."""
        found, _ = self._pass(images, None)
        return [self._answer(one) | {"masks": one["masks"][:, 0] > INSIDE} for one in found]


def build(params: Params, *, backbone: Any, num_classes: int, size_px: tuple[int, int]) -> InstanceSegmenter:
    """Return the segmenter; see the family's head."""
    return InstanceSegmenter(params, backbone, num_classes, size_px)
