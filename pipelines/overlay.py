"""Lays a parameter file of ``params/`` over ``params.yaml`` and keeps its comments."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from pipelines.checking import check_all
from stages.core import files
from stages.core import params as parameters

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
    before = parameters.read(target)
    over = parameters.read(overlay)
    editor = _editor()
    document = editor.load(target.read_text(encoding="utf-8"))
    merge(document, editor.load(overlay.read_text(encoding="utf-8")))
    text = io.StringIO()
    editor.dump(document, text)
    after: dict[str, Any] = yaml.safe_load(text.getvalue())  # as the stages will read it
    check_all(after, target.parent)
    changes = list(_changes(before, after))
    if changes and over:
        files.write_text(target, text.getvalue())
    return changes


def _editor() -> YAML:
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096  # keep flow mappings on their line
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return editor


def merge(base: Any, over: Any, *, top: bool = True) -> Any:
    """Lay one parameter file over another, in place: mappings merge, all else is replaced, ``tasks`` as a whole.

    Args:
        base: mapping to change; ruamel's keeps its comments.
        over: mapping with what differs.
        top: whether these are whole files, so that ``tasks`` means the tasks.

    Returns:
        ``base``.

    Example:
        >>> merge({"a": {"x": 1, "y": 2}, "tasks": {"detect": {}}}, {"a": {"y": 3}, "tasks": {"classify": {}}})
        {'a': {'x': 1, 'y': 3}, 'tasks': {'classify': {}}}
    """
    for key, value in over.items():
        both = isinstance(base.get(key), Mapping) and isinstance(value, Mapping)
        if both and not (top and key in REPLACED):
            merge(base[key], value, top=False)
        else:
            base[key] = value
    return base


def _changes(before: Any, after: Any, where: str = "") -> Iterator[str]:
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        if before != after:
            yield f"{where}: {_show(before)} -> {_show(after)}"
        return
    for key in [*before, *(k for k in after if k not in before)]:
        path = f"{where}.{key}" if where else str(key)
        yield from _changes(before.get(key, _ABSENT), after.get(key, _ABSENT), path)


def _show(value: Any) -> str:
    return "null" if value is None else str(value)
