"""Names every number of a metrics file, one rule for all who show it.

A number's name is its keys joined by ``/``. A figure ``{"value", "low", "high", "n", "pictures", "units", "p"}`` (of a
gain with the words ``covers``, what its interval covers) gives ``name`` for its value and ``name.low``, ``name.high``,
``name.n``, ``name.pictures`` ... for the rest: n counts what the figure is read from (pictures, objects, pixels),
``pictures`` the pictures that hold those (of a headline figure all that were judged), and ``units``, where several pictures
belong together (a patient, a video), how many of those hold them, which is then what an interval rests on.
Two numbers never share a name, whatever the classes are called: inside a key ``%`` and ``/`` become ``%25`` and ``%2F``, the
point of an end like ``.low`` becomes ``%2E``. What is undefined
(null, not finite) is no number: it is left out, and ``undefined`` lists it.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

ROUNDED = 1e-5  # more than a metrics file's rounding takes from a bound
PARTS = ("value", "low", "high", "n", "pictures", "units", "p", "name", "covers")
WORDS = ("name", "covers")  # parts that are no numbers
_LIKE_A_PART = re.compile(r"\.(?=(?:low|high|n|pictures|units|p|name)\Z)")


def numbers(content: Mapping[str, Any]) -> dict[str, float]:
    """Return every defined number by its name; words, truth values and lists are passed over.

    Example:
        >>> numbers({"accuracy": {"value": 0.9, "low": 0.8, "n": 20}, "per_class": {"a/b": {"f1": 1, "iou": None}}})
        {'accuracy': 0.9, 'accuracy.low': 0.8, 'accuracy.n': 20.0, 'per_class/a%2Fb/f1': 1.0}
    """
    return {name: float(value) for name, value in _leaves(content, "") if is_number(value)}


def undefined(content: Mapping[str, Any]) -> list[str]:
    """List the numbers that are not defined; of a figure without a value the value alone.

    Example:
        >>> undefined({"miou": {"value": None, "low": None, "high": None, "n": 0}, "recall": float("nan"), "f1": 1.0})
        ['miou', 'recall']
    """
    return [name for name, value in _leaves(content, "", whole=True) if _is_missing(value)]


def headlines(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the figures at the top of a metrics file, by name."""
    return {name: raw for name, raw in content.items() if is_figure(raw)}


def covers(content: Mapping[str, Any]) -> dict[str, str]:
    """Return what the interval of a headline figure covers, by ``<figure>.covers``, where it is said.

    Example:
        >>> covers({"gain": {"value": 0.1, "covers": "pictures alone"}, "accuracy": {"value": 0.9}})
        {'gain.covers': 'pictures alone'}
    """
    return {f"{_key(name)}.covers": str(raw["covers"]) for name, raw in headlines(content).items() if raw.get("covers")}


def is_figure(raw: Any) -> bool:
    """Tell whether something is a figure: a value, perhaps with its interval and count."""
    parts = isinstance(raw, Mapping) and "value" in raw and set(raw) <= set(PARTS)
    return parts and not any(isinstance(part, Mapping) for part in raw.values())


def are_sound(content: Mapping[str, Any]) -> bool:
    """Tell whether every headline figure holds what a stage writes: finite numbers, null, words for its name and cover.

    Example:
        >>> [are_sound({"miou": {"value": value}}) for value in (0.5, None, "x", float("nan"), True, [0.5])]
        [True, True, False, False, False, False]
    """
    parts = [item for figure in headlines(content).values() for item in figure.items()]
    return all(part is None or (isinstance(part, str) if name in WORDS else is_number(part)) for name, part in parts)


