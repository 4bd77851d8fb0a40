"""Backbones: what turns a picture into features at four scales.

``build(params, *, seed, pretrained, pixels) -> nn.Module``

* ``seed``: of the random initialisation.
* ``pretrained``: False ignores ``params.weights`` and leaves the weights random: the caller loads its own, or wants
  a model that knows nothing.
* ``pixels``: what the pictures hold (``core.pixels``): channels, and the means and deviations to normalise by; sRGB unless
  said otherwise.

The module maps (B, C, H, W) float pictures in [0, 1] to four features at stride 4, 8, 16 and 32; it normalises by itself.
``channels`` are the four widths; ``pixels`` is what it was built for; ``stages()`` lists its blocks from the input to the
output, for partial tuning.
"""
