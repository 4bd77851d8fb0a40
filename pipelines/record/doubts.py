"""Knows which entries of ``dvc.lock`` are not to be believed: those of a stage whose inputs were edited while it ran.

DVC books inputs at the END of a command (issue 11058): such an entry names the edited ones, and the bytes were made of the
earlier ones. A bare dvc cannot be kept from booking them, nor from restoring them out of its run cache when the same inputs
come again. So the entry is noted here when the record learns of it, and is doubted until a run with the same command,
parameters and inputs has made the same bytes. ``rawline repro`` and the flow take it out of ``dvc.lock`` and the run cache.
"""

from pathlib import Path

from pipelines import dvc_hashes, settings
from pipelines.graph import Graph
from pipelines.record import booking, lockfile, looks
from stages.core import files

MADE = "made"  # the folder of entries that a run is known to have made


def note(stage: str, entry: lockfile.Entry, edited: str) -> None:
    """Note that a stage's entry is not to be believed, and what was edited."""
    files.write_text(_place(stage, entry), f"{edited}\n")


def clear(stage: str, entry: lockfile.Entry) -> None:
    """Note that a run has made what a stage's entry says."""
    files.write_text(_place(stage, entry, MADE), "")
    _place(stage, entry).unlink(missing_ok=True)


def is_made(stage: str, entry: lockfile.Entry) -> bool:
    """Tell whether a run is known that has made what a stage's entry says."""
    return _place(stage, entry, MADE).exists()


def of(stage: str, entry: lockfile.Entry) -> str:
    """Return what was edited while a stage's booked outputs were made, empty where nothing is known of that."""
    try:
        return _place(stage, entry).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def named(root: Path, graph: Graph, *, frozen: bool = False) -> dict[str, str]:
    """Return the stages of a graph that ``dvc.lock`` books and that are not to be believed, each with what was edited.

    Args:
        root: the DVC project.
        graph: the stages.
        frozen: return those that are frozen, which DVC cannot make anew, instead of the others.
    """
    entries = lockfile.bookings(root, graph)
    asked = [name for name, node in graph.nodes.items() if name in entries and node.frozen is frozen]
    return {name: edited for name in asked if (edited := of(name, entries[name]))}


def forget(root: Path, graph: Graph) -> dict[str, str]:
    """Take what ``named`` returns out of ``dvc.lock`` and the run cache, so that DVC makes it anew, and return it.

    What is frozen stays: DVC would not make it anew, and nothing would be left of it.
    """
    found = named(root, graph)
    for name in found:
        drop(root, graph, name)
    return found


def drop(root: Path, graph: Graph, name: str) -> None:
    """Take a stage out of ``dvc.lock`` and the run cache; what stood there is noted for a run that is not looked at yet."""
    written = booking.stamp(root / lockfile.of(name))
    if (entry := lockfile.bookings(root, graph).get(name)) is not None:
        looks.note(root, name, entry, written)
    dvc_hashes.forget(root, name)


def _place(stage: str, entry: lockfile.Entry, folder: str = "doubts") -> Path:
    name = lockfile.digest([stage, lockfile.signature(entry), lockfile.output(entry)])
    return settings.state() / folder / name
