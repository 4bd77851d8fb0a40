"""Holds DVC's cache against the names of its objects: DVC itself trusts an object that is write-protected."""

import hashlib
import json
import os
import shlex
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipelines import dvc_hashes
from pipelines.doctor import Finding
from pipelines.record import dvc_cache

AWAY = Path(".dvc/tmp/torn")  # what is torn may still be the best copy that there is
PATIENCE_S = 20.0  # a large cache is examined as far as this goes, the newest objects first


def cache() -> Iterator[Finding]:
    """Find objects of the cache that are not what their name says: a disk's fault, or somebody's edit.

    It is the cache that DVC uses here, wherever it lies.
    """
    objects = _objects()
    there = [(known.st_mtime_ns, file) for file in objects.glob("*/*") if (known := _stat(file))]
    found = [file for _, file in sorted(there, key=lambda one: -one[0])]
    if not found:
        return
    end, torn, num = time.monotonic() + PATIENCE_S, [], 0
    for num, file in enumerate(found, 1):  # noqa: B007 - how far it came
        if _stat(file) and not _is_whole(file):
            torn.append(file)
        if time.monotonic() > end:
            break
    much = f"{num:,} objects" if num == len(found) else f"the newest {num:,} of {len(found):,} objects"
    if not torn:
        yield Finding("cache", "ok", f"{much} hold what their names say")
        return
    where = "" if objects == Path(dvc_cache.DEFAULT, dvc_cache.PLACE) else f" in {objects}"
    yield Finding("cache", "broken", f"{len(torn)} of {much}{where} do not hold what their names say", *_remedy(torn))


def _remedy(torn: list[Path]) -> tuple[str, str]:
    """Return the command that fills the cache again from what lies in the project's folders, and what to do where it asks.

    Nothing is deleted, and nothing is to be: the copy in the folder may be the only whole one, of a user's own pictures too.
    ``dvc commit`` books no change unasked, and puts what is booked and lies there whole back into the cache. In a cache
    that lies elsewhere nothing is to be moved: files of another project may be linked to it.
    """
    from dvc.exceptions import DvcException  # noqa: PLC0415 - only where something is torn

    if torn[0].is_absolute():
        whose = "other projects may use this cache, and their files may be linked to these objects: move and delete none"
        return "", f"{whose}; ask who else uses it, and look there with rawline doctor, or fetch them with dvc pull"
    away = f"mkdir -p {AWAY} && mv --backup=numbered -t {AWAY} {shlex.join(map(str, torn))}"
    try:
        linked, all_booked = dvc_hashes.links(Path(), torn), dvc_hashes.booked(Path())
    except DvcException as error:
        return "", f"DVC cannot read this project ({error}): mend that first and delete nothing; then: rawline doctor"
    if linked:
        what = "what lies in the project's folders is linked to these objects: there is no second copy, so move none"
        return "", f"{what}; a .dvc file's data come from your original or, with dvc pull, from a remote"
    hashes = {file.parent.name + file.name for file in torn}
    owners = [name for name, booked in all_booked.items() if hashes & _with_members(booked)]
    tracked, made = ([o for o in sorted(owners) if o.endswith(".dvc") is own] for own in (True, False))
    commits = "; ".join(f"dvc commit {shlex.quote(owner)}" for owner in (*tracked, *made))
    if not commits:
        return (
            away,
            "nothing here is booked with them: they belong to other commits, whose dvc pull fetches them from a remote",
        )
    fetch = [f"dvc pull {shlex.join(tracked)} fetches it from a remote"] if tracked else []
    advice = "; ".join([*fetch, *(["rawline repro makes it anew"] if made else [])])
    asked = "where dvc asks, or will not commit, what lies there is not what was booked: answer n and delete nothing"
    return f"{away} && {{ {commits}; }}", f"{asked}; {advice}"


def _with_members(booked: set[str]) -> set[str]:
    """Return hashes with those of the files that the folders among them hold; a torn list of files names none."""
    found, objects = set(booked), _objects()
    for name in booked:
        place = objects / name[:2] / name[2:]
        if name.endswith(".dir") and place.is_file() and _is_whole(place):
            found |= {str(member["md5"]) for member in json.loads(place.read_bytes())}
    return found


def _objects() -> Path:
    """Return the folder of DVC's cache, seen from the project where it lies there."""
    root = Path.cwd()
    place = dvc_cache.objects(root)
    return place.relative_to(root) if place.is_relative_to(root) else place


def _stat(file: Path) -> os.stat_result | None:
    """Return what is known of an object; None where it is gone: another project may use the cache, too."""
    with suppress(OSError):
        found = file.stat()
        return found if stat.S_ISREG(found.st_mode) else None
    return None


def _is_whole(file: Path) -> bool:
    with file.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return found == file.parent.name + file.name.removesuffix(".dir")
