"""Heads: what turns a backbone's features into an answer, and how far that answer is from the truth.

``build(params, *, backbone, num_classes, size_px) -> nn.Module``

* ``backbone``: see ``stages/parts/backbones``; kept as attribute ``backbone``.
* ``num_classes``: ``classify``: labels; ``segment``: classes of the masks, background included; ``detect`` and
  ``instance``: categories, background not counted.
* ``size_px``: height and width of the training pictures.

The module has

* ``loss(images, targets) -> dict[str, Tensor]``: named terms whose sum is trained, in training and evaluation mode alike;
* ``predict(images) -> list[dict[str, Tensor]]``: one answer per picture in the form of ``docs/data.md``;

``images`` is (B, C, H, W) float in [0, 1], of the kind ``backbone.pixels`` says; ``targets`` is one dictionary per picture
with the keys that the task has: ``label`` () int64; ``boxes`` (N, 4) float32 xyxy and ``categories`` (N,) int64 from 1;
``masks`` (N, H, W) uint8; ``mask`` (H, W) int64 with 255 = ignore. ``TASKS`` names the tasks that the head answers.
"""
