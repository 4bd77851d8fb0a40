"""torchvision's two-stage detectors on our backbones: what Faster R-CNN and Mask R-CNN share.

The traps of torchvision's builders, and what is done here: BatchNorm is not frozen; pictures keep their size instead of
being brought to 800 px; the backbone alone normalises; there is one anchor size per feature map, chosen by parameter; the
loss can be had in evaluation mode; boxes without an area do not reach the loss; box arithmetic is done in float32, because
bfloat16 knows whole pixels only above 128.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from stages.core.params import Params as Base

LEVELS = ("0", "1", "2", "3")
RATIOS = (0.5, 1.0, 2.0)


class DetectionParams(Base):
    """Parameters.

    Attributes:
        anchor_px: side of the anchors at stride 4, 8, 16, 32 and, where a fifth is given, 64.
        width: channels of the feature pyramid.
        box_width: channels of the box head.
        num_proposals: regions that the first stage hands on for a picture.
        num_samples: regions of a picture that the second stage learns from in a step.
        roi_sampling: points a side that are read in each of a region's 7 x 7 cells; 2 is customary, 1 is faster.
        score_threshold: detections below it are dropped.
        nms_iou: of two detections of a class that overlap more, the weaker is dropped.
        max_detections: for one picture.
    """

    anchor_px: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=4, max_length=5)]
    width: Annotated[int, Field(ge=16)]
    box_width: Annotated[int, Field(ge=16)]
    num_proposals: Annotated[int, Field(ge=1)]
    num_samples: Annotated[int, Field(ge=1)]
    roi_sampling: Annotated[int, Field(ge=1, le=4)]
    score_threshold: Annotated[float, Field(ge=0, lt=1)]
    nms_iou: Annotated[float, Field(gt=0, le=1)]
    max_detections: Annotated[int, Field(ge=1)]


class _Pyramid(nn.Module):
    """A feature pyramid that takes our list of features and gives the dictionary that torchvision wants."""

    def __init__(self, channels: tuple[int, ...], width: int, num_levels: int) -> None:
        super().__init__()
        extra = LastLevelMaxPool() if num_levels > len(LEVELS) else None
        self.fpn = FeaturePyramidNetwork(list(channels), width, extra_blocks=extra)
        self.out_channels = width

    def forward(self, features: list[Tensor]) -> dict[str, Tensor]:
        """Map features to the pyramid's levels, float32."""
        levels = self.fpn(dict(zip(LEVELS, features, strict=True)))
        return {name: level.float() for name, level in levels.items()}


class _RPNHead(RPNHead):
    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, boxes = super().forward(x)
        return [value.float() for value in logits], [value.float() for value in boxes]


class _BoxPredictor(FastRCNNPredictor):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores, boxes = super().forward(x)
        return scores.float(), boxes.float()


class Detector(nn.Module):
    """Faster R-CNN (Ren et al. 2015, arXiv:1506.01497) with a feature pyramid (Lin et al. 2017, arXiv:1612.03144).

    Args:
        params: see ``DetectionParams``.
        backbone: see ``stages/parts/backbones``.
        num_classes: categories, background not counted.
        size_px: height and width of the training pictures; others are brought to this scale within.
    """

    def __init__(self, params: DetectionParams, backbone: Any, num_classes: int, size_px: tuple[int, int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = _Pyramid(backbone.channels, params.width, len(params.anchor_px))
        net = _torchvision(params, self.pyramid, num_classes + 1, size_px, backbone.pixels.num_channels)
        self.transform, self.rpn, self.roi_heads = net.transform, net.rpn, net.roi_heads

    def loss(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return the four (five with masks) terms of torchvision's loss, in evaluation mode too."""
        with _learning(self.rpn, self.roi_heads):
            _, losses = self._pass(images, [_torchvision_target(target) for target in targets])
        return {name.removeprefix("loss_"): value for name, value in losses.items()}

    def predict(self, images: Tensor) -> list[dict[str, Tensor]]:
        """Return ``boxes`` (N, 4) xyxy, ``labels`` (N,) COCO category ids, ``scores`` (N,), best first."""
        found, _ = self._pass(images, None)
        return [self._answer(one) for one in found]

    @staticmethod
    def _answer(found: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"boxes": found["boxes"].float(), "labels": found["labels"], "scores": found["scores"].float()}

    def _pass(
        self, images: Tensor, targets: list[dict[str, Tensor]] | None
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        sizes = [(int(images.shape[-2]), int(images.shape[-1]))] * images.shape[0]
        batch, scaled = self.transform(list(images), targets)
        levels = self.pyramid(self.backbone(batch.tensors))
        proposals, first = self.rpn(batch, levels, scaled)
        found, second = self.roi_heads(levels, proposals, batch.image_sizes, scaled)
        return self.transform.postprocess(found, batch.image_sizes, sizes), {**first, **second}


def _torchvision(
    params: DetectionParams, pyramid: _Pyramid, num_classes: int, size_px: tuple[int, int], num_channels: int
) -> FasterRCNN:
    """Return torchvision's model, from which transform, proposals and heads are taken."""
    width, num_levels = params.width, len(params.anchor_px)
    anchors = AnchorGenerator(tuple((size,) for size in params.anchor_px), (RATIOS,) * num_levels)
    return FasterRCNN(
        pyramid,
        min_size=min(size_px),
        max_size=max(size_px),
        image_mean=[0.0] * num_channels,
        image_std=[1.0] * num_channels,
        rpn_anchor_generator=anchors,
        rpn_head=_RPNHead(width, anchors.num_anchors_per_location()[0]),
        rpn_pre_nms_top_n_train=2 * params.num_proposals,
        rpn_pre_nms_top_n_test=2 * params.num_proposals,
        rpn_post_nms_top_n_train=params.num_proposals,
        rpn_post_nms_top_n_test=params.num_proposals,
        box_roi_pool=MultiScaleRoIAlign(list(LEVELS), output_size=7, sampling_ratio=params.roi_sampling),
        box_head=TwoMLPHead(width * 49, params.box_width),
        box_predictor=_BoxPredictor(params.box_width, num_classes),
        box_score_thresh=params.score_threshold,
        box_nms_thresh=params.nms_iou,
        box_detections_per_img=params.max_detections,
        box_batch_size_per_image=params.num_samples,
    )


def _torchvision_target(target: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename, and drop boxes without an area: one of them makes the loss infinite."""
    boxes = target["boxes"]
    solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kept = {"boxes": boxes[solid], "labels": target["categories"][solid]}
    return kept | ({"masks": target["masks"][solid]} if "masks" in target else {})


@contextmanager
def _learning(*modules: nn.Module) -> Iterator[None]:
    """Make the modules themselves, not what is in them, give losses: torchvision's give none in evaluation mode."""
    before = [module.training for module in modules]
    for module in modules:
        module.training = True
    try:
        yield
    finally:
        for module, value in zip(modules, before, strict=True):
            module.training = value
