"""Files written whole or not at all, and byte for byte the same for the same content."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.core import temporaries
from stages.core.errors import DataError, InfrastructureError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary file or folder name that becomes ``path`` when the block ends well.

    What a killed process left unfinished beside ``path`` is swept (``core.temporaries``).

    Args:
        path: where the result belongs; an older file or folder there is replaced.

    Yields:
        A path beside it that does not exist yet; write a file or make a folder there.

    Raises:
        InfrastructureError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporaries.holder(path) as holder:
            yield holder / path.name
            made = holder / path.name
            if made.is_file():
                sync(made)  # else a power cut leaves the new name with nothing in it
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            made.replace(path)
            sync(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InfrastructureError(f"no space left on the disk while writing {path}; free some and run again") from error
        raise


def sync(path: Path) -> None:
    """Put a file's content, or a folder's list of names, on the disk.

    What lies below a folder is left to the system: 2,000 pictures take 4 s instead of 0.1, and DVC knows each by its hash.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network folders know no sync of a folder
            raise
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; it outlives a power cut."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically: keys sorted, floats rounded to 6 decimals, NaN as null."""
    write_text(path, json.dumps(tidy(content), indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Read JSON.

    Args:
        path: the file.
        hook: what stands instead of each object, the innermost first.

    Raises:
        DataError: the file is missing or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_hook=hook)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing; run the stage that writes it (dvc repro)") from error
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, an integer of thousands of digits, nested too deeply
        raise DataError(f"{path} is not valid JSON: {error}") from error


def tidy(content: Any) -> Any:
    """Make content fit for a file that must come out the same every time.

    Example:
        >>> tidy({"a": (0.1234567, float("nan"))})
        {'a': [0.123457, None]}
    """
    if isinstance(content, dict):
        return {str(key): tidy(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [tidy(value) for value in content]
    if hasattr(content, "tolist"):
        return tidy(content.tolist())
    if isinstance(content, float):
        return round(content, 6) if content == content and abs(content) != float("inf") else None  # noqa: PLR0124
    return content
