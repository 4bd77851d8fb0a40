"""Tells which files of a project are its own, and which an environment or an installed package put there."""

import csv
import os
import posixpath
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import all_suffixes
from pathlib import Path

from pipelines.record import git_command

INSTALLED = ("site-packages", "dist-packages", "__pypackages__")
KEPT = (".git", ".dvc", ".rawline")
SIGNS = ("pyvenv.cfg", "conda-meta")  # of an environment, whatever its folder is called


class OwnFiles:
    """The files that are the project's own: what the commit holds, and what nobody else put there.

    Else those of an environment are not, nor what git, DVC and Rawline keep, nor those that a package's ``RECORD`` lists, as
    ``pip install --target`` leaves it beside what it installs. All paths are seen from the project's root, with ``/``; what
    was looked at once is kept, so an object serves one look at the code.

    Args:
        workdir: the project's root.
        commit: the commit.
    """

    def __init__(self, workdir: Path, commit: str) -> None:
        self._workdir, self._commit = workdir, commit
        self._roots = (os.path.abspath(workdir), os.path.realpath(workdir))  # noqa: PTH100 - a link stays
        self._environments = {inside for prefix in (sys.prefix, sys.base_prefix) for inside in self.forms(prefix) if inside}
        self._known: dict[str, tuple[str, tuple[frozenset[str], ...]]] = {"": ("", ())}
        self._held: dict[str, frozenset[str]] = {}

    def forms(self, place: str) -> list[str]:
        """Return where a file or folder lies in the project: by its path, and where its links lead; none for outside.

        Args:
            place: the path, as Python's path had it: with ``..``, or through a link.
        """
        found = []
        for path, root in zip((os.path.abspath(place), os.path.realpath(place)), self._roots, strict=True):  # noqa: PTH100
            if path == root or path.startswith(root.rstrip(os.sep) + os.sep):
                inside = path[len(root) :].strip(os.sep)
                found += [inside] * (inside not in found)
        return found

    def owns(self, file: str) -> bool:
        """Tell whether a file is the project's own."""
        folder = file.rpartition("/")[0]
        foreign, listed = self._about(folder)
        if foreign:
            return file in self._committed(foreign)
        return not any(file in one for one in listed)

    def holder(self, file: str) -> str:
        """Return the archive that holds a module, ``lib.zip`` of ``lib.zip/one.py``; a file by itself, there or gone."""
        above = file
        while above and not os.path.lexists(self._workdir / above):
            above = above.rpartition("/")[0]
        return above if above and (self._workdir / above).is_file() else file

    def may_own(self, folder: str) -> bool:
        """Tell whether files in a folder, or below it, may be the project's own."""
        foreign, _ = self._about(folder)
        return not foreign or any(file.startswith(f"{folder}/") for file in self._committed(foreign))

    def within(self, place: str) -> list[str]:
        """Return a place itself where all modules in it are the project's own, else its own files, gone or not."""
        if not (self._workdir / place).is_dir():
            return [place] if self.owns(place) else []
        there = [*self._modules(place)]
        own = [file for file in there if self.owns(file)]
        return [place] if own and len(own) == len(there) else sorted(self._committed(place).union(own))

    def _modules(self, place: str) -> Iterator[str]:
        """Yield what Python could import from below a folder, and every link there."""
        for folder, folders, names in os.walk(self._workdir / place):
            inside = Path(folder).relative_to(self._workdir).as_posix()
            folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
            yield from (f"{inside}/{name}" for name in names if name.endswith(tuple(all_suffixes())) and name[0] != ".")
            yield from (f"{inside}/{name}" for name in folders if os.path.islink(f"{folder}/{name}"))  # noqa: PTH114

    def _about(self, folder: str) -> tuple[str, tuple[frozenset[str], ...]]:
        """Return the folder at or above this one that is not the project's, and else what packages put into them."""
        if folder not in self._known:
            above, _, name = folder.rpartition("/")
            foreign, listed = self._about(above)
            if not foreign and self._is_environment(folder, name):
                foreign = folder
            if not foreign and (new := self._listed(folder)):
                listed = (*listed, new)
            self._known[folder] = foreign, listed
        return self._known[folder]

    def _is_environment(self, folder: str, name: str) -> bool:
        """Tell whether others' files lie in a folder: an environment, packages, or what git, DVC and Rawline keep."""
        if name in INSTALLED or name in KEPT or folder in self._environments:
            return True
        return any((self._workdir / folder / sign).exists() for sign in SIGNS)

    def _listed(self, folder: str) -> frozenset[str]:
        """Return the files that packages put into a folder, by the notes that they left there, but for committed ones."""
        place, found, names = self._workdir / folder, set(), []
        with suppress(OSError):
            names = [name for name in os.listdir(place) if name.endswith(".dist-info")]  # noqa: PTH208 - of each folder
        for name in names:
            with (
                suppress(OSError, csv.Error),
                (place / name / "RECORD").open(encoding="utf-8", errors="surrogateescape", newline="") as record,
            ):
                found |= {posixpath.normpath(posixpath.join(folder, row[0])) for row in csv.reader(record) if row}
        inside = {file for file in found if file.startswith(f"{folder}/")}
        return frozenset(inside - self._committed(folder)) if inside else frozenset()

    def _committed(self, place: str) -> frozenset[str]:
        """Return the files that the commit holds at a place."""
        if place not in self._held:
            said = git_command.run(self._workdir, "ls-tree", "-r", "-z", "--name-only", self._commit, "--", place)
            self._held[place] = frozenset(filter(None, said.split("\0")))
        return self._held[place]
