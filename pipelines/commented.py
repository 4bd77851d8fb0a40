"""Changes a YAML document in place of its text: comments and layout stay, and an alias is no way to change another value."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.anchor import Anchor
from ruamel.yaml.comments import Comment, CommentedMap, CommentedSeq, Format, merge_attrib
from ruamel.yaml.scalarbool import ScalarBoolean

Path = tuple[str, ...]
Replaces = Callable[[Path], bool]


def editor() -> YAML:
    """Return a reader and writer that keeps a document's looks."""
    found = YAML()
    found.preserve_quotes = True
    found.width = 4096  # keep flow mappings on their line
    found.indent(mapping=2, sequence=4, offset=2)
    found.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return found


def lay(document: CommentedMap, over: Mapping[str, Any], replaces: Replaces) -> None:
    """Lay a mapping over a document: mappings merge, all else is replaced.

    A mapping that other places refer to (``*name``, ``<<: *name``) is copied before it changes, so that these keep what
    they had.

    Args:
        document: what ``editor().load`` gave; changed in place.
        over: what differs, read the same way.
        replaces: tells by its path whether a mapping replaces the one before instead of merging with it.
    """
    _lay(document, over, replaces, (), _shared(document))


def _lay(
    base: CommentedMap, over: Mapping[str, Any], replaces: Any, where: tuple[str, ...], shared: set[int] | None
) -> None:
    """Lay a mapping over one that is referred to once; ``shared`` None: all below it is referred to from elsewhere too."""
    own = {key for key, _ in base.non_merged_items()}
    for key, value in over.items():
        path = (*where, key)
        before = base.get(key)
        if not (isinstance(before, CommentedMap) and isinstance(value, Mapping)) or replaces(path):
            base[key] = free(value)
            continue
        alone = shared is not None and id(before) not in shared and key in own
        if not alone:
            before = base[key] = _copy(before)
        _lay(before, value, replaces, path, shared if alone else None)


def _shared(document: Any) -> set[int]:
    """Return the identities of mappings and lists that stand in several places."""
    seen: set[int] = set()
    several: set[int] = set()
    todo = [document]
    while todo:
        for child in _children(todo.pop()):
            if id(child) in seen:
                several.add(id(child))
            else:
                seen.add(id(child))
                todo.append(child)
    return several


def _children(node: Any) -> Iterator[Any]:
    inside = [*node.values(), *getattr(node, merge_attrib, [])] if isinstance(node, Mapping) else node
    yield from (child for child in inside if isinstance(child, (CommentedMap, CommentedSeq)))


def _copy(node: Any) -> CommentedMap:
    """Copy one level of a mapping with its comments and its layout, without its anchor and with what it merges in."""
    new: CommentedMap = _like(CommentedMap(node.items()), node)
    return new


def free(value: Any) -> Any:
    """Copy a value all the way down, without anchors: its aliases and merged mappings are written out."""
    if isinstance(value, CommentedMap):
        return _like(CommentedMap((key, free(inner)) for key, inner in value.items()), value)
    if isinstance(value, CommentedSeq):
        return _like(CommentedSeq(free(inner) for inner in value), value)
    if isinstance(value, ScalarBoolean):
        return bool(value)
    kind = next((kind for kind in (int, float, str) if isinstance(value, kind)), None)
    return kind(value) if kind and hasattr(value, Anchor.attrib) else value


def _like(new: Any, old: Any) -> Any:
    for name in (Comment.attrib, Format.attrib):
        if hasattr(old, name):
            setattr(new, name, getattr(old, name))
    return new
