"""Counts of pixels; the figures are read from them in ``confusion``."""

import numpy as np
from numpy.typing import NDArray

from stages.maths.confusion import confusion_matrix

IGNORE = 255


def pixel_confusion(truth: NDArray[np.uint8], predicted: NDArray[np.uint8], num_classes: int) -> NDArray[np.int64]:
    """Count the pixels of one picture, truth against prediction.

    Args:
        truth: (H, W) class index, 255 = ignore.
        predicted: (H, W) class index.
        num_classes: K.

    Returns:
        (K, K); row = truth.

    Raises:
        ValueError: the shapes differ or an index is K or above.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"the prediction is {predicted.shape}, the mask {truth.shape}; expected the same height and width")
    counted = truth != IGNORE
    real, said = truth[counted].astype(np.int64), predicted[counted].astype(np.int64)
    top = max(real.max(initial=0), said.max(initial=0))
    if top >= num_classes:
        raise ValueError(f"a mask holds class {top}; expected 0 to {num_classes - 1}, or 255 to ignore")
    return confusion_matrix(real, said, num_classes)
