"""Runs that no process writes: what is told of a stage that did not run, or of one whose journal is lost.

They are begun and ended in one go, by whoever closes or mends the execution. A full disk or a kill may come between; such a
run is never at work, and is brought to the end that its beginning names.
"""

from pathlib import Path
from typing import Any

from pipelines.record.absence import STATUS
from pipelines.record.journal import OPENING, Journal, journals

UNKNOWN = "Unknown"


def tell(journal: Journal, stage: str, state: str, message: str, **opening: Any) -> None:
    """Write a run from its beginning to its end; of one that was begun before only the rest.

    Args:
        journal: its journal.
        stage: its DVC address.
        state: how the stage fares, as MLflow shows it.
        message: why, one line.
        opening: its experiment and tags.
    """
    if not (journal.path.exists() and journal.opening()):
        journal.write("open", name=stage, stage=stage, **opening, state=state, message=message)
    finish(journal)


def finish(journal: Journal) -> None:
    """Write what follows a run's beginning, and the end last; doing it twice changes nothing."""
    if journal.ending() is not None:
        return
    first = journal.opening()
    state, message, tags = first["state"], first.get("message", ""), first.get("tags", {})
    if state == UNKNOWN:
        journal.write("tags", values={"rawline.state": state})  # its run may be there, from what was sent before
        journal.miss(OPENING, message)
    elif state == "Cached" and "rawline.signature" in tags:
        journal.write("link", stage=first["stage"], signature=tags["rawline.signature"], outs=tags["rawline.outs"])
    journal.write("end", status=STATUS.get(state, "KILLED"), message=message)


def finish_all(folder: Path) -> None:
    """Bring to their end all that were begun in an execution's folder."""
    for journal in journals(folder):
        if journal.is_standin() and journal.opening():
            finish(journal)
