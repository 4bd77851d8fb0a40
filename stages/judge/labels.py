"""A picture's label beside the one that was said: what every figure of ``classify`` is read from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.judge import answers, classes
from stages.judge.classes import Counts


@dataclass(frozen=True)
class Row:
    """One picture's sufficient statistics.

    Attributes:
        truth: index of its class.
        said: index of the class with the highest score; of equal ones the first.
        score: that score.
        truth_score: the score of its class.
    """

    truth: int
    said: int
    score: float
    truth_score: float


def observe(truth: int, answer: Mapping[str, NDArray[Any]], name: str) -> Row:
    """Return one picture's row.

    Args:
        truth: index of its class.
        answer: ``scores`` (K,).
        name: of the picture.

    Raises:
        DataError: the answer is not finite.
    """
    answers.check(answer, name)
    scores = np.asarray(answer["scores"], np.float64)
    said = int(scores.argmax())
    return Row(truth, said, float(scores[said]), float(scores[truth]))


def counts(truth: Sequence[int] | NDArray[Any], said: Sequence[int] | NDArray[Any], num_classes: int) -> Counts:
    """Count classes by picture.

    Args:
        truth: (N,) class indices.
        said: (N,) class indices.
        num_classes: K.
    """
    real, answer = np.asarray(truth, np.int64), np.asarray(said, np.int64)
    ones = np.ones(real.size, np.int64)
    return classes.counts(np.arange(real.size), real * num_classes + answer, ones, real.size, num_classes)
