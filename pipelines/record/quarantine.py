"""Sets aside what cannot be read, with the reason beside it, so that one bad file never blocks the record of the others."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from pipelines import settings

REASON = "reason.txt"
LOOSE = "loose"  # what belongs to no execution
REMEDY = "what is repaired, or right after all, goes back to .rawline/spool/{execution}, then: rawline sync"


def folder() -> Path:
    """Return where files are set aside, a folder per execution."""
    return settings.state() / "quarantine"


def put(execution: str, path: Path, fault: str, *, keep: bool = False) -> Path:
    """Set a file or folder aside and note why.

    Args:
        execution: whose it is; also the name of the folder it goes to.
        path: what cannot be used.
        fault: what is wrong with it, one line.
        keep: copy instead of moving, where the rest of the file is used.

    Returns:
        Where it lies now.
    """
    place = folder() / execution
    place.mkdir(parents=True, exist_ok=True)
    target = place / path.name
    number = 1
    while target.exists() or target.is_symlink():
        number += 1
        target = place / f"{path.name}.{number}"
    if keep:
        shutil.copy2(path, target)
    else:
        path.rename(target)  # what may not be read can still be moved
    note(execution, target.name, fault)
    return target


def told(execution: str) -> list[str]:
    """Return the lines that say what was set aside of an execution, and why."""
    try:
        return (folder() / execution / REASON).read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return []


def listed() -> dict[str, list[str]]:
    """Return what is set aside, by execution; one of which all was put back, so that the reasons alone are left, is none."""
    return {place.name: told(place.name) for place in sorted(folder().glob("*")) if place.is_dir() and _is_open(place)}


def _is_open(place: Path) -> bool:
    """Tell whether a file lies there, or one is noted that is lost (by its path: nothing was set aside of it)."""
    lost = any("/" in line.partition(" UTC: ")[2].partition(": ")[0] for line in told(place.name))
    return lost or any(child.name != REASON for child in place.iterdir())


def count() -> int:
    """Return how many files are set aside."""
    return sum(1 for place in folder().glob("*/*") if place.name != REASON)


def note(execution: str, name: str, fault: str) -> None:
    """Note what is wrong with a file of an execution."""
    place = folder() / execution / REASON
    place.parent.mkdir(parents=True, exist_ok=True)
    new = not place.exists()
    with place.open("a", encoding="utf-8") as handle:
        if new:
            handle.write(REMEDY.format(execution=execution) + "\n")
        handle.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: {name}: {fault}\n")


def words(names: list[str]) -> str:
    """Return one line of the first three."""
    return "; ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - as many as read well
