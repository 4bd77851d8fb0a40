"""Holds what is installed against what the project needs: its requirements, and the versions tested together."""

import importlib.metadata as packages
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipelines.doctor import Finding

PROJECT = "rawline"
SHOWN = 5


def python_word() -> str:
    """Return how this interpreter is called from the project's root."""
    here = Path(sys.executable)
    return shlex.quote(str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here))


def install() -> str:
    """Return the command that installs what was tested together."""
    return f"{python_word()} -m pip install --constraint constraints.txt --editable '.[dev]'"


def pins() -> Iterator[Finding]:
    """Find what is needed and absent, or another version than ``constraints.txt`` pins.

    The file pins whatever was installed when it was written: packages of other platforms, of another build of torch and of
    extras among them. What must be there is what the installed distributions ask for here.
    """
    file = Path("constraints.txt")
    if not file.exists():
        yield Finding("pins", "warn", "constraints.txt is missing", "git checkout -- constraints.txt")
        return
    text = (line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    pinned = dict(line.split("==") for line in text if "==" in line)
    faults = sorted(missing(PROJECT))
    other = [
        f"{name} {found} instead of {wanted}"
        for name, wanted in pinned.items()
        if (found := version(name)) and found.partition("+")[0] != wanted.partition("+")[0]
    ]
    if faults:
        yield Finding("pins", "broken", f"not installed: {few(faults)}", install())
    if other:
        yield Finding("pins", "warn", f"not what was tested together: {few(other)}", install())
    if not faults and not other:
        yield Finding("pins", "ok", f"{sum(version(name) is not None for name in pinned)} packages as in constraints.txt")


def version(name: str) -> str | None:
    """Return a package's installed version, None where it is absent."""
    try:
        return packages.version(name)
    except packages.PackageNotFoundError:
        return None


def missing(project: str) -> set[str]:
    """Return what an installed distribution asks for on this machine, and what that asks for in turn, and is not installed.

    Args:
        project: name of the distribution, without extras: what develops or tests it may be absent.
    """
    todo, seen, absent = [(project, frozenset[str](), "")], set[tuple[str, frozenset[str]]](), set[str]()
    while todo:
        name, extras, by = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            asked = packages.distribution(name).requires or []
        except packages.PackageNotFoundError:
            absent.add(f"{name} (needed by {by})" if by else name)
            continue
        wanted = (requirement for requirement in map(Requirement, asked) if applies(requirement, extras))
        todo += [(canonicalize_name(one.name), frozenset(one.extras), name) for one in wanted]
    return absent


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Tell whether a requirement counts on this machine where these extras of its package are wanted.

    Example:
        >>> applies(Requirement("httpx2; extra == 'full'"), frozenset()), applies(Requirement("click"), frozenset())
        (False, True)
    """
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def few(names: list[str]) -> str:
    """Return the first names and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
