"""Finds modules beside the project's packages that a stage would import: the current folder comes first on Python's path."""

import re
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder, all_suffixes
from pathlib import Path

NEVER = ("tests", "docs", "data", "params")
"""The project's own folders, whose names some installed package may have: they count only where they are imported."""


def imported(workdir: Path, packages: Iterable[str]) -> list[str]:
    """Return the files and folders beside the packages that their code imports, or that hide an installed package.

    Args:
        workdir: the project's root.
        packages: its packages, ``stages`` for instance, which are not among them.
    """
    known = {name: path for path in sorted(workdir.iterdir()) if (name := _importable(path)) and name not in packages}
    text = "\n".join(_text(workdir / package) for package in packages)
    found: set[str] = set()
    while new := {name for name in known.keys() - found if _loaded(name, known[name]) or _named(name, text)}:
        found |= new  # what they import in turn counts too
        text = "\n".join(_text(known[name]) for name in new)
    found |= {name for name in known.keys() - found - {*NEVER} if _hides(name, known[name], workdir)}
    return sorted(known[name].name for name in found)


def _importable(path: Path) -> str:
    """Return the name under which Python would import a file or folder, empty where it would not."""
    name = path.name.partition(".")[0]
    fits = path.is_dir() if path.suffix == "" else path.name.endswith(tuple(all_suffixes()))
    return name if fits and name.isidentifier() and name != "__pycache__" else ""


def _text(place: Path) -> str:
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.suffix == ".py")


def _named(name: str, text: str) -> bool:
    return bool(re.search(rf"^\s*(?:from|import)\s+(?:[\w.]+\s*,\s*)*{name}\b", text, re.MULTILINE))


def _loaded(name: str, path: Path) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    return bool(file) and Path(str(file)).absolute().is_relative_to(path.absolute())


def _hides(name: str, path: Path, workdir: Path) -> bool:
    """Tell whether a module, or a folder that is a package, stands before an installed one of the same name."""
    if path.is_dir() and not (path / "__init__.py").is_file():
        return False
    elsewhere = [entry for entry in sys.path if Path(entry).absolute() != workdir.absolute()]
    return name in sys.stdlib_module_names or PathFinder.find_spec(name, elsewhere) is not None
