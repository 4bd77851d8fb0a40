"""What sources share: looking at folders, loading bytes, and one clear line where the layout is not as expected."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from stages.core import images
from stages.core.errors import DataError
from stages.core.items import Mark

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"})
SPLIT_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_SHOWN = 6


def folder(path: Path, expected: str) -> Path:
    """Return a folder that exists and is not empty.

    Args:
        path: the folder.
        expected: the layout, for the message.

    Raises:
        DataError: it is missing, no folder, or empty.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; expected {expected} (params.yaml: acquire.path)")
    if not path.is_dir():
        raise DataError(f"{path} is a file; expected {expected} (params.yaml: acquire.path)")
    if not any(path.iterdir()):
        raise DataError(f"{path} is empty; expected {expected} (params.yaml: acquire.path)")
    return path


def wrong(path: Path, expected: str) -> DataError:
    """Return the error for a folder whose layout is another one, with what was found there."""
    found = sorted(child.name + ("/" if child.is_dir() else "") for child in path.iterdir())
    more = f" ... ({len(found)} in all)" if len(found) > _SHOWN else ""
    return DataError(f"{path}: expected {expected}; found {', '.join(found[:_SHOWN]) or 'nothing'}{more}")


def loader(path: Path) -> Callable[[], bytes]:
    """Return a function that reads a file."""

    def load() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror})") from error

    return load


def text(path: Path) -> str:
    """Read UTF-8 text, a byte order mark removed.

    Raises:
        DataError: missing or not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from error


def pictures(root: Path) -> list[Path]:
    """List picture and camera files below a folder, sorted, hidden ones left out."""
    suffixes = PICTURES | images.RAW_SUFFIXES
    return [p for p in visible(root) if p.suffix.lower() in suffixes]


def visible(root: Path) -> list[Path]:
    """List all files below a folder, sorted, hidden ones left out."""
    found = (p for p in root.rglob("*") if p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(root).parts))


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """Index files by their name without ending.

    Raises:
        DataError: two files share it.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise DataError(
                f"{path} and {found[path.stem].name} share the name {path.stem}; annotations cannot tell them apart"
            )
        found[path.stem] = path
    return found


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts ``class2`` before ``class10``.

    Example:
        >>> sorted(["10", "9", "a"], key=natural)
        ['9', '10', 'a']
    """
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part)


def group_column(name: str) -> str:
    """Return the manifest's name of a column that groups pictures.

    Example:
        >>> group_column("Skin tone"), group_column("group_light")
        ('group_skin_tone', 'group_light')
    """
    word = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    return word if word.startswith("group_") else f"group_{word}"


def largest(marks: Iterable[Mark]) -> str | None:
    """Return the class of the object with the largest box, the first of equals; None without objects."""
    return max(marks, key=lambda mark: mark.bbox[2] * mark.bbox[3], default=Mark("", (0, 0, 0, 0))).category or None
