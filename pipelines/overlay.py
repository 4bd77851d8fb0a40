"""Lays a parameter file of ``params/`` over ``params.yaml`` and keeps its comments."""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml.error import YAMLError

from pipelines import commented
from pipelines.checking import check_all
from stages.core import files, yaml_text
from stages.core import params as parameters
from stages.core.errors import ParamsError

_ABSENT = "(absent)"  # told apart from a null, which is a value
REPLACED = ("tasks",)  # an overlay names the tasks it wants, not further ones


def use(overlay: Path, target: Path = parameters.FILE) -> list[str]:
    """Merge an overlay into the parameter file; mappings merge, everything else and ``tasks`` is replaced.

    Args:
        overlay: file of the same form with only what differs.
        target: the parameter file; written only when the result is right.

    Returns:
        One line per value that changed.

    Raises:
        ParamsError: a file is missing or broken, or the result would be wrong.
    """
    before, over = parameters.read(target), parameters.read(overlay)
    wanted = merge(before, over)
    text = next((t for t in _texts(overlay, target) if _same(_read(t), wanted)), None)
    if text is None:
        raise ParamsError(
            f"{overlay} cannot be laid over {target} without changing more than it names; edit {target} by hand"
        )
    try:
        check_all(wanted, target.parent)
    except ParamsError as error:
        raise ParamsError(_told(str(error), overlay, over)) from error
    changes = list(_changes(before, wanted))
    if changes:
        files.write_text(target, text)
    return changes


def _told(fault: str, overlay: Path, over: Mapping[str, Any]) -> str:
    """Name the overlay's file where the value at fault stands in it; elsewhere say that it lay over the other one."""
    name = parameters.FILE.name

    def place(match: re.Match[str]) -> str:
        return f"{overlay if _holds(over, match[1].split('.')) else f'{name} under {overlay}'}: {match[1]}"

    return re.sub(rf"\b{re.escape(name)}: ([\w.-]+)", place, fault)


def _holds(node: Any, words: list[str]) -> bool:
    """Tell whether a key stands in a file, or a list or a single value on the way to it."""
    for word in words:
        if not isinstance(node, Mapping):
            return True
        if word not in node:
            return False
        node = node[word]
    return True


def _texts(overlay: Path, target: Path) -> Iterator[str]:
    """Yield the parameter file's text with the overlay's values in it; the second time with no alias left.

    The writer makes a list of merged mappings unreadable where the first of them stands nowhere else any more.
    """
    for plain in (False, True):
        editor, text = commented.editor(), io.StringIO()
        try:
            document, over = (editor.load(file.read_text(encoding="utf-8")) for file in (target, overlay))
        except YAMLError as error:  # stricter than the stages' reader: a key that stands twice is a fault here
            raise ParamsError(f"{overlay} cannot be laid over {target}: {' '.join(str(error).split())}") from error
        document = commented.free(document) if plain else document
        commented.lay(document, over, lambda path: len(path) == 1 and path[0] in REPLACED)
        editor.dump(document, text)
        yield text.getvalue()


def _read(text: str) -> Any:
    """Return what the stages will read; None where they will not."""
    try:
        return yaml_text.load(text)
    except yaml.YAMLError:
        return None


def merge(base: Mapping[str, Any], over: Mapping[str, Any], *, top: bool = True) -> dict[str, Any]:
    """Lay one parameter file over another: mappings merge, all else is replaced, ``tasks`` as a whole.

    Neither is changed: where one value stands in several places (an alias in YAML), it changes in the place named alone.

    Args:
        base: mapping to begin with.
        over: mapping with what differs.
        top: whether these are whole files, so that ``tasks`` means the tasks.

    Returns:
        A new mapping.

    Example:
        >>> merge({"a": {"x": 1, "y": 2}, "tasks": {"detect": {}}}, {"a": {"y": 3}, "tasks": {"classify": {}}})
        {'a': {'x': 1, 'y': 3}, 'tasks': {'classify': {}}}
    """
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(base.get(key), Mapping) and isinstance(value, Mapping)
        merged[key] = merge(base[key], value, top=False) if both and not (top and key in REPLACED) else value
    return merged


def _changes(before: Any, after: Any, where: str = "") -> Iterator[str]:
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        if not _same(before, after):
            yield f"{where}: {_show(before)} -> {_show(after)}"
        return
    for key in [*before, *(k for k in after if k not in before)]:
        path = f"{where}.{key}" if where else str(key)
        yield from _changes(before.get(key, _ABSENT), after.get(key, _ABSENT), path)


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal and of one type, all the way down: 1, 1.0 and true are three values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) or (one != one and other != other)  # noqa: PLR0124 - nan is nan here


def _show(value: Any) -> str:
    return "null" if value is None else str(value)
