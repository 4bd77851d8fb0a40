"""Holds DVC's cache against the names of its objects: DVC itself trusts an object that is write-protected."""

import hashlib
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from pipelines.doctor import Finding

OBJECTS = Path(".dvc/cache/files/md5")
PATIENCE_S = 20.0  # a large cache is examined as far as this goes, the newest objects first


def cache() -> Iterator[Finding]:
    """Find objects of the local cache that are not what their name says: a disk's fault, or somebody's edit."""
    found = sorted(OBJECTS.glob("*/*"), key=lambda file: -file.stat().st_mtime_ns)
    if not found:
        return
    end, torn, num = time.monotonic() + PATIENCE_S, [], 0
    for num, file in enumerate(found, 1):  # noqa: B007 - how far it came
        if not _is_whole(file):
            torn.append(file)
        if time.monotonic() > end:
            break
    much = f"{num:,} objects" if num == len(found) else f"the newest {num:,} of {len(found):,} objects"
    if not torn:
        yield Finding("cache", "ok", f"{much} hold what their names say")
        return
    names = shlex.join(map(str, torn))
    mend = f"rm -f {names} && dvc status  # delete the outputs that it calls not in cache or changed, then: rawline repro"
    yield Finding("cache", "broken", f"{len(torn)} of {much} do not hold what their names say", mend)


def _is_whole(file: Path) -> bool:
    with file.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return found == file.parent.name + file.name.removesuffix(".dir")
