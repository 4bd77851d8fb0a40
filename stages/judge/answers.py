"""What every answer of a model must be before it is judged, whoever asks: validation, evaluation or the gate."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import DataError


def check(answer: Mapping[str, NDArray[Any]], name: str) -> None:
    """Refuse an answer with numbers that are none.

    Sorted, compared or turned into whole numbers, NaN would pass for an ordinary answer, a right one among them.

    Args:
        answer: arrays by name.
        name: of the picture, as its user knows it.

    Raises:
        DataError: a part of it is not finite.
    """
    numbers = {part: values for part, values in answer.items() if np.asarray(values).dtype.kind == "f"}  # the rest is whole
    bad = [part for part, values in numbers.items() if not np.isfinite(values).all()]
    if bad:
        told = "the weights may have diverged: train it again (a lower learning_rate, or precision: fp32)"
        raise DataError(f"the model's answer for {name} is not finite ({', '.join(bad)}); {told}")
