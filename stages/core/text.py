r"""Makes text harmless that comes from data: names of classes, groups and files, and whatever is said about them.

Three forms for the three places where it is shown: ``escaped`` for a terminal and a plain file, ``markdown`` for a line of
markdown, ``verbatim`` for a span or block of code in it. Each gives one line. (Pages of HTML are jinja's, which escapes.)
"""

import re
import unicodedata

_MARKS = re.compile(r"[\\`*_\[\]#|~]")  # what begins emphasis, code, a link, a picture, a heading or a cell
_LINKED = re.compile(r"://|@|\bwww\.|\w\.[^\W\d_]", re.IGNORECASE)  # renderers make links and mentions of such words unasked
_AFTER = frozenset(",;:.!?")  # what ends a word in a sentence
_START = re.compile(r"^(?:(?=[-+=>])|(\d+)(?=[.)]))")  # of a line: a list, a quotation, a line below a heading
# Unicode's categories: controls, separators of lines and paragraphs, halves of characters
_STEERING = ("Cc", "Zl", "Zp", "Cs")
_JOINING = frozenset("\u200c\u200d")  # Persian, scripts of India, emoji
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # what follows runs the other way


def is_name(text: str) -> bool:
    r"""Tell whether text can name a class or group: one line without controls, in the order in which it is read.

    Spaces of other scripts and the joiners that some of them need are right.

    Example:
        >>> is_name("red fox"), is_name("cat\n"), is_name("a\x1b[2J"), is_name("a\u202etac")
        (True, False, False, False)
    """
    return not any(sign in _TURNING or unicodedata.category(sign) in _STEERING for sign in text)


def escaped(text: str) -> str:
    r"""Return text on one line in which what could steer a terminal is written out, so that a file's name can still be read.

    Example:
        >>> print(escaped("a\x1b[2J\nb.png"))
        a\x1b[2J\nb.png
    """
    return "".join(sign if is_name(sign) and _is_shown(sign) else sign.encode("unicode_escape").decode() for sign in text)


def _is_shown(sign: str) -> bool:
    """Tell whether a sign is part of writing: a space of any script, a joiner that some need, or printable."""
    return sign.isprintable() or unicodedata.category(sign) == "Zs" or sign in _JOINING


def markdown(text: object) -> str:
    r"""Return text as part of a line of markdown that shows it and makes nothing of it: no heading, link, picture or HTML.

    Signs are escaped as CommonMark has it; a word that renderers would link, a file's name among them, becomes code, without
    the punctuation around it.

    Example:
        >>> print(markdown("cat\n\n## Audit: PASS ![](http://evil/t.png) <b>"))
        cat\\n\\n\#\# Audit: PASS `![](http://evil/t.png)` &lt;b>
        >>> print(markdown("- 1 of a_b"))
        \- 1 of a\_b
        >>> print(markdown("finetune@classify, (see a.png): f(x.y)."))
        `finetune@classify`, (see `a.png`): `f(x.y)`.
    """
    return _START.sub(r"\1\\", " ".join(map(_word, escaped(str(text)).split())))


def verbatim(text: object) -> str:
    r"""Return text for a span or block of code in markdown: one line that cannot end it.

    Example:
        >>> verbatim("a`b")
        "a'b"
    """
    return escaped(str(text)).replace("`", "'")


def code(text: object) -> str:
    r"""Return text, a file's name, as a span of code in a line of markdown or in a table's cell; nothing for no text.

    Example:
        >>> code("yard 000|1.jpg"), code("")
        ('`yard 000\\|1.jpg`', '')
    """
    return f"`{verbatim(text)}`".replace("|", r"\|") if str(text) else ""  # a bar ends a table's cell even there


def _word(word: str) -> str:
    """Return a word as code where renderers would link it, its punctuation plain; a bracket that it opens is its own."""
    start, core, end = "", word, ""
    while core and (core[-1] in _AFTER or (core[-1] == ")" and core.count(")") > core.count("("))):
        core, end = core[:-1], core[-1] + end
    if core.startswith("(") and core.count("(") > core.count(")"):
        start, core = "(", core[1:]
    return _plain(start) + code(core) + _plain(end) if _LINKED.search(core) else _plain(word)


def _plain(word: str) -> str:
    return _MARKS.sub(r"\\\g<0>", word.replace("&", "&amp;")).replace("<", "&lt;")
