"""Finds the project's own modules outside of its packages that a stage would import.

They lie beside the packages, for the current folder comes first on Python's path, or wherever else in the project Python is
told to look: in ``src/`` by its path, or where an editable install leads.
"""

import ast
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.machinery import PathFinder, all_suffixes
from pathlib import Path

from pipelines.record import executed
from pipelines.record.own import OwnFiles

NEVER = ("tests", "docs", "data", "params")
"""The project's own folders, whose names some installed package may have: they count only where they are imported."""

CALLS = ("import_module", "__import__", "run_module", "find_spec")


def imported(workdir: Path, packages: Iterable[str], own: OwnFiles, ran: Iterable[str]) -> list[str]:
    """Return the files and folders outside of the packages that these import, that hide an installed package or are loaded.

    Args:
        workdir: the project's root.
        packages: its packages, ``stages`` for instance, which are not among them.
        own: tells which files are the project's own.
        ran: the files that are loaded, as ``loaded`` gives them.
    """
    known = _known(workdir, packages, own)
    named = set().union(*(_named(workdir / package) for package in packages))
    found: dict[str, list[str]] = {}
    while new := {name for name in known.keys() - found if name in named or _loaded(name, workdir, known[name])}:
        found |= {name: _files(workdir, known[name], own) for name in new}  # what they import in turn counts too
        named = set().union(*(_named(workdir / file) for name in new for file in found[name]))
    hiding = {name for name in known.keys() - found - {*NEVER} if _hides(name, workdir, known[name])}
    found |= {name: _files(workdir, known[name], own) for name in hiding}
    roots = {file for files in found.values() for file in files}
    covered = tuple(f"{root}/" for root in (*roots, *packages))
    return sorted(roots | {file for file in ran if not f"{file}/".startswith(covered)})


def loaded(own: OwnFiles) -> dict[str, set[str]]:
    """Return the files of all that this process has loaded or run from the project, wherever they lie in it.

    With each come the MD5s of the sources that it is known to have run from, as ``executed`` notes them.

    Args:
        own: tells which files are the project's own, and where they lie in it.
    """
    named = {str(given) for module in [*sys.modules.values()] if (given := getattr(module, "__file__", None))}
    ran = executed.files()
    named |= ran.keys()
    files = {file for file in named if file.startswith(os.sep) or _is_there(Path(file))}  # some give a name that is no path
    # Thousands of modules lie in some hundred folders: a folder is asked once, and a file only where it is a link itself.
    folders = {folder: own.forms(folder) for folder in {os.path.dirname(file) for file in files}}  # noqa: PTH120
    found: dict[str, set[str]] = {}
    for file in files:
        folder, name = os.path.split(file)
        paths = [f"{inside}/{name}" if inside else name for inside in folders[folder]]
        mine = {path for path in paths if own.owns(path)}
        if not mine and os.path.islink(link := os.path.join(folder, name)):  # noqa: PTH114, PTH118 - thousands of them
            mine = {path for path in own.forms(link) if own.owns(path)}
        for path in mine:
            holder = own.holder(path)
            found.setdefault(holder, set()).update(ran.get(file, ()) if holder == path else ())
    return found


def _is_there(file: Path) -> bool:
    """Tell whether a file, or the archive that it lies in, is there."""
    return any(place.is_file() for place in (file, *file.parents))


def _known(workdir: Path, packages: Iterable[str], own: OwnFiles) -> dict[str, list[str]]:
    """Return where in the project Python could import a name from: its root, else the folders on Python's path, in order.

    In a folder that is not the project's own a link may lead into one that is, as ``flit install --symlink`` makes it.
    """
    found: dict[str, list[str]] = {}
    for entry in (workdir, *map(Path, sys.path)):
        inside = [folder for folder in own.forms(str(entry)) if own.may_own(folder)]
        for path in _entries(entry, links=not inside):
            if (name := _importable(path)) and name not in packages:
                linked = [place for place in own.forms(str(path)) if own.may_own(place)] if path.is_symlink() else []
                places = [*(f"{folder}/{path.name}" if folder else path.name for folder in inside), *linked]
                found.setdefault(name, []).extend(places)
    return found


def _entries(folder: Path, *, links: bool) -> list[Path]:
    """Return what lies in a folder of Python's path, or only its links; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if not links or entry.is_symlink())
    except OSError:
        return []


def _files(workdir: Path, places: Iterable[str], own: OwnFiles) -> list[str]:
    """Return the project's own among the places of a name, up to the first that is its own as a whole: it hides the rest.

    A folder without ``__init__.py`` hides nothing.
    """
    found: list[str] = []
    for place in places:
        found += own.within(place)
        path = workdir / place
        if place in found and (path.is_file() or (path / "__init__.py").is_file()):
            break
    return found


def _importable(path: Path) -> str:
    """Return the name under which Python would import a file or folder, empty where it would not."""
    name = path.name.partition(".")[0]
    fits = path.is_dir() if path.suffix == "" else path.name.endswith(tuple(all_suffixes()))
    return name if fits and name.isidentifier() and name != "__pycache__" else ""


def _named(place: Path) -> set[str]:
    """Return the modules that the Python files at a place import, wherever in them, by the first word of their names."""
    files = [place] if place.is_file() else sorted(file for file in place.rglob("*.py") if not file.name.startswith("."))
    sources = [file for file in files if file.suffix == ".py" and not file.is_dir()]
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in sources]
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


def _loaded(name: str, workdir: Path, places: Iterable[str]) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    return bool(file) and any(Path(str(file)).absolute().is_relative_to((workdir / place).absolute()) for place in places)


def _hides(name: str, workdir: Path, places: Sequence[str]) -> bool:
    """Tell whether a module of the root, or a folder that is a package, stands before an installed one of the same name."""
    if not places or "/" in places[0]:
        return False
    path = workdir / places[0]
    if path.is_dir() and not (path / "__init__.py").is_file():
        return False
    elsewhere = [entry for entry in sys.path if Path(entry).absolute() != workdir.absolute()]
    return name in sys.stdlib_module_names or PathFinder.find_spec(name, elsewhere) is not None
