"""Holds the code of a project against its commit, file by file, without trust in git's index.

Code is ``pipelines/``, ``stages/``, ``dvc.yaml`` with the files that it takes variables from, and what else of the project
is imported, beside them or in a folder like ``src/``. Contents count: a file's mode, ``params.yaml``, ``dvc.lock``, data,
docs and tests do not. A module that the commit lacks counts whether git ignores it or not, for Python imports it all the
same.
"""

import hashlib
import os
import posixpath
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Literal

import yaml

from pipelines import origin
from pipelines.record import beside, contents, git_command
from pipelines.record.git_command import GitError
from pipelines.record.own import OwnFiles
from stages.core import yaml_text

FOLDERS = ("pipelines", "stages")
GRAPH = "dvc.yaml"
VALUES = "params.yaml"
LINK, SUBMODULE = "120000", "160000"


@dataclass(frozen=True)
class CodeState:
    """How the code stands to its commit.

    Attributes:
        commit: the commit; empty where there is none, or where git cannot tell.
        dirty: ``false`` where code and commit are known to be the same, ``true`` where they differ, else ``unknown``.
        changes: what differs, one clause each; why, where it is not known; empty when it is clean.
    """

    commit: str
    dirty: Literal["true", "false", "unknown"]
    changes: tuple[str, ...] = ()


def read(workdir: Path) -> CodeState:
    """Compare the code in a folder with the commit that is checked out there.

    Args:
        workdir: the folder of ``dvc.yaml``; it may be a subfolder of its repository.
    """
    commit = ""
    try:
        commit = git_command.run(workdir, "rev-parse", "--verify", "HEAD^{commit}").strip()
        own = OwnFiles(workdir, commit)
        ran = beside.loaded(own)
        roots = [*FOLDERS, GRAPH, *variables(workdir), *beside.imported(workdir, FOLDERS, own, ran)]
        committed = _committed(workdir, commit, roots)
        told = [*_changes(workdir, committed, roots), *_gone(workdir, committed, ran)]
        changes = sorted({*told, *_ran_otherwise(workdir, committed, _others(workdir, committed, ran))})
        hidden = _hidden(workdir, roots)
    except (GitError, OSError, UnicodeError, yaml.YAMLError) as error:
        return CodeState(commit, "unknown", (" ".join(str(error).split()),))
    if changes:
        return CodeState(commit, "true", tuple(changes))
    return CodeState(commit, "unknown" if hidden else "false", tuple(hidden))


def loaded(workdir: Path) -> dict[str, set[str]]:
    """Return the files, seen from a folder, of all of its code that this process has loaded or run, and the sources known.

    None where git does not say what the commit holds: ``late`` then looks at all of them.
    """
    with suppress(GitError):
        return beside.loaded(OwnFiles(workdir, "HEAD"))
    return {}


def late(workdir: Path, commit: str, before: Mapping[str, set[str]]) -> CodeState:
    """Compare with a commit what this process has loaded or run since, or from another source since; see ``loaded``.

    A file counts as it was compiled, where that is known: it may have been edited or put back since.
    """
    try:
        ran = beside.loaded(OwnFiles(workdir, commit))
        new = {path: sources for path, sources in ran.items() if before.get(path) != sources}
        for path, md5 in origin.compiled(workdir).items():
            if path in new:
                new[path].add(md5)
        committed = _committed(workdir, commit, sorted(new)) if new else {}
        others = _others(workdir, committed, new)
        rest = {path: about for path, about in committed.items() if path not in others}
        told = [*_changes(workdir, rest, sorted(new.keys() - others)), *_gone(workdir, committed, new)]
        changes = sorted({*told, *_ran_otherwise(workdir, committed, others)})
    except (GitError, OSError, UnicodeError) as error:
        return CodeState(commit, "unknown", (" ".join(str(error).split()),))
    return CodeState(commit, "true" if changes else "false", tuple(changes))


def variables(workdir: Path) -> list[str]:
    """Return the files from which a folder's ``dvc.yaml`` takes variables, seen from there, but for the parameter file."""
    try:
        text = (workdir / GRAPH).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    if "vars" not in text:
        return []
    graph = yaml_text.load(text)
    stages = [body.get("do", body) for body in graph.get("stages", {}).values()]
    places = [(str(place.get("wdir") or "."), item) for place in (graph, *stages) for item in place.get("vars") or ()]
    listed = [
        posixpath.normpath(posixpath.join(wdir, item.partition(":")[0])) for wdir, item in places if isinstance(item, str)
    ]
    return sorted({*listed} - {VALUES})


