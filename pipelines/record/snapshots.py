"""What dvc has booked of an execution's stages, copied as it goes: the working copy may be edited or deleted later."""

import os
from pathlib import Path

from pipelines import dvc_lock, settings
from pipelines.graph import Graph
from pipelines.record import booking, lockfile, provenance, quarantine
from pipelines.record import execution as executions
from pipelines.record.journal import journals
from stages.core import files
from stages.core.errors import DataError, RawlineError


def graph(execution: str) -> Graph:
    """Return the execution's graph, noted at its start: later the working copy may be gone or edited."""
    place = executions.folder(execution) / "graph.json"
    if place.exists():
        return lockfile.thaw(files.read_json(place))
    try:
        found = lockfile.load_graph(Path(executions.describe(execution)["workdir"]))
    except RawlineError:  # a broken dvc.yaml is dvc's to report; what ran is recorded all the same
        found = Graph({})
    files.write_json(place, lockfile.freeze(found))
    return found


def take(execution: str) -> bool:
    """Copy each ``dvc.lock`` that has changed; the working copy of ``dvc exp run`` is deleted, its commit is read then.

    Returns:
        Whether a copy of the working copy's file is news.
    """
    workdir = Path(executions.describe(execution)["workdir"])
    names = lockfile.names(graph(execution))
    if workdir.exists():
        return bool({name for name in names if _copy(execution, workdir, name)})
    for name in names:
        _take_experiment(execution, name)
    return False


def _copy(execution: str, workdir: Path, name: str) -> bool:
    """Copy a ``dvc.lock`` into the execution's folder, to where it lies in the project; tell whether it is news."""
    place = executions.folder(execution) / name
    try:
        found = (workdir / name).stat().st_mtime_ns
        if place.exists() and found == place.stat().st_mtime_ns:
            return False
        with dvc_lock.held(workdir, [name]):
            text = (workdir / name).read_bytes()
        place.parent.mkdir(parents=True, exist_ok=True)
        with files.atomic(place) as temporary:
            temporary.write_bytes(text)
            lockfile.check(temporary)
            os.utime(temporary, ns=(found, found))
    except (OSError, DataError):  # none yet, or one with the marks of a merge: what dvc booked before that stands
        return False
    return True


def _take_experiment(execution: str, name: str) -> None:
    """Take a ``dvc.lock`` from the commit of an experiment; the same text again is no news."""
    place, text = executions.folder(execution) / name, _experiment_lock(execution, name)
    if text and not (place.exists() and place.read_text(encoding="utf-8") == text):
        files.write_text(place, text)


def _experiment_lock(execution: str, name: str) -> str:
    """Return a ``dvc.lock`` as ``dvc exp run --temp`` or ``--queue`` committed it before deleting its folder; else empty."""
    tags = [j.opening().get("tags", {}) for j in journals(executions.folder(execution))]
    experiment = next((t["rawline.dvc_experiment"] for t in tags if "rawline.dvc_experiment" in t), None)
    references = provenance.git(settings.root(), "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    found = [reference for reference in references if experiment and reference.endswith(f"/{experiment}")]
    text = provenance.git(settings.root(), "show", f"{found[-1]}:./{name}") if found else ""
    return f"{text}\n" if text else ""


def is_last(execution: str, name: str) -> bool:
    """Tell whether the copy of a ``dvc.lock`` is what dvc left; a working copy that was deleted may have booked more."""
    workdir, copy = Path(executions.describe(execution)["workdir"]), executions.folder(execution) / name
    if workdir.exists():
        return booking.stamp(workdir / name) == booking.stamp(copy)
    return bool(_experiment_lock(execution, name))


def entries(execution: str) -> lockfile.Entries:
    """Return what dvc had booked when it was looked at last; none of a copy that is broken, which is set aside."""
    place, found = executions.folder(execution), graph(execution)
    for name in lockfile.names(found):
        try:
            return lockfile.bookings(place, found)
        except (OSError, DataError):
            _set_aside(execution, place / name)
    return lockfile.bookings(place, found)


def _set_aside(execution: str, place: Path) -> None:
    try:
        lockfile.read(place)
    except (OSError, DataError) as error:
        quarantine.put(execution, place, f"it cannot be used: {error}")
