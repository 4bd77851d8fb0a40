"""Tuning: which weights of a model learn, and how fast.

``build(params, *, model) -> [{"params": [...], "scale": float}, ...]``: groups of parameters with the factor on the learning
rate; everything in no group has been told not to learn (``requires_grad`` False). ``model`` is a head (see
``stages/parts/heads``). BatchNorm of frozen blocks keeps its statistics: the training loop sees to it.
"""

from typing import Any


def head_parameters(model: Any) -> list[Any]:
    """List the parameters outside the backbone."""
    return [p for name, p in model.named_parameters() if not name.startswith("backbone.")]


def split(model: Any, learning: list[Any], scale: float) -> list[dict[str, Any]]:
    """Freeze the backbone but for some blocks; return the head's group and that of those blocks.

    Args:
        model: a head with ``backbone``.
        learning: blocks of the backbone that go on learning.
        scale: their factor on the learning rate.
    """
    model.backbone.requires_grad_(requires_grad=False)
    for block in learning:
        block.requires_grad_(requires_grad=True)
    kept = [p for p in model.backbone.parameters() if p.requires_grad]
    groups = [{"params": head_parameters(model), "scale": 1.0}]
    return [*groups, {"params": kept, "scale": scale}] if kept else groups
