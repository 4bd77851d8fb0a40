"""Notes which files this process runs as code, also those that leave no module behind, and from which source.

``runpy.run_path``, a plugin loaded by its path, a module that is taken out of ``sys.modules`` again: Python tells an audit
hook of each. A file's hash is taken when it is compiled, or when it runs where Python had its bytecode: it may be another
one, or none, by the time that somebody asks. Text that is read and handed to ``exec`` has no file any more, unless it was
compiled under its name.
"""

import hashlib
import os
import sys
from types import CodeType
from typing import Any

from pipelines.record.own import INSTALLED

_RAN: dict[str, set[str]] = {}
_COMPILED: dict[str, dict[str, set[str]]] = {}
_WATCHES: list[bool] = []
_FOREIGN = (f"{os.path.dirname(os.__file__)}{os.sep}", *(f"{os.sep}{name}{os.sep}" for name in INSTALLED))  # noqa: PTH120


def watch() -> None:
    """Note from now on every file that runs; an audit hook stays until the process ends."""
    if not _WATCHES:
        _WATCHES.append(True)
        sys.addaudithook(_note)


def files() -> dict[str, set[str]]:
    """Return the files that have run since, as Python named them, and the MD5 of each source that they ran from.

    None of those that Python or a package brings, nor where the file was gone by then. Bytecode that Python takes for a
    source's counts as that source: what another Python, or a hook of imports, made of it need not be the same to the byte.
    """
    return {place: {*sources} for place, sources in [*_RAN.items()]}


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    """Take a file's name from code that is to run; whatever a hook raises would end what is audited."""
    if event == "compile" and len(arguments) > 1 and isinstance(name := arguments[1], str):
        if os.path.isfile(name):  # noqa: PTH113 - a hook is called often
            place = os.path.abspath(name)  # noqa: PTH100 - here, for the current folder may be another one later
            _COMPILED.setdefault(name, {}).setdefault(place, set()).update(_hash(place))
    elif event == "exec" and isinstance(code := arguments[0] if arguments else None, CodeType):
        for place, sources in _places(code).items():
            _RAN.setdefault(place, set()).update(sources)


def _places(code: CodeType) -> dict[str, set[str]]:
    """Return the file that code was compiled from, and its hashes: those of then, else that of now.

    A relative name counts only where a file was there: made code has a name that is no path, ``<string>`` or ``<one>.py``.
    """
    name = code.co_filename
    if name in _COMPILED:
        return _COMPILED[name]
    if not name.startswith(os.sep) and not _is_there(name):
        return {}
    place = os.path.abspath(name)  # noqa: PTH100
    return {place: _hash(place) if code.co_name == "<module>" else set()}


def _hash(place: str) -> set[str]:
    """Return the MD5 of a source; none where nothing can be read."""
    if any(word in place for word in _FOREIGN) or not os.path.isfile(place):  # noqa: PTH113
        return set()
    try:
        with open(place, "rb") as file:  # noqa: PTH123
            return {hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()}
    except OSError:
        return set()


def _is_there(name: str) -> bool:
    """Tell whether a file, or the archive that it lies in, is there."""
    while name and not os.path.isfile(name):  # noqa: PTH113
        name = os.path.dirname(name)  # noqa: PTH120
    return bool(name)
