"""Backbones: what turns a picture into features at four scales.

``build(params, *, seed, pretrained) -> nn.Module``

* ``seed``: of the random initialisation.
* ``pretrained``: False ignores ``params.weights`` and leaves the weights random: the caller loads its own, or wants
  a model that knows nothing.

The module maps (B, 3, H, W) float srgb in [0, 1] to four features at stride 4, 8, 16 and 32; it normalises by itself.
``channels`` are the four widths; ``stages()`` lists its blocks from the input to the output, for partial tuning.
"""
