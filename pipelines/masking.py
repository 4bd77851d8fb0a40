"""Takes credentials out of what has a form of its own: parameters by name, and YAML, which stays valid YAML."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from pipelines.redaction import MASK, authorization, is_secret, redact
from pipelines.secret_names import names_a_secret
from pipelines.yaml_scalars import Scalar, is_header, pair, scalars

SUFFIXES = (".yaml", ".yml", ".lock")
OWN = ("rawline.", "dvc.")
BOM = "\ufeff"
DEPTH = 3  # a comment in a comment in a comment
MOST = 8  # lines that are mended for one text
LONGEST = 1 << 16  # signs of what is commented out that are read as one
_CUE = re.compile(r"pass|pwd|secret|credential|token|key|auth|pat|hook|curl|-\w*u", re.IGNORECASE)  # of a secret's name
_COMMENT = re.compile(r"(?m)(?P<lead>^(?:[^\n#]|(?<=\S)#)*(?:(?<!\S)#+\t?|$))(?P<rest>[^\n]+)?")
_HEAD = re.compile(r"(?:[&!]\S*[ \t]+)*[|>][\w+-]*[ \t]+#[^\n]*")
_OPEN = re.compile(r"(?:^|[:,-]\s+)[\[{]")
_ANCHOR = re.compile(r"(?:[&!]\S*\s+)*")
_ASIDE = re.compile(r"(?m:^)(?P<lead>[^#\n]*)#+(?P<words>[^\n]*)")
_NOTHING = re.compile(r"~|null|none|", re.IGNORECASE)
_GIVEN = re.compile(  # a line's key and value
    r"(?P<key>[ \t]*+(?:-[ \t]++)*[^\s:#-][^:\n]*+:[ \t]++)(?P<value>[^\s#].*?)(?P<rest>(?:[ \t]++#.*)?[ \t\r]*)"
)
_NO_WORD = re.compile(r"[^\w\s]")
_INDENT = re.compile(r"(?m)^[ \t]+")
_WORD = re.compile(r"[^\s'\"()\[\]{},;]{6,}")
_ALONE = re.compile(r"(?=.*\d|.{16})(?!.*://).*")  # a word of a comment that looks like a secret
_AMONG = re.compile(r"(?=.*\d)(?=.*[A-Za-z])(?!.*://)(?!\$?[A-Z]+(?:_[A-Z0-9]+)+$).{8,}")  # beside other words
_TAG = re.compile(r"(?:!!(?!str\s)|!<tag:yaml\.org,2002:(?!str>))\S+\s+")
Edit = tuple[int, int, str]  # from, to, and what stands there instead


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
    if is_secret(name, str(value)):
        return MASK
    if isinstance(value, list | tuple | dict):
        value = _within(name, value)
    text = str(value)
    if user := pair(name, text):
        return user + MASK
    masked = redact(authorization(text) if is_header(name) and isinstance(value, str) else text)
    return value if masked == text else masked


def _within(name: str, value: Any) -> Any:
    """Return a list or a mapping with its secrets masked as in YAML; itself where it has none."""
    with suppress(yaml.YAMLError):  # it holds what YAML has no form for
        text = yaml.safe_dump({name: value}, allow_unicode=True, sort_keys=False)
        (before,), (after,) = (yaml.safe_load(read).values() for read in (text, document(text)))
        return value if after == before else after
    return value


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
        >>> document("# db:\n#   password: the old one\n")
        '# db:\n#   password: "***"\n'
    """
    if text.startswith(BOM):
        return BOM + document(text.removeprefix(BOM))
    try:
        found = scalars(text)
    except yaml.YAMLError:
        text = _changed(text, _commented(text, 0))
        return redact(_changed(text, _pieces(_untabbed(text), 0)))
    done, shown = 0, []
    before, column = None, 0
    for scalar in found:
        shown += [_comments(text[done : scalar.start], before, column), _scalar(text[scalar.start : scalar.end], scalar)]
        done, before, column = scalar.end, scalar, _column(text, scalar, column)
    return "".join([*shown, _comments(text[done:], before, column)])


