"""Tells what DVC booked of a stage whose command ended well: its outputs, those of another input, or nothing.

A command that ends well is no stage yet: DVC then looks for the outputs, takes them into its cache and writes ``dvc.lock``,
and any of that may fail. After a forced rerun the entry of the earlier run stands there meanwhile, with equal inputs. So a
stage notes ``dvc.lock`` as it was at its end, and what it left (``outputs``); DVC writes the file anew for each stage it
books, changed or not, for any other one too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.record import lockfile, outputs
from pipelines.record.events import Event

STALE = "rawline.edited_while_running"
OUT = "dvc.out."  # before a path: the hash that DVC booked of it
OUTS_EDITED = "rawline.outs_edited"  # the outputs of a run whose inputs were edited meanwhile, which has no rawline.outs
UNBOOKED = "dvc did not book its outputs: its command ended well, but dvc failed or was stopped before it wrote dvc.lock"


@dataclass(frozen=True)
class Booking:
    """What ``dvc.lock`` says of a stage's run.

    Attributes:
        is_new: whether the entry was written after the run had ended, of what the run left; an equal one counts once the
            file was written.
        is_untouched: whether ``dvc.lock`` is the file that it was when the run ended.
        is_missing: whether an output was missing then, so that DVC cannot have booked the run.
        is_unsure: whether the file was written since, and nobody can tell for which run.
        edited: what DVC booked otherwise than the stage saw it at its start.
    """

    is_new: bool
    is_untouched: bool
    is_missing: bool = False
    is_unsure: bool = False
    edited: tuple[str, ...] = ()


def stamp(path: Path) -> int:
    """Return what changes whenever ``dvc.lock`` is written: its time in nanoseconds, 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def of(
    first: Event, last: Event, entry: lockfile.Entry | None, written: int, left: outputs.Left = outputs.UNKNOWN
) -> Booking:
    """Compare a run with what was booked when it was looked at.

    Args:
        first: how the run began.
        last: how it ended.
        entry: what ``dvc.lock`` held of the stage; None for nothing.
        written: the file's stamp; a copy has its time.
        left: what the run left.
    """
    untouched, missing = "lock" in last and last["lock"] == written, outputs.is_missing(left.seen)
    if entry is None or missing:
        return Booking(is_new=False, is_untouched=untouched, is_missing=missing)
    edited, fits = tuple(differences(first, last, entry)), outputs.fits(left.seen, entry)
    same = first.get("booked") == lockfile.digest(entry)
    is_later = not (same and (edited or untouched))
    is_unsure = is_later and (fits is None and left.goes_on if same else fits is False)
    is_new = is_later and fits is not False and not is_unsure
    return Booking(is_new=is_new, is_untouched=untouched, is_unsure=is_unsure, edited=edited)


def differences(first: Event, last: Event, entry: lockfile.Entry) -> list[str]:
    """List what an entry books otherwise than the run had it: inputs, parameters and the command at its start, its code.

    A folder that no stage made was edited if its files were others when the run ended: its hash at the start is not known.
    """
    before, after = first.get("listed", {}), last.get("listed", {})
    both = before.keys() & after.keys() & lockfile.hashes(entry, "deps").keys()
    seen = {path: value for path, value in first.get("seen", {}).items() if path not in both}
    found = lockfile.changed(seen, first.get("params", {}), entry) + [p for p in both if before[p] != after[p]]
    found += [path for path in last.get("edited", []) if path not in found]
    return sorted(found) + ["cmd"] * ("cmd" in first and first["cmd"] != lockfile.words(entry.get("cmd")))


def signed(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that say what went in and what came out."""
    entry = dict(entry)
    outs = {f"{OUT}{path}": value for path, value in lockfile.hashes(entry, "outs").items()}
    return {"rawline.signature": lockfile.signature(entry), "rawline.outs": lockfile.output(entry), **outs}


def stale(edited: tuple[str, ...], entry: lockfile.Entry) -> dict[str, str]:
    """Return the tags of a run whose inputs were edited: what, and which bytes fit neither version for certain."""
    return {STALE: ", ".join(edited), OUTS_EDITED: lockfile.output(entry)}
