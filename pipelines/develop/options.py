"""Makes the command's options from the stage's parameters, so that there is no second list of them."""

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import click
import yaml
from pydantic import BaseModel

from stages import preprocess
from stages.core import params as parameters
from stages.core import parts, yaml_text
from stages.core.errors import ParamsError, nearest

_ELSEWHERE = {"simulate_raw", "on_error"}  # a flag, and what a batch does anyway
_PLAIN = {"tone"}  # its parameters need no prefix
_SHIPPED = Path(__file__).parents[2] / parameters.FILE  # beside the code, where it is run from a checkout
_SECTION = "preprocess"


@dataclass(frozen=True)
class Setting:
    """A parameter of the stage as an option.

    Attributes:
        keys: its place below ``preprocess`` in ``params.yaml``.
        kind: its type.
        known: the words it may be; empty where it is no word.
        text: what it means.
    """

    keys: tuple[str, ...]
    kind: Any
    known: tuple[str, ...]
    text: str

    @property
    def flag(self) -> str:
        """The option's name, for instance ``--camera-fallback``."""
        words = [key for key in self.keys if key not in _PLAIN]
        return "--" + "-".join(words).replace("_", "-")

    @property
    def name(self) -> str:
        """Python's name for it."""
        return self.flag[2:].replace("-", "_")


@cache
def settings() -> tuple[Setting, ...]:
    """Return all of the stage's parameters that concern the camera, in the order of its ``Params``."""
    return tuple(_settings(preprocess.Params, ()))


def _settings(kind: type[BaseModel], above: tuple[str, ...]) -> Iterator[Setting]:
    texts = _texts(kind)
    for name, field in kind.model_fields.items():
        annotation = field.annotation
        if (*above, name) in {(key,) for key in _ELSEWHERE}:
            continue
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _settings(annotation, (*above, name))
            continue
        family = next((mark.family for mark in field.metadata if isinstance(mark, parameters.Part)), None)
        known = parts.known(family) if family else _words(annotation)
        yield Setting((*above, name), annotation, known, texts.get(name, ""))
        for part in parts.known(family) if family else ():
            yield from _settings(parts.load(str(family), part, name).Params, (part,))


def _texts(kind: type[BaseModel]) -> dict[str, str]:
    """Read what each parameter means from its class's docstring."""
    body = (kind.__doc__ or "").partition("Attributes:")[2]
    found = re.findall(r"^ +(\w+): (.+(?:\n {10,}.+)*)", body, re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "") for name, text in found}


def _words(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(str(word) for word in get_args(annotation))
    return tuple(word for each in _alternatives(annotation) if each is not annotation for word in _words(each))


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


class Value(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """An option's text as ``params.yaml`` would hold it; ranges are the parameters' own business."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.name = "|".join(setting.known) if 0 < len(setting.known) <= 5 else self._kind()  # noqa: PLR2004 - a short line

    def _kind(self) -> str:
        if self.setting.known:
            return "name"
        if self.setting.kind is bool:
            return "true|false"
        text = str(self.setting.kind)
        if "tuple" in text:
            return "numbers"
        return "integer" if "int" in text and "float" not in text else "number" if "float" in text else "text"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002 - click's form
        """Show words in brackets, kinds of values in capitals."""
        return f"[{self.name}]" if "|" in self.name else self.name.upper()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        """Turn words into numbers, lists and null."""
        text = str(value).strip()
        is_optional = type(None) in _alternatives(self.setting.kind)
        if is_optional and text.lower() in ("null", "none"):
            return _Null
        if self.setting.known:
            if text not in self.setting.known:
                raise ParamsError(f"{self.setting.flag} is '{text}'; {nearest(text, self.setting.known)}")
            return text
        words = re.split(r"[\s,;]+", text.strip("[]() "))
        numbers = [_number(word) for word in words]
        return numbers if self._kind() == "numbers" else numbers[0] if len(numbers) == 1 else text


class _Null:
    """Stands for a null that was asked for; None means that an option was not given."""


def _number(word: str) -> Any:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    try:
        return yaml_text.load(word) if word else word
    except yaml.YAMLError:
        return word  # told with the setting's name


def options() -> list[click.Option]:
    """Return click's options, all of them without a default: that is ``params.yaml``'s business, and only shown."""
    try:
        section = parameters.read(_default_file()).get(_SECTION) or {}
    except ParamsError:
        section = {}  # help is given all the same
    section |= {"fit": "none", "size_px": None}
    return [click.Option([s.flag, s.name], type=Value(s), help=_help(s) + _shown(section, s.keys)) for s in settings()]


def _shown(section: Any, keys: tuple[str, ...]) -> str:
    """Return the value that stands in the parameter file, for the help."""
    for key in keys:
        if not isinstance(section, dict) or key not in section:
            return ""
        section = section[key]
    text = "null" if section is None else str(section).lower() if isinstance(section, bool) else str(section)
    return f"  [{text.strip('[]')}]"


def _help(setting: Setting) -> str:
    names = f" ({', '.join(setting.known)})" if len(setting.known) > 5 else ""  # noqa: PLR2004 - see Value
    of_part = setting.keys[0] if len(setting.keys) > 1 and setting.keys[0] not in (*_PLAIN, "simulation") else ""
    return f"{f'{of_part}: ' if of_part else ''}{setting.text}{names}"


def recipe(given: Mapping[str, Any], *, simulate: bool, file: Path | None = None) -> dict[str, Any]:
    """Return what is done to a picture: the parameter file's values, those given as options over them.

    Pictures keep their size unless an option says otherwise: the file's size is the models', not the camera's.

    Args:
        given: values by ``Setting.name``, None where not given.
        simulate: send ordinary pictures through the simulated camera.
        file: the parameter file; the current folder's, else the one beside the code, when None.

    Raises:
        ParamsError: the file or a value is wrong.
    """
    content = parameters.read(file or _default_file())
    section = _deep(parameters.lookup(content, _SECTION))
    section |= {"simulate_raw": simulate, "on_error": "skip"}
    sized = given.get("size_px") not in (None, _Null)
    if not sized:
        section |= {"fit": "none", "size_px": None}
    elif section.get("fit") == "none":
        section["fit"] = "letterbox"
    for setting in settings():
        if (value := given.get(setting.name)) is not None:
            _put(section, setting.keys, None if value is _Null else value)
    try:
        parameters.section(preprocess.Params, section, _SECTION)
    except ParamsError as error:
        raise ParamsError(as_option(str(error))) from error
    return {"seed": content.get("seed", 0), _SECTION: section}


def _default_file() -> Path:
    for known in (parameters.FILE, _SHIPPED):
        if known.exists():
            return known
    raise ParamsError(f"{parameters.FILE} is not in the current folder; run from a project's root or name one with --params")


def as_option(text: str) -> str:
    """Name the options instead of places in ``params.yaml``, for who gave no file."""
    for setting in sorted(settings(), key=lambda s: -len(s.keys)):
        where = ".".join((_SECTION, *setting.keys))
        text = re.sub(rf"\(params\.yaml: {re.escape(where)}(\.\d+)?\)", f"({setting.flag}, or params.yaml: {where})", text)
    return text


def _deep(value: Any) -> Any:
    return {key: _deep(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _put(section: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(section.get(key), dict):
            section[key] = {}
        section = section[key]
    section[keys[-1]] = value
