"""Knows what a stage read and wrote when: DVC books its inputs at the END of a command, whatever it read at the start."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipelines import dvc_lock
from pipelines.dvc_stage import command
from pipelines.graph import address
from pipelines.record import contents

_ONE_AT_A_TIME = threading.Lock()  # DVC's own objects are not made for threads
COMMIT_ATTEMPTS = 5


def dependencies(root: Path, name: str) -> dict[str, str]:
    """Hash everything a stage reads, as it lies there now.

    Args:
        root: the DVC project.
        name: the stage's address.

    Returns:
        Path, or ``file:key`` of a parameter, to hash and stamp, or value; empty text where it is missing.
    """
    with _ONE_AT_A_TIME, _repo(root) as repo:
        stage = _booked(repo, name)
        found: dict[str, str] = {}
        for dep in stage.deps:
            if hasattr(dep, "params"):
                found |= {f"{dep.def_path}:{key}": repr(value) for key, value in dep.read_params().items()}
            else:
                path = Path(dep.fs_path)
                stamp = contents.stamp(path) if path.suffix != ".py" else ""  # of code the run itself says what it compiled
                found[dep.def_path] = f"{dep.get_hash().value} {stamp}" if dep.exists else ""
        return found


def folder(root: Path, path: str) -> str | None:
    """Hash a folder as DVC does, which knows the files that it has hashed before; None where DVC cannot.

    Args:
        root: the DVC project.
        path: the folder, seen from there.
    """
    from dvc.exceptions import DvcException  # noqa: PLC0415 - only what a command needs is imported
    from dvc.fs import localfs  # noqa: PLC0415
    from dvc_data.hashfile.build import build  # noqa: PLC0415 - comes with dvc

    try:
        with _ONE_AT_A_TIME, _repo(root) as repo:
            place = os.path.abspath(root / path)  # noqa: PTH100 - DVC follows no links either
            _, _, found = build(repo.cache.local, place, localfs, "md5", ignore=repo.dvcignore, dry_run=True)
            return str(found.hash_info.value)
    except (DvcException, OSError):
        return None


def booked(root: Path) -> dict[str, set[str]]:
    """Return what each stage and each ``.dvc`` file books as its outputs: its address to DVC's hashes."""
    with _ONE_AT_A_TIME, _repo(root) as repo, dvc_lock.held(Path(repo.root_dir)):
        found = {address(one): {str(out.hash_info.value) for out in one.outs if out.hash_info} for one in repo.index.stages}
        return {name: hashes for name, hashes in found.items() if hashes}


def links(root: Path, objects: Iterable[Path]) -> bool:
    """Tell whether what lies in the project's folders may be linked to objects of DVC's cache: there is no second copy then.

    The setting tells what DVC links from now on; the files tell what it linked under another setting, which it leaves so.

    Args:
        root: the DVC project.
        objects: files of its cache.
    """
    with _ONE_AT_A_TIME, _repo(root) as repo, dvc_lock.held(Path(repo.root_dir)):
        kinds = repo.config["cache"].get("type") or []
        outs = [Path(out.fs_path) for out in repo.index.outs if out.protocol == "local"]
    if not {"symlink", "hardlink"}.isdisjoint([kinds] if isinstance(kinds, str) else kinds):
        return True
    found = [(os.path.realpath(place), place.stat()) for place in objects]
    targets = {target for target, _ in found}
    same = {(about.st_dev, about.st_ino) for _, about in found if about.st_nlink > 1}
    return any(_leads(place, targets, same) for out in outs for place in _within(out))


def _within(place: Path) -> Iterator[Path]:
    """Yield what lies at an output: itself, or all files below a folder, links that lead nowhere among them."""
    if not place.is_dir():
        yield from [place] * os.path.lexists(place)
    for folder, _, names in os.walk(place):
        yield from (Path(folder) / name for name in names)


def _leads(place: Path, targets: set[str], same: set[tuple[int, int]]) -> bool:
    """Tell whether a file is a symbolic link to one of the targets, or one of the same files under another name."""
    if place.is_symlink():
        return os.path.realpath(place) in targets
    return bool(same) and ((about := place.lstat()).st_dev, about.st_ino) in same


def edited(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """List what differs between two answers of ``dependencies``.

    Example:
        >>> edited({"a.py": "1", "b.py": "2"}, {"a.py": "1", "b.py": "3"})
        ['b.py']
    """
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def forget(root: Path, name: str) -> None:
    """Make DVC see a stage as stale: take it out of ``dvc.lock`` and out of the run cache.

    For a stage whose inputs were edited while it ran: DVC booked the edited ones although the bytes were made from the
    earlier ones (DVC issue 11058), so both records lie. Its outputs stay where they are.
    """
    from dvc.stage.cache import _can_hash, _get_stage_hash  # noqa: PLC0415 - the key has no public name

    with _ONE_AT_A_TIME, _repo(root, wait=True) as repo, repo.lock:
        stage = _stage(repo, name)
        key = _get_stage_hash(stage) if _can_hash(stage) else None  # of the hashes that dvc.lock holds
        stage.dvcfile._lockfile.remove_stage(stage)  # noqa: SLF001 - the public one removes it from dvc.yaml too
    if key:
        shutil.rmtree(Path(repo.cache.legacy.path) / "runs" / key[:2] / key, ignore_errors=True)


def commit(root: Path, name: str) -> bool:
    """Book a stage's outputs as they lie there, for a command that ended well while DVC failed; tell whether it worked."""
    for attempt in range(COMMIT_ATTEMPTS):
        time.sleep(attempt)  # a lock that was busy is busy for a while
        done = subprocess.run(command("commit", "--force", name), cwd=root, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return True
    return False


def _stage(repo: Any, name: str) -> Any:
    return next(stage for stage in repo.index.stages if address(stage) == name)


def _booked(repo: Any, name: str) -> Any:
    """Read a stage with what ``dvc.lock`` says of it."""
    with dvc_lock.held(Path(repo.root_dir)):
        return _stage(repo, name)


def _repo(root: Path, *, wait: bool = False) -> Any:
    from dvc.repo import Repo  # noqa: PLC0415 - only what a command needs is imported

    return Repo(str(root), _wait_for_lock=wait)
