"""Notes which files this process runs as code, also those that leave no module behind.

``runpy.run_path``, a plugin loaded by its path, a module that is taken out of ``sys.modules`` again: Python tells an audit
hook of each. Text that is read and handed to ``exec`` has no file any more, unless it was compiled under its name.
"""

import os
import sys
from typing import Any

_RAN: set[str] = set()
_COMPILED: dict[str, set[str]] = {}
_WATCHES: list[bool] = []


def watch() -> None:
    """Note from now on every file that runs; an audit hook stays until the process ends."""
    if not _WATCHES:
        _WATCHES.append(True)
        sys.addaudithook(_note)


def files() -> set[str]:
    """Return the files that have run since, as Python named them."""
    return set(_RAN)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    """Take a file's name from code that is to run; whatever a hook raises would end what is audited."""
    if event == "compile" and len(arguments) > 1 and isinstance(name := arguments[1], str):
        if os.path.isfile(name):  # noqa: PTH113 - a hook is called often
            place = os.path.abspath(name)  # noqa: PTH100 - here, for the current folder may be another one later
            _COMPILED.setdefault(name, set()).add(place)  # it may be gone when it runs
    elif event == "exec":
        name = getattr(arguments[0], "co_filename", "") if arguments else ""
        if name in _COMPILED:
            _RAN.update(_COMPILED[name])
        elif name.startswith(os.sep) or _is_there(name):  # made code has a name that is no path: <string>, <one>.py
            _RAN.add(os.path.abspath(name))  # noqa: PTH100


def _is_there(name: str) -> bool:
    """Tell whether a file, or the archive that it lies in, is there."""
    while name and not os.path.isfile(name):  # noqa: PTH113
        name = os.path.dirname(name)  # noqa: PTH120
    return bool(name)
