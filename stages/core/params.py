"""Reads ``params.yaml`` at the door, typed and complete, so that everything behind it can trust its values."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from stages.core import parts, yaml_text
from stages.core.errors import ParamsError, nearest

FILE = Path("params.yaml")


class Params(BaseModel):
    """Base of all parameters: frozen, no unknown keys, nothing coerced in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True)
class Part:
    """Marks a field as the name of a part: ``demosaicer: Annotated[str, Part("demosaicers")]``.

    The part's own parameters stand beside it under the part's name.
    """

    family: str


P = TypeVar("P", bound=Params)


@dataclass(frozen=True)
class Section(Generic[P]):
    """One stage's parameters: its own values and the parts they choose, by family."""

    values: P
    choices: parts.Choices


def read(file: Path = FILE) -> dict[str, Any]:
    """Read the whole parameter file.

    Raises:
        ParamsError: the file is missing, is not YAML or is not a mapping.
    """
    try:
        raw = yaml_text.load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(f"{file} is missing; run from the project's root") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        detail = " ".join(str(error).split())
        raise ParamsError(f"{file} is not valid YAML: {detail}") from error
    if not isinstance(raw, dict):
        raise ParamsError(f"{file} holds no mapping; expected one section per stage")
    return raw


def lookup(raw: Any, where: str) -> Any:
    """Return the value at a dotted path.

    Raises:
        ParamsError: a key on the way is missing; the nearest known key is offered.

    Example:
        >>> lookup({"acquire": {"source": "voc"}}, "acquire.source")
        'voc'
    """
    node = raw
    for depth, key in enumerate(keys := where.split(".")):
        if not isinstance(node, dict) or key not in node:
            names = [str(k) for k in node] if isinstance(node, dict) else []
            raise ParamsError(f"{'.'.join(keys[: depth + 1])} is missing in params.yaml; {nearest(key, names)}")
        node = node[key]
    return node


def validate(kind: type[P], raw: Any, where: str) -> P:
    """Check a mapping against its type.

    Args:
        kind: the parameter class.
        raw: the mapping as read from YAML.
        where: its dotted path, for the error message.

    Raises:
        ParamsError: a key is unknown or missing, or a value has the wrong type, lies out of range or is not finite.
    """
    for path, value in _endless(raw, where):
        raise ParamsError(f"{path} is {value}; expected a finite number (params.yaml: {path})")
    try:
        return kind.model_validate_json(json.dumps({} if raw is None else raw))
    except TypeError as error:
        raise ParamsError(f"{where} holds a value that is no plain YAML: {error} (params.yaml: {where})") from error
    except ValidationError as error:
        raise ParamsError(_explain(kind, error, where)) from error


def _endless(raw: Any, where: str) -> Iterator[tuple[str, float]]:
    """Yield the place of each number that is infinite or none, in lists and tables too."""
    if isinstance(raw, float) and not math.isfinite(raw):
        yield where, raw
    inner = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, (list, tuple)) else ()
    for key, value in inner:
        yield from _endless(value, f"{where}.{key}")


def section(kind: type[P], raw: Any, where: str) -> Section[P]:
    """Check one section, load the parts it names and check their parameters too.

    A part that is not chosen may keep its parameters beside the chosen one's; they are checked as well.

    Raises:
        ParamsError: see ``validate``, or an unknown part.
    """
    if not isinstance(raw, dict):
        raise ParamsError(f"{where} is {raw!r}; expected a mapping (params.yaml: {where})")
    families = {
        name: mark.family for name, field in kind.model_fields.items() for mark in field.metadata if isinstance(mark, Part)
    }
    chosen = {family: _choose(raw, field, family, where) for field, family in families.items() if field in raw}
    of_parts = {n for f in families.values() for n in parts.known(f)} - set(kind.model_fields)
    for family, choice in chosen.items():
        for name in set(raw) & set(parts.known(family)) - {choice.name}:
            validate(parts.load(family, name, where).Params, raw[name], f"{where}.{name}")
    own = {k: v for k, v in raw.items() if k not in of_parts}
    return Section(validate(kind, own, where), chosen)


def _choose(raw: dict[str, Any], field: str, family: str, where: str) -> parts.Choice:
    name = raw[field]
    if not isinstance(name, str):
        raise ParamsError(f"{where}.{field} is {name!r}; expected the name of a part: {', '.join(parts.known(family))}")
    module = parts.load(family, name, f"{where}.{field}")
    return parts.Choice(family, name, validate(module.Params, raw.get(name), f"{where}.{name}"), module)


def _explain(kind: type[BaseModel], error: ValidationError, where: str) -> str:
    """Turn pydantic's first error into one line."""
    first = error.errors(include_url=False)[0]
    path = ".".join([where, *(str(p) for p in first["loc"])])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        text = f"{path} is unknown; {nearest(str(first['loc'][-1]), _siblings(kind, first['loc']))}"
    elif first["type"] == "missing":
        text = f"{path} is missing; it has no hidden default"
    elif first["type"] == "value_error":  # a rule of ours, whose words name the values
        text = f"{path}: {first['ctx']['error']}"
    else:
        text = f"{path} is {first['input']!r}; {first['msg'][0].lower()}{first['msg'][1:]}{_as_number(first)}"
    return f"{text} (params.yaml: {path}){more}"


def _as_number(error: Any) -> str:
    """Return how a number that YAML took for text is written; empty where the text holds none.

    YAML 1.1 has no number ``1e-3``: it asks for a point and a sign, ``1.0e-3``.
    """
    if error["type"] not in {"float_type", "int_type"} or not isinstance(error["input"], str):
        return ""
    try:
        value = float(error["input"])
    except ValueError:
        return ""
    if not math.isfinite(value):
        return ""
    mantissa, _, exponent = repr(value).partition("e")
    written = f"{mantissa if '.' in mantissa else f'{mantissa}.0'}e{exponent}" if exponent else repr(value)
    written = str(int(value)) if error["type"] == "int_type" and value.is_integer() else written
    return f", which YAML reads as text where it has quotes, or an exponent without point and sign: write {written}"


def _siblings(kind: Any, loc: tuple[int | str, ...]) -> list[str]:
    """Return the field names that stand beside the last element of ``loc``."""
    for step in loc[:-1]:
        field = getattr(kind, "model_fields", {}).get(step)
        kind = field.annotation if field else kind
    return list(getattr(kind, "model_fields", {}))
