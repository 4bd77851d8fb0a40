"""Finds the project's own modules outside of its packages that a stage would import.

They lie beside the packages, for the current folder comes first on Python's path, or wherever else in the project Python is
told to look: in ``src/`` by its path, or where an editable install leads.
"""

import ast
import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.machinery import PathFinder, all_suffixes
from pathlib import Path

NEVER = ("tests", "docs", "data", "params")
"""The project's own folders, whose names some installed package may have: they count only where they are imported."""

INSTALLED = ("site-packages", "dist-packages", "__pypackages__")
CALLS = ("import_module", "__import__", "run_module", "find_spec")


def imported(workdir: Path, packages: Iterable[str]) -> list[str]:
    """Return the files and folders outside of the packages that these import, that hide an installed package or are loaded.

    Args:
        workdir: the project's root.
        packages: its packages, ``stages`` for instance, which are not among them.
    """
    known = _known(workdir, packages)
    named = set().union(*(_named(workdir / package) for package in packages))
    found: set[str] = set()
    while new := {name for name in known.keys() - found if _loaded(name, known[name]) or name in named}:
        found |= new  # what they import in turn counts too
        named = set().union(*(_named(known[name]) for name in new))
    found |= {name for name in known.keys() - found - {*NEVER} if _hides(name, known[name], workdir)}
    roots = {known[name].relative_to(workdir).as_posix() for name in found}
    covered = tuple(f"{root}/" for root in (*roots, *packages))
    return sorted(roots | {file for file in loaded(workdir) if not f"{file}/".startswith(covered)})


def loaded(workdir: Path) -> set[str]:
    """Return the files of all modules that this process has loaded from the project, wherever they lie in it.

    Args:
        workdir: the project's root, from where the paths are seen.
    """
    named = {str(file) for module in [*sys.modules.values()] if (file := getattr(module, "__file__", None))}
    files = {file for file in named if file.startswith(os.sep) or Path(file).is_file()}  # some give a name that is no path
    known: dict[Path, bool] = {}
    # Thousands of modules lie in some hundred folders: a folder is asked once, and a file only where it is a link itself.
    folders = {folder: _own(Path(folder), workdir, known) for folder in {os.path.dirname(file) for file in files}}  # noqa: PTH120
    found: set[Path | None] = set()
    for folder, name in map(os.path.split, files):
        inside = folders[folder]
        if inside is not None and not name.startswith("."):
            found.add(inside / name)
        elif os.path.islink(os.path.join(folder, name)):  # noqa: PTH114, PTH118 - thousands of them
            found.add(_own(Path(folder, name), workdir, known))
    return {own.as_posix() for own in found if own is not None}


def _own(place: Path, root: Path, known: dict[Path, bool]) -> Path | None:
    """Return where a file or folder lies in the project, None where in none of its own folders.

    Those of an environment are not its own, nor those that packages were installed into.

    Args:
        place: the path, as Python's path had it: with ``..``, or through a link.
        root: the project's root.
        known: folders that were looked at, and whether packages were installed into them; new ones are added.
    """
    for found, base in (
        (Path(os.path.normpath(path.absolute())) for path in (place, root)),
        (place.resolve(), root.resolve()),
    ):
        if found.is_relative_to(base):
            break
    else:
        return None
    inside = found.relative_to(base)
    environments = {path for path in map(Path, (sys.prefix, sys.base_prefix)) if path != base and path.is_relative_to(base)}
    if any(part.startswith(".") or part in INSTALLED for part in inside.parts):
        return None
    if any(found.is_relative_to(path) for path in environments):
        return None
    return None if any(_is_target(base / folder, known) for folder in [inside, *inside.parents][:-1]) else inside


def _is_target(folder: Path, known: dict[Path, bool]) -> bool:
    """Tell whether packages were installed into a folder (``pip install --target``): each leaves a note there."""
    if folder not in known:
        known[folder] = next(folder.glob("*.dist-info"), None) is not None
    return known[folder]


def _known(workdir: Path, packages: Iterable[str]) -> dict[str, Path]:
    """Return what Python could import from the project by name: from its root, else from its folders on Python's path."""
    seen: dict[Path, bool] = {}
    entries = [own for place in map(Path, sys.path) if place.is_dir() and (own := _own(place, workdir, seen)) is not None]
    found: dict[str, Path] = {}
    for place in (workdir, *(workdir / entry for entry in entries)):
        for path in sorted(place.iterdir()):
            if (name := _importable(path)) and name not in packages:
                found.setdefault(name, path)
    return found


def _importable(path: Path) -> str:
    """Return the name under which Python would import a file or folder, empty where it would not."""
    name = path.name.partition(".")[0]
    fits = path.is_dir() if path.suffix == "" else path.name.endswith(tuple(all_suffixes()))
    return name if fits and name.isidentifier() and name != "__pycache__" else ""


def _named(place: Path) -> set[str]:
    """Return the modules that the Python files at a place import, wherever in them, by the first word of their names."""
    files = [place] if place.is_file() else sorted(file for file in place.rglob("*.py") if not file.name.startswith("."))
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files if file.suffix == ".py"]
    return {name.partition(".")[0] for text in texts for name in _imports(text)}


@lru_cache(maxsize=4096)
def _imports(text: str) -> frozenset[str]:
    """Return the names of all modules that a source imports, by statement or by a call with a constant name.

    Of what is no Python every word in a line that imports counts: nobody knows what another Python makes of it.
    """
    try:
        return frozenset(_read_imports(text))
    except (SyntaxError, ValueError, RecursionError):
        return frozenset(re.findall(r"\w+", "\n".join(line for line in text.splitlines() if "import" in line)))


def _read_imports(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    for node in ast.walk(tree) if any(word in text for word in CALLS) else _statements(tree):
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case ast.Call(func=ast.Name(id=word) | ast.Attribute(attr=word), args=[ast.Constant(value=str(name)), *_]):
                yield from [name] * (word in CALLS)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the statements alone: most of a tree are expressions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield child
            yield from _statements(child)


def _loaded(name: str, path: Path) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    return bool(file) and Path(str(file)).absolute().is_relative_to(path.absolute())


def _hides(name: str, path: Path, workdir: Path) -> bool:
    """Tell whether a module of the root, or a folder that is a package, stands before an installed one of the same name."""
    if path.parent != workdir:
        return False
    if path.is_dir() and not (path / "__init__.py").is_file():
        return False
    elsewhere = [entry for entry in sys.path if Path(entry).absolute() != workdir.absolute()]
    return name in sys.stdlib_module_names or PathFinder.find_spec(name, elsewhere) is not None
