"""Keeps what ``dvc.lock`` said of a stage before the stage ran again or was forgotten.

A run is judged by the entry that its own dvc booked. Its execution may be looked at much later, when ``dvc.lock`` has the
entry of another run: then what the next run found at its start is the entry that counts.
"""

import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines import settings
from pipelines.record import lockfile
from stages.core import files
from stages.core.errors import DataError

KEPT = 100  # of each stage
STAGES = 500  # an experiment's folder has stages of its own


@dataclass(frozen=True)
class Look:
    """What ``dvc.lock`` said of a stage.

    Attributes:
        run: the key of the run that began then; empty where the entry was about to be taken out.
        t: when, in milliseconds.
        entry: what was booked; None for nothing.
        written: the stamp of ``dvc.lock``.
    """

    run: str
    t: int
    entry: lockfile.Entry | None
    written: int


def note(workdir: Path, stage: str, entry: lockfile.Entry | None, written: int, run: str = "") -> None:
    """Note what is booked of a stage now; where the disk takes nothing more, it is not known later.

    Args:
        workdir: the DVC project; an experiment has a copy with a ``dvc.lock`` of its own.
        stage: the stage's address.
        entry: what is booked.
        written: the stamp of ``dvc.lock``.
        run: the key of the run that begins; empty where the entry is taken out.
    """
    place = _place(workdir, stage)
    with suppress(OSError):
        known = sorted(place.glob("*.json"))
        number = int(known[-1].stem) + 1 if known else 1
        files.write_json(place / f"{number:08d}.json", asdict(Look(run, int(time.time() * 1000), entry, written)))
        for old in known[: 1 - KEPT]:
            old.unlink(missing_ok=True)
        for left in sorted(place.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-STAGES]:
            shutil.rmtree(left, ignore_errors=True)


def after(workdir: Path, stage: str, run: str) -> Look | None:
    """Return the first look at a stage after a run of it began; None where there was none."""
    found = [look for path in sorted(_place(workdir, stage).glob("*.json")) if (look := _read(path))]
    keys = [look.run for look in found]
    return next(iter(found[keys.index(run) + 1 :]), None) if run in keys else None


def _read(path: Path) -> Look | None:
    try:
        content: dict[str, Any] = files.read_json(path)
        look = Look(str(content["run"]), int(content["t"]), content["entry"], int(content["written"]))
    except (OSError, DataError, LookupError, TypeError, ValueError):
        return None
    return look if look.entry is None or isinstance(look.entry, dict) else None


def _place(workdir: Path, stage: str) -> Path:
    """Return the folder of a stage's looks; a project that is moved keeps them."""
    place = os.path.relpath(workdir.resolve(), settings.root().resolve())
    return settings.state() / "looks" / lockfile.digest([place, stage])