def text(name: str, content: Any) -> str | None:
    """Return a headline figure as a person reads it; None for anything else.

    Example:
        >>> text("accuracy", {"value": 0.9125, "low": 0.871, "high": 0.943, "n": 160})
        'accuracy 0.912 [0.871, 0.943], n = 160'
        >>> text("ap_large", {"value": None, "low": None, "high": None, "n": 0})
        'ap_large undefined, n = 0'
        >>> text("miou", {"value": 0.5, "low": 0.4, "high": 0.6, "n": 900, "pictures": 4})
        'miou 0.500 [0.400, 0.600], n = 900 in 4 pictures'
        >>> text("gain", {"value": 0.1, "low": 0.0, "high": 0.2, "n": 9, "covers": "pictures alone"})
        'gain 0.100 [0.000, 0.200], n = 9; pictures alone'
    """
    if not is_figure(content) or not {"value", "low", "high", "n"} <= set(content):
        return None
    counted = f"n = {count(content['n'], content.get('pictures'), content.get('units'))}"
    if content["value"] is None:
        return f"{name} undefined, {counted}"
    low, high = content["low"], content["high"]
    interval = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
    more = f"; {content['covers']}" if content.get("covers") else ""
    return f"{name} {content['value']:.3f}{interval}, {counted}{more}"


def outside(name: str, content: Any) -> str:
    """Say of a headline figure that it lies outside of its own interval, which none does that a stage wrote; else empty.

    Example:
        >>> outside("macro_f1", {"value": 0.903, "low": 0.0, "high": 0.015})
        'macro_f1 0.903 lies outside of its own interval [0.000, 0.015]: no evaluation wrote that'
        >>> outside("macro_f1", {"value": 0.5, "low": 0.4, "high": 0.5}), outside("gain", {"value": None, "low": None})
        ('', '')
    """
    bounds = [content.get(key) for key in ("low", "value", "high")] if is_figure(content) else []
    if not bounds or not all(map(is_number, bounds)) or bounds[0] - ROUNDED <= bounds[1] <= bounds[2] + ROUNDED:
        return ""
    low, value, high = bounds
    return f"{name} {value:.3f} lies outside of its own interval [{low:.3f}, {high:.3f}]: no evaluation wrote that"


def count(n: int, pictures: int | None, units: int | None = None) -> str:
    """Return what stands behind a figure, with the pictures and units that hold it where those are fewer or more.

    Example:
        >>> count(160, 160), count(900, 4), count(9, None), count(300, 300, 30), count(900, 40, 4), count(4, 4, 1)
        ('160', '900 in 4 pictures', '9', '300 in 30 units', '900 in 40 pictures of 4 units', '4 in 1 unit')
    """
    if pictures in (None, n):
        return str(n) if units in (None, n) else f"{n} in {plural(units, 'unit')}"
    return f"{n} in {plural(pictures, 'picture')}" + ("" if units in (None, pictures) else f" of {plural(units, 'unit')}")


def plural(number: int, what: str) -> str:
    """Return a number of things.

    Example:
        >>> plural(1, "unit"), plural(1200, "unit")
        ('1 unit', '1200 units')
    """
    return f"{number} {what}" + ("" if number == 1 else "s")


def is_number(value: Any) -> bool:
    """Tell whether something is a finite number; truth values are none."""
    return _is_real(value) and abs(value) <= sys.float_info.max  # a whole number may be too large for a float


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_missing(value: Any) -> bool:
    return value is None or (_is_real(value) and not is_number(value))


def _leaves(content: Mapping[str, Any], prefix: str, *, whole: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield every value by name; ``whole`` passes over the ends of a figure that has no value."""
    for key, raw in content.items():
        name = f"{prefix}{_key(str(key))}"
        if is_figure(raw):
            there = [
                part for part in PARTS if part in raw and (part == "value" or not whole or not _is_missing(raw["value"]))
            ]
            yield from ((name if part == "value" else f"{name}.{part}", raw[part]) for part in there)
        elif isinstance(raw, Mapping):
            yield from _leaves(raw, f"{name}/", whole=whole)
        else:
            yield name, raw


def _key(key: str) -> str:
    return _LIKE_A_PART.sub("%2E", key.replace("%", "%25").replace("/", "%2F"))
