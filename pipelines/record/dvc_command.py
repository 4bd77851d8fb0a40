"""Tells a dvc command from everything else that merely mentions dvc, however it was started."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

PROGRAM = re.compile(r"dvc(\.exe|-script\.py|\.pyz?)?", re.IGNORECASE)
PYTHON = re.compile(r"(python|pypy)[\d.]*[a-z]?(\.exe)?", re.IGNORECASE)
WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")  # Python's options whose value may be the next word
IMPORT = re.compile(r"\b(?:from|import)\s+dvc(?!\w)")
DVC_WITH_VALUE = ("--cd",)
GROUPS = {"exp": 1, "experiments": 1, "queue": 1, "stage": 1, "remote": 1, "cache": 1, "plots": 1, "metrics": 1, "params": 1}


def arguments(words: Sequence[str]) -> list[str] | None:
    """Return what a dvc process was asked to do: the words after ``dvc``; None when the process is no dvc.

    Args:
        words: a process's command line.

    Example:
        >>> arguments(["/p/.venv/bin/python3", "-u", "-m", "dvc", "repro", "a"])
        ['repro', 'a']
        >>> arguments(["bash", "-c", "dvc repro"]) is None, arguments(["python", "train.py", "dvc"]) is None
        (True, True)
    """
    if not words:
        return None
    if PROGRAM.fullmatch(_name(words[0])):
        return list(words[1:])
    return _below_python(list(words[1:])) if PYTHON.fullmatch(_name(words[0])) else None


def verb(words: Sequence[str]) -> str:
    """Return which of dvc's commands runs, for instance ``repro``, ``exp run`` or ``exp exec-run`` (a task of its queue).

    Args:
        words: from ``arguments``.

    Example:
        >>> verb(["--cd", "sub", "-q", "repro", "a"]), verb(["exp", "run", "--temp"]), verb([])
        ('repro', 'exp run', '')
    """
    plain = list(_plain(words))
    return " ".join(plain[: 1 + GROUPS.get(plain[0], 0)]) if plain else ""


def _plain(words: Sequence[str]) -> Iterator[str]:
    """Yield the words that are neither an option nor the value of one of those that stand before the verb."""
    skip = False
    for word in words:
        if skip or word.startswith("-"):
            skip = word in DVC_WITH_VALUE
        else:
            yield word


def _below_python(words: list[str]) -> list[str] | None:
    """Read on behind the interpreter: its options, then ``-m dvc``, ``-c ...`` or a script's path."""
    while words:
        word = words.pop(0)
        if word.startswith("-m") or (_is_cluster(word) and word.endswith("m")):
            module = word[2:] if word.startswith("-m") and len(word) > 2 else next(iter(words), "")  # noqa: PLR2004
            rest = words if word.startswith("-m") and len(word) > 2 else words[1:]  # noqa: PLR2004
            return list(rest) if module in ("dvc", "dvc.__main__", "dvc.cli") else None
        if _is_cluster(word) and word.endswith("c"):
            return words[1:] if words and IMPORT.search(words[0]) else None
        if word in WITH_VALUE:
            words = words[1:]
        elif not word.startswith("-"):
            return words if _is_script(word) else None
    return None


def _is_cluster(word: str) -> bool:
    """Tell Python's short options written together, as in ``-um``; the last one may take a value."""
    return re.fullmatch(r"-[bBdEhiIOPqsSuvVx?]*[mc]", word) is not None


def _is_script(word: str) -> bool:
    path = PurePath(word.replace("\\", "/"))
    return bool(PROGRAM.fullmatch(path.name)) or path.parts[-2:] == ("dvc", "__main__.py")


def _name(word: str) -> str:
    return PurePath(word.replace("\\", "/")).name
