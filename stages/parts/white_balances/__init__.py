"""White balances: the gain of each colour, found before demosaicing.

``build(params)`` returns ``(mosaic (H, W) float32 black 0 white 1, pattern, camera_gains (3,) or None) -> gains (3,)``; the
stage scales the gains so that the smallest is 1, or blown white would not stay white.
"""
