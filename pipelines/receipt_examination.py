"""Holds the receipts that DVC keeps against the registry: DVC restores a receipt without anything being registered."""

from collections.abc import Iterator

from pipelines import registered
from pipelines.doctor import Finding
from stages.core import params as parameters


def receipts() -> Iterator[Finding]:
    """Find receipts whose model the registry lacks or holds half registered; an MLflow out of reach is told elsewhere."""
    found = [standing for task in parameters.read().get("tasks") or {} if (standing := registered.standing(str(task)))]
    open_ones = [one for one in found if not one.settled and not one.problem]
    for one in open_ones:
        yield Finding("registry", "warn", str(one), "rawline repro")
    if found and not open_ones and not any(one.problem for one in found):
        yield Finding("registry", "ok", f"{len(found)} receipts are registered")
