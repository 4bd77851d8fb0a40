"""Demosaicers: from one colour per pixel to three.

``build(params)`` returns ``(mosaic (H, W) float32, pattern) -> linear_rgb (H, W, 3) float32``. Any size from 1 x 1, any of
the four patterns; values may lie below 0 and above 1. A flat mosaic returns itself up to the border.
"""