def _scalar(raw: str, scalar: Scalar) -> str:
    """Return a scalar as it stands in the text, or what is left of its value in quotes, with its anchor."""
    masked = _shown(scalar.name, scalar.value)
    if masked != scalar.value:
        return _quoted(raw, masked) + raw[len(raw.rstrip()) :]
    head = _HEAD.match(raw)  # of a block: a comment may stand there
    return _comments(head[0], None, 0) + raw[head.end() :] if head else raw


def _quoted(raw: str, masked: str) -> str:
    anchor = re.match(_ANCHOR, raw)
    kept = _TAG.sub("", anchor[0]) if anchor else ""  # what is hidden is no number
    return f"{kept}{json.dumps(masked, ensure_ascii=False)}"


def _comments(gap: str, before: Scalar | None, column: int) -> str:
    """Return what stands between two scalars: what is commented out there is masked as YAML, then as a text."""
    return redact(_changed(gap, _gap(gap, 0, before, column))) if "#" in gap else gap


def _column(text: str, scalar: Scalar, column: int) -> int:
    """Return where the key begins to which what follows belongs."""
    return column if scalar.name else scalar.start - text.rfind("\n", 0, scalar.start) - 1


def _gap(gap: str, depth: int, before: Scalar | None, column: int) -> list[Edit]:
    """Return what to change between two scalars; of changes that overlap the wider one, or both as one."""
    edits: list[Edit] = []
    for start, end, new in sorted([*_commented(gap, depth), *_beside(gap, before, column)]):
        first, last, other = edits[-1] if edits else (0, 0, "")
        if start >= last:
            edits.append((start, end, new))
        elif end > last:
            edits[-1] = (first, end, new if start == first else MASK)
        else:
            edits[-1] = (first, last, other)
    return edits


def _beside(gap: str, before: Scalar | None, column: int) -> Iterator[Edit]:
    """Yield what looks like a secret in comments behind a secret's name or value, or below it and deeper."""
    name = before and (before.name or before.value)
    if not before or not name or "#" not in gap or not names_a_secret(name):
        return
    if before.name and not _NOTHING.fullmatch(before.value) and not is_secret(name, before.value):
        return
    for line in _ASIDE.finditer(gap):
        depth = len(line["lead"])
        if line.start():
            sign = len(line["words"]) - len(line["words"].lstrip())
            toggled = not before.value and sign + depth > column + 1  # where an editor comments out
            if line["lead"].strip() or not (depth > column or toggled):
                return
        alone = len(line["words"].split()) == 1
        for word in _WORD.finditer(line["words"]):
            if (_ALONE if alone else _AMONG).fullmatch(word[0]):
                yield line.start("words") + word.start(), line.start("words") + word.end(), MASK


def _changed(text: str, edits: list[Edit]) -> str:
    done, shown = 0, []
    for start, end, new in edits:
        shown += [text[done:start], new]
        done = end
    return "".join([*shown, text[done:]])


def _commented(gap: str, depth: int) -> list[Edit]:
    """Return what to change in comments: without their signs they are read as YAML, sign for sign in its place."""
    if "#" not in gap or depth == DEPTH:
        return []
    return _pieces(_untabbed(_COMMENT.sub(lambda line: " " * len(line["lead"]) + (line["rest"] or ""), gap)), depth + 1)


def _untabbed(text: str) -> str:
    """Return a text that YAML would not read for the tabs by which it is indented, each as one blank."""
    return _INDENT.sub(lambda indent: " " * len(indent[0]), text) if "\t" in text else text


def _pieces(text: str, depth: int, tries: int = 3) -> list[Edit]:
    """Return the changes of a text that is YAML as a whole, by parts that are indented alike, or line by line."""
    whole = _edits(text, depth)
    if whole is not None:
        return whole
    edits: list[Edit] = []
    for start, part in _parts(text):
        found = _edits(part, depth)
        if found is None and "\n" in part.rstrip():
            found = _mended(part, depth)
        if found is None:  # its first line may be a sentence
            first, *rest = part.splitlines(keepends=True)
            found = _edits(first, depth) or []
            for place, later in [(len(first), "".join(rest))] if tries else _lines(rest, len(first)):
                found += _moved(_pieces(later, depth, tries - 1) if tries else _edits(later, depth) or [], place)
        edits += _moved(found, start)
    return edits


