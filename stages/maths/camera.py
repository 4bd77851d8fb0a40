"""The camera chain on arrays, from digital numbers to linear sRGB, in the order that keeps colours true.

1. Black level, one for each position of the cell: a single one would tint the greys. What lies below black stays negative,
   because clipping there would lift the mean of noisy shadows; nothing is cut before the sRGB curve.
2. White level: saturation becomes 1.
3. White balance, BEFORE demosaicing: interpolation compares colours, and comparing them on one scale gained 2.5 dB (Malvar)
   to 8 dB (GBTF) in a linear chain. The smallest gain is 1, so that a saturated pixel reaches at least 1 in each colour.
4. Demosaicing.
5. Clip at 1, before the colour matrix: blown white is then (1, 1, 1) and stays neutral; else it would turn magenta.
6. Colour matrix, camera to XYZ to sRGB, each row's sum 1, so that white stays white (D. Coffin's dcraw; DNG 1.4, chapter 6).
7. The sRGB curve (``maths.colour``).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.maths.bayer import per_pixel
from stages.maths.colour import apply_matrix

# IEC 61966-2-1: CIE XYZ (D65, Y of white = 1) from linear sRGB.
XYZ_FROM_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def normalise(mosaic: NDArray[np.uint16], black_level: Sequence[float], white_level: float) -> NDArray[np.float32]:
    """Bring digital numbers to black 0 and white 1 (steps 1 and 2).

    Args:
        mosaic: (H, W) digital numbers.
        black_level: (4,) of the cell's positions in reading order.
        white_level: digital number of saturation, above each black level.

    Returns:
        (H, W) float32, below 0 where noise lies below black, at most 1.

    Raises:
        ValueError: the white level is not above the black levels.
    """
    if not white_level > max(black_level):
        raise ValueError(f"white level {white_level:g} is not above the black level {max(black_level):g}")
    black = per_pixel(black_level, *mosaic.shape)
    gain = per_pixel([1.0 / (white_level - level) for level in black_level], *mosaic.shape)
    return np.asarray(np.minimum((mosaic.astype(np.float32) - black) * gain, np.float32(1.0)))


def develop(
    mosaic: NDArray[np.float32],
    pattern: str,
    gains: Sequence[float],
    srgb_from_camera: NDArray[np.float64],
    demosaic: Callable[[NDArray[np.float32], str], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Turn a normalised mosaic into linear sRGB (steps 3 to 6).

    Args:
        mosaic: (H, W) as ``normalise`` returns it.
        pattern: its pattern.
        gains: (3,) white balance, positive; only ratios count.
        srgb_from_camera: (3, 3), each row's sum 1.
        demosaic: turns (H, W) and a pattern into (H, W, 3).

    Returns:
        (H, W, 3) float32, not clipped.
    """
    scaled = np.asarray(gains, dtype=np.float64) / min(gains)
    balanced = mosaic * per_pixel([scaled["RGB".index(color)] for color in pattern], *mosaic.shape)
    return apply_matrix(np.minimum(demosaic(balanced, pattern), np.float32(1.0)), srgb_from_camera)


def srgb_from_camera(camera_from_xyz: Sequence[float]) -> NDArray[np.float64]:
    """Return linear sRGB from white-balanced camera colours, each row's sum 1.

    Args:
        camera_from_xyz: nine numbers in reading order, as DNG's ColorMatrix for D65.

    Raises:
        ValueError: the matrix has no inverse or gives white no response in a colour.
    """
    camera = np.asarray(camera_from_xyz, dtype=np.float64).reshape(3, 3) @ XYZ_FROM_SRGB
    white = camera.sum(axis=1, keepdims=True)
    if (white <= 0).any() or abs(np.linalg.det(camera)) < 1e-9:  # noqa: PLR2004
        raise ValueError("the colour matrix has no inverse or answers white with nothing")
    return np.asarray(np.linalg.inv(camera / white))
