"""Takes credentials out of what has a form of its own: parameters by name, and YAML, which stays valid YAML."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipelines.redaction import MASK, is_secret, redact

SUFFIXES = (".yaml", ".yml", ".lock")
OWN = ("rawline.", "dvc.")
_ANCHOR = re.compile(r"(?:[&!]\S*\s+)*")


def parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as they may be shown: a secret by its name or by its form is masked, all else is as it was.

    Example:
        >>> parameters({"acquire.token": "abcdef123", "acquire.path": "https://me:pw@host/a", "seed": 7})
        {'acquire.token': '***', 'acquire.path': 'https://***@host/a', 'seed': 7}
    """
    return {name: _shown(name, value) for name, value in values.items()}


def words(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return tags as they may be shown; those by which a run is found again, names and hashes, are as they were."""
    return {name: value if name.startswith(OWN) else redact(value) for name, value in values.items()}


def _shown(name: str, value: Any) -> Any:
    text = str(value)
    masked = MASK if is_secret(name, text) else redact(text)
    return value if masked == text else masked


def file(path: Path) -> None:
    """Mask a YAML file where it lies; one without a secret keeps its bytes, and so does any other file."""
    if path.suffix not in SUFFIXES or not path.is_file():
        return
    before = path.read_bytes()
    after = document(before.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if after != before:
        path.write_bytes(after)


def document(text: str) -> str:
    r"""Return YAML with its secrets masked, value by value, and in its comments; a text that is none is masked as a text.

    Example:
        >>> document("db: {password: 12345678, seed: 7}  # as ever\n")
        'db: {password: "***", seed: 7}  # as ever\n'
    """
    try:
        found = {start: (end, name, value) for start, end, name, value in _scalars(text)}
    except yaml.YAMLError:
        return redact(text)
    done, shown = 0, []
    for start, (end, name, value) in sorted(found.items()):
        shown += [_comments(text[done:start]), _scalar(text[start:end], name, value)]
        done = end
    return "".join([*shown, _comments(text[done:])])


def _scalars(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield where each scalar of a YAML text begins and ends, the name that it is given to, and its value."""
    left = [("", node) for node in yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if node]
    seen: set[int] = set()
    while left:
        name, node = left.pop()
        if id(node) in seen:  # an alias, of itself perhaps
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            yield node.start_mark.index, node.end_mark.index, name, node.value
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:  # the whole path, as parameters have it: a secret may be any key of it
                word = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
                left += [("", key), (f"{name}.{word}" if name else word, value)]
        else:
            left += [(name, item) for item in node.value]


def _scalar(raw: str, name: str, value: str) -> str:
    """Return a scalar as it stands in the text, or what is left of its value in quotes, with its anchor."""
    masked = _shown(name, value)
    if masked == value:
        return raw
    anchor = re.match(_ANCHOR, raw)
    return f"{anchor[0] if anchor else ''}{json.dumps(masked, ensure_ascii=False)}{raw[len(raw.rstrip()) :]}"


def _comments(gap: str) -> str:
    return redact(gap) if "#" in gap else gap
