"""White balances: the gain of each colour, found before demosaicing.

``build(params)`` returns ``(mosaic, pattern, camera_gains[, black_level, white_level]) -> gains (3,)``: the
mosaic (H, W) as the file holds it, uint16, with its levels, or float32 that is brought to black 0 and white 1 already;
``camera_gains`` (3,) or None. The estimates take one or two quick passes over it and no copy. The stage scales the gains so
that the smallest is 1, or blown white would not stay white.
"""
