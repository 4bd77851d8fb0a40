"""Where a model comes from: the commit, the data by their DVC hashes, the parameters, the runs."""

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

from pipelines import settings
from pipelines.record import lockfile, provenance
from pipelines.record.sender import Sender
from pipelines.register.evidence import canonical

LOCK = Path("dvc.lock")
UNKNOWN = "unknown"
CHAIN = ("acquire", "preprocess", "augment", "pretrain", "finetune", "evaluate", "audit")
SOURCES = ("finetune", "evaluate", "audit")
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Lineage:
    """What a version's tags say about its origin.

    Attributes:
        commit: git commit of the code, or ``unknown``.
        dirty: whether tracked files differed from that commit: ``true``, ``false`` or ``unknown``.
        lock: SHA-256 of the entries of ``dvc.lock`` that lead to this model, or ``unknown``.
        data: DVC hash by path, for everything those stages read and wrote under ``data/``.
        params: parameters those stages ran with, as ``dvc.lock`` has them.
        outs: digest of each stage's outputs, by stage; the record's runs carry it.
    """

    commit: str
    dirty: str
    lock: str
    data: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    outs: dict[str, str] = field(default_factory=dict)


def trace(task: str) -> Lineage:
    """Trace a task's model in the current folder.

    Raises:
        DataError: ``dvc.lock`` is there but is not valid.
    """
    wanted = {*CHAIN, *(f"{stage}@{task}" for stage in CHAIN)}
    entries = {name: entry for name, entry in lockfile.read(LOCK).items() if name in wanted}
    data: dict[str, str] = {}
    params: dict[str, Any] = {}
    for entry in entries.values():
        data |= lockfile.hashes(entry, "deps") | lockfile.hashes(entry, "outs")
        params |= entry.get("params", {}).get("params.yaml", {})
    code = provenance.tags(Path.cwd())
    return Lineage(
        commit=code.get("rawline.commit", UNKNOWN),
        dirty=code.get("rawline.dirty", UNKNOWN),
        lock=hashlib.sha256(canonical(entries).encode()).hexdigest() if entries else UNKNOWN,
        data={path: value for path, value in sorted(data.items()) if path.startswith("data/")},
        params=dict(sorted(params.items())),
        outs={name: lockfile.output(entry) for name, entry in entries.items()},
    )


def runs(client: MlflowClient, task: str, origin: Lineage) -> dict[str, str]:
    """Find the MLflow runs that made the model and judged it, by stage, as far as the record has them.

    The record is sent behind the stages' back, so that the last run may still be on its way: it gets a few seconds.
    """
    found: dict[str, str] = {}
    end = time.monotonic() + (PATIENCE_S if any((settings.state() / "spool").glob("*")) else 0)
    for stage in SOURCES:
        outs = origin.outs.get(f"{stage}@{task}")
        while outs and (run := _run(client, f"{stage}@{task}", outs)) is None and time.monotonic() < end:
            time.sleep(0.5)
        if outs and run:
            found[stage] = run
    return found


def experiment() -> str:
    """Return the id of the project's experiment; one place makes it."""
    return Sender()._experiment(settings.experiment())  # noqa: SLF001 - see above


def _run(client: MlflowClient, stage: str, outs: str) -> str | None:
    words = f"tags.`rawline.stage` = '{stage}' and tags.`rawline.outs` = '{outs}' and tags.`rawline.state` = 'Completed'"
    found = client.search_runs([experiment()], words, max_results=1, order_by=["attributes.start_time DESC"])
    return str(found[0].info.run_id) if found else None
