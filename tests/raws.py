"""Camera files made by hand, for every test that needs one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.core import dng

MATRIX = np.array([[0.9, -0.2, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.6]])


def make_dng(  # noqa: PLR0913 - each tag is something a test varies
    mosaic: NDArray[np.uint16],
    *,
    pattern: str = "RGGB",
    black_level: Sequence[float] = (64, 64, 64, 64),
    white_level: int = 4095,
    neutral: Sequence[float] = (0.5, 1.0, 0.7),
    iso: int = 200,
) -> bytes:
    """Return a DNG of the mosaic (H, W) in digital numbers."""
    return dng.encode(
        mosaic,
        pattern=pattern,
        black_level=black_level,
        white_level=white_level,
        neutral=neutral,
        color_matrix=MATRIX,
        model="Test 1",
        iso=iso,
    )
