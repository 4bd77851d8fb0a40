"""Reads the numbers of annotations: what is none, not finite or larger than any picture has is that annotation's fault."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.errors import DataError

LARGEST = 2.0**31  # beyond any side, corner or run of a picture; pycocotools counts in 32 bit
_DIGITS = 300  # of an integer that a float can hold
_SHOWN = 40


def number(value: Any, what: str) -> float:
    """Return a number that a picture can have.

    Args:
        value: a number, or its text.
        what: its name, for the message.

    Raises:
        ValueError: it is none, not finite, or beyond ``LARGEST`` either way.

    Example:
        >>> number("12.5", "xmin")
        12.5
        >>> number(1e999, "width")
        Traceback (most recent call last):
        ValueError: width is inf; expected a number up to 2147483648
    """
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} is {_shown(value)}; expected a number") from error
    if not abs(found) <= LARGEST:
        raise ValueError(f"{what} is {found:g}; expected a number up to {LARGEST:.0f}")
    return found


def whole(value: Any, what: str) -> int:
    """Return a number without its fraction; see ``number``."""
    return int(number(value, what))


def check_rings(rings: Iterable[Any]) -> None:
    """Refuse polygons with a corner that no picture can have; what else is wrong with them the gate tells.

    Raises:
        ValueError: a value is not finite or beyond ``LARGEST``.
    """
    for ring in rings:
        try:
            corners = np.asarray(ring, dtype=np.float64)
        except OverflowError as error:
            raise ValueError("a corner of the segmentation is too large a number") from error
        except (TypeError, ValueError):
            continue
        if not (np.abs(corners) <= LARGEST).all():
            raise ValueError("a corner of the segmentation is no finite number, or too large a one")


def read_json(text: str, file: Path) -> Any:
    """Return the content of a JSON; an integer of more digits than any number here has becomes infinite.

    Raises:
        DataError: it is broken, or nested deeper than Python can follow.
    """
    try:
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) <= _DIGITS else math.inf)
    except json.JSONDecodeError as error:
        raise DataError(f"{file} is broken JSON: {error}") from error
    except RecursionError as error:
        raise DataError(f"{file} is no JSON of annotations: it is nested too deeply") from error


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."
