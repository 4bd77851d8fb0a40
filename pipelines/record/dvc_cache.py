"""Finds what DVC keeps in its cache, by hash."""

import subprocess
import sys
from functools import cache
from pathlib import Path

from pipelines import settings

PLACE = "files/md5"
DEFAULT = ".dvc/cache"


def find(value: str) -> Path | None:
    """Return the file of DVC's cache that has a hash by its name, of a folder its list; None where there is none.

    Args:
        value: as in ``dvc.lock``: MD5, with ``.dir`` behind it for a folder.
    """
    root = settings.root()
    below = Path(value[:2], value[2:])
    if (file := root / DEFAULT / PLACE / below).is_file():
        return file
    return file if (file := objects(root) / below).is_file() else None


def objects(root: Path) -> Path:
    """Return the folder that holds what DVC keeps of a project, also where several projects share it (``cache.dir``)."""
    return _folder(root) / PLACE


@cache
def _folder(root: Path) -> Path:
    """Return the folder of the cache, which may lie anywhere; DVC's command knows, and takes a second to say."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    asked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return root / (asked.stdout.strip() or DEFAULT)
