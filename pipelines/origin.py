"""Says whose code this process runs: DVC books the code of the current folder, so that code and no other must run."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from stages.core.errors import RawlineError

PACKAGES = ("pipelines", "stages")
START = "pipelines/__main__.py"


def strangers(folder: Path) -> list[Path]:
    """Return the files of loaded modules of ours that are not the folder's own, ``stages/core/params.py`` for instance.

    A module counts as the folder's own where its source lies at its place in the folder, by whatever links.

    Args:
        folder: a project's root.
    """
    loaded = [(name, Path(file)) for name, module in [*sys.modules.items()] if (file := _file(name, module))]
    return sorted(file for name, file in loaded if not _same(file, _place(folder, name, file)))


def follow(folder: Path) -> None:
    """Start the folder's own code in this process's stead, where another copy of the project was called.

    Several clones and worktrees may share one environment, whose ``rawline`` command belongs to one of them.

    Args:
        folder: where the command was given; nothing happens where it is no project.
    """
    if all((folder / name).is_file() for name in ("dvc.yaml", START)) and strangers(folder):
        os.execv(sys.executable, [sys.executable, "-m", "pipelines", *sys.argv[1:]])  # noqa: S606 - no shell on purpose


def require(folder: Path, *, project: bool = False) -> None:
    """Refuse to go on with code that is not the folder's.

    Args:
        folder: the project's root, where DVC runs the stages.
        project: refuse too where the folder holds no code at all.

    Raises:
        RawlineError: a loaded module of ours lies outside of it.
    """
    held = [name for name in PACKAGES if (folder / name).is_dir()]
    found = strangers(folder)
    if found and not held and project:
        raise RawlineError(f"{folder} holds no {' and no '.join(PACKAGES)}; run where dvc.yaml lies, the project's root")
    if found and held:
        start = "start it in the project's root with python -m pipelines, without -P and PYTHONSAFEPATH"
        raise RawlineError(f"{found[0]} would run, but DVC books the code of {folder}; {start}")


def compiled(folder: Path) -> dict[str, str]:
    """Return path, seen from a folder, to MD5 of the source that each loaded module of the folder's own was compiled from.

    Those that Python loaded by itself, not through ``python -m pipelines``, are not known.
    """
    found = {}
    for name, module in [*sys.modules.items()]:
        md5 = getattr(getattr(module, "__loader__", None), "md5", "")
        if md5 and (file := _file(name, module)) and _same(Path(file), place := _place(folder, name, Path(file))):
            found[place.relative_to(folder).as_posix()] = str(md5)
    return found


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which the ``python`` of dvc.yaml is the one that runs this, activated or not."""
    beside = str(Path(sys.executable).parent)
    return {**given, "PATH": os.pathsep.join(filter(None, (beside, given.get("PATH"))))}


def _file(name: str, module: object) -> str | None:
    """Return the file of a module of ours; None for others, and for one that was made without a file."""
    file = getattr(module, "__file__", None)
    return file if name.partition(".")[0] in PACKAGES else None


def _place(folder: Path, name: str, file: Path) -> Path:
    place = folder.joinpath(*name.split("."))
    return place / "__init__.py" if file.stem == "__init__" else place.with_name(f"{place.name}.py")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.absolute() == other.absolute() or one.samefile(other)  # a file may be gone since it was loaded
    except OSError:
        return False
