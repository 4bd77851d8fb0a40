"""Every way of tuning puts each learning weight into exactly one group and freezes the rest."""

import pytest
import torch

from stages.core import parts
from stages.core.training import still
from tests.training_project import HEADS, TUNINGS


def tuned(name: str) -> tuple[torch.nn.Module, list[dict[str, object]]]:
    backbones, heads = parts.load("backbones", "resnet18", "t"), parts.load("heads", "linear", "t")
    backbone = backbones.build(backbones.Params(weights="random"), seed=0, pretrained=False)
    model = heads.build(heads.Params(**HEADS["linear"]), backbone=backbone, num_classes=3, size_px=(64, 64))
    module = parts.load("tuning", name, "t")
    return model, module.build(module.Params(**TUNINGS[name]), model=model)


@pytest.mark.parametrize("name", parts.known("tuning"))
def test_groups_hold_what_learns_once(name: str) -> None:
    """The groups are the weights with ``requires_grad``, none twice; the head always learns at the full rate."""
    model, groups = tuned(name)
    found = [id(p) for g in groups for p in g["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    assert {id(p) for p in model.classifier.parameters()} <= set(found)
    assert groups[0]["scale"] == 1.0


@pytest.mark.parametrize(("name", "num"), [("full", 5), ("partial", 2), ("frozen", 0)])
def test_blocks_that_learn_are_the_last(name: str, num: int) -> None:
    """``full`` tunes all five blocks, ``partial`` the number asked for from the output, ``frozen`` none."""
    model, _ = tuned(name)
    learns = [all(p.requires_grad for p in stage.parameters()) for stage in model.backbone.stages()]
    assert learns == [False] * (5 - num) + [True] * num


def test_statistics_of_frozen_blocks_stand_still() -> None:
    """BatchNorm of a frozen block keeps its statistics in training, that of a learning block moves."""
    model, _ = tuned("partial")
    before = {k: v.clone() for k, v in model.state_dict().items() if "running_mean" in k}
    model.train()
    still(model)
    model(torch.rand(4, 3, 64, 64))
    moved = {k.split(".")[1] for k, v in model.state_dict().items() if "running_mean" in k and not torch.equal(v, before[k])}
    assert moved == {"layer3", "layer4"}
