"""Self-supervision: what a backbone can learn from pictures without labels.

``build(params, *, backbone, size_px) -> nn.Module``

* ``backbone``: see ``stages/parts/backbones``; kept as attribute ``backbone``.
* ``size_px``: height and width of the pictures.

``forward(images, seed) -> loss ()``: ``images`` is (B, C, H, W) float in [0, 1], of the kind ``backbone.pixels``
says; every draw follows from ``seed``. ``LEAST``, where a part has it, is the fewest pictures that a batch may hold.
"""