def _mended(text: str, depth: int) -> list[Edit] | None:
    """Return the changes of a text that a few lines keep from being YAML: of such a line the key counts."""
    if len(text) > LONGEST or not _CUE.search(text):
        return None
    made = text
    broken: set[tuple[int, int]] = set()
    for _ in range(MOST):
        place = _fault(made)
        if place is None:
            found = _edits(made, depth)
            return None if found is None else sorted({*found, *_alone(text, broken, found, depth)})
        start, end = made.rfind("\n", 0, place) + 1, (made.find("\n", place) + 1 or len(made) + 1) - 1
        line = made[start:end]
        given = _GIVEN.fullmatch(line)
        mended = (
            given["key"] + _NO_WORD.sub("x", given["value"]) + given["rest"] if given and given["value"] != MASK else line
        )
        if mended == line:
            mended = re.sub(r"[^\r]", " ", line)
        if mended == line:
            return None
        broken.add((start, end))
        made = made[:start] + mended + made[end:]
    return None


def _fault(text: str) -> int | None:
    """Return where YAML finds a fault in a text, where it opens what is not closed; None where it has none."""
    try:
        scalars(text, prose=True)
    except yaml.MarkedYAMLError as error:
        opened = error.context_mark if error.context and re.search("scanning|flow", error.context) else None
        mark = opened or error.problem_mark
        return mark.index if mark else None
    except yaml.YAMLError:
        return None
    return None


def _alone(text: str, broken: set[tuple[int, int]], found: list[Edit], depth: int) -> Iterator[Edit]:
    """Yield the changes of each broken line by itself, where it has none among the others."""
    for start, end in broken:
        if not any(first < end and last > start for first, last, _ in found):
            yield from _moved(_edits(text[start:end], depth) or [], start)


def _lines(lines: list[str], start: int) -> Iterator[tuple[int, str]]:
    for line in lines:
        yield start, line
        start += len(line)


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Yield where each part begins, and the part: a line, deeper ones, items, and what its brackets hold."""
    begin = place = 0
    indent, closed = -1, True
    for line in text.splitlines(keepends=True):
        words = line.split(maxsplit=1)
        depth = len(line) - len(line.lstrip())
        if words and (indent < 0 or (closed and not _goes_on(words[0], depth - indent))):
            if indent >= 0:
                yield begin, text[begin:place]
            begin, indent = place, depth
        bare = line.strip()
        if _OPEN.search(bare, max(bare.rfind("]"), bare.rfind("}")) + 1):
            closed = False
        elif "]" in line or "}" in line:
            closed = True
        place += len(line)
    yield begin, text[begin:]


def _goes_on(word: str, deeper: int) -> bool:
    return deeper > 0 or (deeper == 0 and (word in ("-", ":") or word[0] in "]}"))


def _moved(edits: list[Edit], by: int) -> list[Edit]:
    return [(start + by, end + by, new) for start, end, new in edits]


def _edits(text: str, depth: int) -> list[Edit] | None:
    """Return what to change in a text that may be YAML, None where it is none; what ``redact`` hides is left to it."""
    if not _CUE.search(text):
        return []
    if len(text) > LONGEST:
        return None
    try:
        found = scalars(text, prose=True)
    except yaml.YAMLError:
        return None
    edits: list[Edit] = []
    done, column, before = 0, 0, None
    for scalar in found:
        edits += _moved(_gap(text[done : scalar.start], depth, before, column), done)
        done, before, column = scalar.end, scalar, _column(text, scalar, column)
        raw = text[scalar.start : scalar.end]
        masked = _shown(scalar.name, scalar.value)
        if masked == scalar.value:
            head = _HEAD.match(raw)
            edits += _moved(_commented(head[0], depth), scalar.start) if head else []
        elif masked == MASK or masked not in redact(raw):
            edits.append((scalar.start, scalar.start + len(raw.rstrip()), _quoted(raw, masked)))
    return [*edits, *_moved(_gap(text[done:], depth, before, column), done)]