def _committed(workdir: Path, commit: str, roots: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return mode and blob of each file of the code that the commit holds, by path from ``workdir``."""
    said = git_command.run(workdir, "ls-tree", "-r", "-z", commit, "--", *roots)
    lines = [line.partition("\t") for line in said.split("\0") if line]
    return {path: (about.split()[0], about.split()[2]) for about, _, path in lines}


def _changes(workdir: Path, committed: dict[str, tuple[str, str]], roots: Iterable[str]) -> Iterator[str]:
    plain = []
    for path, (mode, blob) in committed.items():
        if odd := _oddity(workdir, path, mode):
            yield f"{path} {odd}"
        elif mode == LINK:
            if _blobs(workdir, "--stdin", given=str((workdir / path).readlink())) != [blob]:
                yield f"{path} differs"
        else:
            plain.append(path)
    prefix = git_command.run(workdir, "rev-parse", "--show-prefix").strip("\n")  # git reads such paths from its own root on
    given = "".join(f"{prefix}{path}\n" for path in plain)
    now = _blobs(workdir, "--stdin-paths", given=given) if plain else []
    yield from (f"{path} differs" for path, blob in zip(plain, now, strict=True) if committed[path][1] != blob)
    there = [path for root in roots for path in _modules(workdir / root)]
    names = [path.relative_to(workdir).as_posix() for path in there]
    yield from (f"{name} is not in the commit" for name in names if name not in committed)


def _gone(workdir: Path, committed: Container[str], ran: Iterable[str]) -> Iterator[str]:
    """Name what has run, whenever, and neither lies there any more nor in the commit: nobody can look at it."""
    for path in ran:
        if path not in committed and not (workdir / path).is_symlink() and not (workdir / path).is_file():
            yield f"{path} has run and is gone"


def _others(workdir: Path, committed: Mapping[str, tuple[str, str]], ran: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the committed files that ran from another source than lies there, with the MD5 of each that they ran from."""
    plain = {path: ran[path] for path, (mode, _) in committed.items() if mode not in (LINK, SUBMODULE) and ran.get(path)}
    return {path: sources for path, sources in plain.items() if sources != {_md5(workdir / path)}}


def _md5(path: Path) -> str:
    return contents.file_hash(path) if path.is_file() else ""


def _ran_otherwise(workdir: Path, committed: Mapping[str, tuple[str, str]], ran: Mapping[str, set[str]]) -> Iterator[str]:
    """Compare the MD5s of the sources that ran with what the commit holds."""
    for path, sources in ran.items():
        held = git_command.raw(workdir, "cat-file", "blob", committed[path][1])
        if sources != {hashlib.md5(held, usedforsecurity=False).hexdigest()}:
            yield f"{path} differs"


def _oddity(workdir: Path, path: str, mode: str) -> str:
    """Say what keeps a committed file from being compared by its content; empty where nothing does."""
    place = workdir / path
    if mode == SUBMODULE:
        raise GitError(f"{path} is a submodule, whose content the commit does not hold")
    if "\n" in path:
        raise GitError(f"{path!r} has a line break in its name")
    if not os.path.lexists(place):
        return "is missing"
    if (mode == LINK) != place.is_symlink() or not (place.is_symlink() or place.is_file()):
        return "is another kind of file"
    inside = [workdir.resolve() / folder for folder in FOLDERS]
    leaves = mode == LINK and not any(place.resolve().is_relative_to(folder) for folder in inside)
    return "leads out of the code" if leaves else ""


def _blobs(workdir: Path, option: str, given: str) -> list[str]:
    """Return the blob of the standard input, or of each file that it names, as the bytes are: a filter can hide an edit."""
    return git_command.run(workdir, "hash-object", "--no-filters", option, given=given).split()


def _modules(root: Path) -> Iterator[Path]:
    """Yield the root itself where it is a file, what Python could import from below it, and every link."""
    if root.is_symlink() or root.is_file():
        yield root
    elif root.is_dir():
        for path in sorted(root.iterdir()):
            if path.name == "__pycache__" or path.name.startswith("."):
                continue
            if path.is_symlink() or path.is_dir() or path.name.endswith(tuple(all_suffixes())):
                yield from _modules(path)


def _hidden(workdir: Path, roots: Iterable[str]) -> list[str]:
    """Return the files that git was told not to look at: whoever asks git about them is told that all is well."""
    said = git_command.run(workdir, "ls-files", "-v", "-z", "--", *roots).split("\0")
    flagged = [line[2:] for line in said if line[:1] == "S" or line[:1].islower()]
    return [f"{path} is hidden from git (assume-unchanged or skip-worktree)" for path in flagged]
