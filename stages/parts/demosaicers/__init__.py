"""Demosaicers: from one colour per pixel to three.

``build(params)`` returns a ``maths.tiling.Demosaicer``: a compiled kernel that fills a tile, callable on a whole frame as
``(mosaic (H, W) float32, pattern) -> linear_rgb (H, W, 3) float32``. Any size from 1 x 1, any of the four patterns; a flat
mosaic returns itself up to the border, and measured values stay. Values may lie below 0 and above 1; libraries
(``opencv_*``, ``libraw_*``) clip them there, round, and take the whole frame at once: they are there to compare with.
"""
