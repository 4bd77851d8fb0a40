"""Finds the values of a YAML text: where each stands, and by which name it is judged to be a secret or none."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import yaml

from pipelines.redaction import DASHED
from pipelines.secret_names import names_a_secret

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 100  # the composer in C calls itself for each level, and ends the process where they are too many
BESIDE = 256  # keys beside a value, those of other mappings among them
MERGES = 8  # of a mapping that takes over another, which takes over another
_OPTION = re.compile(r"--?(\w[\w-]*)")
_LOGIN = re.compile(r"-[0-46aBfgGijJklLMnNOpqRsSvZ#]*[uU]|--(?:proxy-)?user")
_PAIR = re.compile(r"[^\s:]*:(?!//|\d+$).+", re.DOTALL)  # docker and chown take numbers there
_CURL = re.compile(r"-[0-46aBfgGijJklLMnNOpqRsSvZ#]*[uU][\s=]*[^\s:]*:.+", re.DOTALL)  # its option and its value, one word
_HEADER = re.compile(r"(?:^|[^a-z])authorization$", re.IGNORECASE)
_AUTH = re.compile(r"(?:^|[._-])auth$", re.IGNORECASE)
_DASHED = re.compile(DASHED)
_LIKELY = re.compile(r"(?=\S*\d|\S{16})\S+")  # no word of a sentence
_USER = re.compile(r"[^\s:]+:(?=(?!//|\d+$)\S)")
_PASSWORD = "password"  # noqa: S105 - the name by which a value is judged that has none


class Scalar(NamedTuple):
    """A value or a key of a YAML text.

    Attributes:
        start: where it begins, with its anchor and tag.
        end: where it ends.
        name: the keys above it, with dots between, as parameters have them; what says what a value is for, where that is
            another one: the option before it in a list of words, the ``name`` beside its ``value``.
        value: its text.
    """

    start: int
    end: int
    name: str
    value: str


def is_header(name: str) -> bool:
    """Return whether a name is the header that says who asks: its value is a scheme, and what follows is a secret."""
    return _HEADER.search(name) is not None


def pair(name: str, value: str) -> str:
    """Return the user of a value ``user:password`` under ``auth`` with the colon, nothing where it is none."""
    found = _USER.match(value) if _AUTH.search(name) else None
    return found[0] if found else ""


def scalars(text: str, *, prose: bool = False) -> list[Scalar]:
    """Return the scalars of a YAML text in their order.

    Args:
        text: YAML, of one document or more.
        prose: whether sentences may look like it, as in comments: a key of several words names a secret only where its
            value is no word of a sentence, and a text without a key or an item has no values.

    Raises:
        yaml.YAMLError: it is no YAML, or nests deeper than anybody reads.
    """
    text = text.encode("utf-8", "replace").decode()  # half a character, of a broken file, is a sign as well
    _check_depth(text)
    roots = [node for node in yaml.compose_all(text, Loader=_LOADER) if node]
    if prose:
        roots = [node for node in roots if not isinstance(node, yaml.ScalarNode)]
    found: dict[int, Scalar] = {}
    for item in _walked(roots, prose=prose):
        if item.start not in found or names_a_secret(item.name):  # an anchor may have a secret's name and another one
            found[item.start] = item
    return [item for _, item in sorted(found.items())]


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"more than {DEEPEST} levels")


def _walked(roots: list[yaml.Node], *, prose: bool) -> Iterator[Scalar]:
    left = [("", node) for node in roots]
    seen: set[tuple[int, bool]] = set()
    while left:
        name, node = left.pop()
        way = id(node), names_a_secret(name) or is_header(name)
        if way in seen:  # an alias, of itself perhaps
            continue
        seen.add(way)
        if isinstance(node, yaml.ScalarNode):
            yield Scalar(node.start_mark.index, node.end_mark.index, name, node.value)
        elif isinstance(node, yaml.MappingNode):
            left += _named(name, node, prose=prose)
        elif isinstance(node, yaml.SequenceNode):
            left += _listed(name, node)


def _named(name: str, node: yaml.MappingNode, *, prose: bool) -> Iterator[tuple[str, yaml.Node]]:
    """Yield keys and values; of a value its whole path: a secret may be any key of it."""
    pairs = list(islice(_pairs(node), BESIDE))
    names = (_word(value) for key, value in pairs if _word(key).lower() in ("name", "key"))
    given = next((one for one in names if names_a_secret(one) or is_header(one)), "")
    for key, value in node.value:
        word = "" if prose and _is_sentence(key, value) else _word(key)
        if word.lower() == "value" and given:
            word = given
        yield "", key
        yield (f"{name}.{word}" if name and word else word or name), value
    for key, value in pairs if given else ():
        if _word(key).lower() == "value":  # of another mapping, perhaps
            yield (f"{name}.{given}" if name else given), value


def _pairs(node: yaml.MappingNode, depth: int = 0) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Yield keys and values of a mapping, and of those that it takes over (``<<``)."""
    yield from node.value
    for key, value in node.value if depth < MERGES else ():
        if _word(key) == "<<":
            for other in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(other, yaml.MappingNode):
                    yield from _pairs(other, depth + 1)


def _is_sentence(key: yaml.Node, value: yaml.Node) -> bool:
    several = isinstance(key, yaml.ScalarNode) and not key.style and re.search(r"\s", key.value)
    return bool(several) and not _LIKELY.fullmatch(_word(value))


def _listed(name: str, node: yaml.SequenceNode) -> Iterator[tuple[str, yaml.Node]]:
    """Yield items: the words of a command are named by the option before them, of a user and a password the second."""
    before, curl = "", False
    auth = len(node.value) == 2 and bool(_AUTH.search(name))  # noqa: PLR2004 - user and password
    for index, item in enumerate(node.value):
        word = _word(item)
        option = _OPTION.fullmatch(before)
        login = _LOGIN.fullmatch(before) and (_PAIR.fullmatch(word) or (curl and ":" in word))
        if (auth and index) or login or (curl and _CURL.fullmatch(word)):
            yield f"{name}.{_PASSWORD}", item
        elif option and (not word.startswith("-") or _DASHED.fullmatch(word)) and names_a_secret(option[1]):
            yield f"{name}.{option[1]}", item
        else:
            yield name, item
        before, curl = word, curl or word.rpartition("/")[2] == "curl"


def _word(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""
