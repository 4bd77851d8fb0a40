"""Puts executions away that are complete in MLflow, and brings one back of which something was set aside and repaired.

``.rawline/executions/<execution>.json`` says how an execution ended. While something of it lies in quarantine its folder
stays beside that, without the files that MLflow has: what is repaired is closed by all that was known, and nothing of that
is guessed again.
"""

import shutil
from dataclasses import asdict
from pathlib import Path

from pipelines import settings
from pipelines.record import closing, quarantine
from pipelines.record import execution as executions
from pipelines.record.journal import PARENT, Journal, journals
from stages.core import files
from stages.core.errors import DataError

REFUSED = "refused"
OF_JOURNAL = (".jsonl", ".sent", ".signed")
OWN = ("open", "artifact", "missing")  # events that stay the journal's in which they stand


def put_away(execution: str) -> None:
    """Note how an execution ended, and take its folder out of the spool.

    Args:
        execution: its id; everything of it was sent, or refused for good.
    """
    place = executions.folder(execution)
    refused = {journal.path.stem: why for journal in journals(place) if (why := journal.sent().refused)}
    files.write_json(executions.archive(execution), _ending(execution, refused))
    target = settings.state() / _shelf(execution, refused=bool(refused)) / execution
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    place.rename(target)  # at once, so that nobody meets half of it
    if not refused:  # else a person may look at what MLflow would not take
        for path in target.glob("*.files"):
            shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(settings.state() / "gone" / execution, ignore_errors=True)
    _prune(executions.archive(execution).parent)


def _ending(execution: str, refused: dict[str, str]) -> dict[str, object]:
    parent = Journal(executions.folder(execution) / f"{PARENT}.jsonl")
    last = parent.ending() or {}
    return {
        **executions.describe(execution),
        "run_id": parent.sent().run_id,
        "status": last.get("status"),
        "ended_ms": last.get("t"),
        "states": {name: asdict(state) for name, state in executions.stage_states(execution).items()},
        "refused": refused,
        "edited": closing.stale(execution),
        "set_aside": quarantine.told(execution),
    }


def _shelf(execution: str, *, refused: bool) -> str:
    """Return the folder that takes an execution: what lies in ``gone`` is deleted."""
    if refused:
        return REFUSED
    return executions.SENT if execution in quarantine.listed() else "gone"


def _rest(execution: str) -> Path:
    """Return the folder that waits for what was set aside of an execution."""
    refused = settings.state() / REFUSED / execution
    return refused if refused.is_dir() else settings.state() / executions.SENT / execution


def _prune(folder: Path) -> None:
    """Keep the endings noted last, and each of which something may come back from quarantine."""
    kept = {place.name for base in (quarantine.folder(), executions.spool()) for place in base.glob("*")}
    ended = sorted((path for path in folder.glob("*.json") if path.stem not in kept), key=lambda path: path.stat().st_mtime)
    for old in ended[: -executions.KEPT]:
        old.unlink(missing_ok=True)
    for place in folder.glob("*"):
        if place.is_dir() and place.name not in kept:
            shutil.rmtree(place, ignore_errors=True)


def bring_back(execution: str) -> None:
    """Lay what is known of an execution beside what was put back into its folder; nothing where it was never put away."""
    place, rest, ended = executions.folder(execution), _rest(execution), executions.archive(execution)
    if not (rest.is_dir() or ended.exists()) or not executions.is_one(place):
        return
    _join(place, rest)
    if ended.exists():
        ended.rename(place / executions.ENDED)
    elif not (place / executions.ENDED).exists():
        files.write_json(place / executions.ENDED, {})
    shutil.rmtree(rest, ignore_errors=True)


def _join(place: Path, rest: Path) -> None:
    """Move into an execution's folder what is not there; of a journal that came back nothing is taken from the old one."""
    back = {path.stem for path in place.glob("*.jsonl")}
    for path in sorted(rest.glob("*"), key=lambda path: path.suffix == ".jsonl"):  # last, should a kill come between
        if path.name in executions.LOOSE or (path.suffix in OF_JOURNAL and path.stem in back):
            continue
        if not (place / path.name).exists():
            path.rename(place / path.name)
    if PARENT in back and (rest / f"{PARENT}.jsonl").exists():
        _add_known(place / f"{PARENT}.jsonl", rest / f"{PARENT}.jsonl")
    _claim(place)


def _add_known(parent: Path, known: Path) -> None:
    """Add to a parent's journal that was put back what the one in its place has learnt: figures, states and the end."""
    Journal(parent).close_torn()
    with parent.open("ab") as handle:
        handle.writelines(line for event, line, _ in Journal(known).lines() if event and event["kind"] not in OWN)


def _claim(place: Path) -> None:
    """Note the folder as the one that the execution lives in: it came back here, so that this is no copy."""
    about = place / "execution.json"
    try:
        files.write_json(about, {**files.read_json(about), "inode": place.stat().st_ino})
    except (OSError, DataError, TypeError):  # the mending's to set aside
        return
