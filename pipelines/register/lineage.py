"""Where a model comes from: the commit, the data by their DVC hashes, the parameters, the runs."""

import hashlib
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mlflow.tracking import MlflowClient

from pipelines.register.evidence import canonical
from stages.core.errors import DataError

LOCK = Path("dvc.lock")
UNKNOWN = "unknown"
EXPERIMENT = "rawline"
CHAIN = ("acquire", "preprocess", "augment", "pretrain", "finetune", "evaluate", "audit")


@dataclass(frozen=True)
class Lineage:
    """What a version's tags say about its origin.

    Attributes:
        commit: git commit of the code, or ``unknown``.
        dirty: whether tracked files differed from that commit (``dvc.lock`` aside, which DVC rewrites as it goes).
        lock: SHA-256 of the entries of ``dvc.lock`` that lead to this model, or ``unknown``.
        data: DVC hash by path, for everything those stages read and wrote under ``data/``.
        params: parameters those stages ran with, as ``dvc.lock`` has them.
    """

    commit: str
    dirty: bool
    lock: str
    data: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)


def trace(task: str) -> Lineage:
    """Trace a task's model in the current folder.

    Raises:
        DataError: ``dvc.lock`` is there but is not valid.
    """
    entries = _entries(task)
    data = {
        item["path"]: str(item.get("md5", item.get("hash", "")))
        for entry in entries.values()
        for item in [*entry.get("deps", []), *entry.get("outs", [])]
        if item["path"].startswith("data/")
    }
    params: dict[str, Any] = {}
    for entry in entries.values():
        params |= entry.get("params", {}).get("params.yaml", {})
    lock = hashlib.sha256(canonical(entries).encode()).hexdigest() if entries else UNKNOWN
    return Lineage(
        _git("rev-parse", "HEAD") or UNKNOWN, _dirty(), lock, dict(sorted(data.items())), dict(sorted(params.items()))
    )


def _entries(task: str) -> dict[str, Any]:
    """Return the lock's entries up to the audit of a task."""
    if not LOCK.exists():
        return {}
    try:
        stages = (yaml.safe_load(LOCK.read_text(encoding="utf-8")) or {}).get("stages", {})
    except (yaml.YAMLError, AttributeError) as error:
        raise DataError(f"{LOCK} is not valid: {' '.join(str(error).split())}; run dvc repro") from error
    wanted = {*CHAIN, *(f"{stage}@{task}" for stage in CHAIN)}
    return {name: entry for name, entry in stages.items() if name in wanted}


def _dirty() -> bool:
    changed = (_git("status", "--porcelain", "--untracked-files=no") or "").splitlines()
    return any(line[3:] != str(LOCK) for line in changed)


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], check=True, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.rstrip()


def runs(client: MlflowClient, task: str, origin: Lineage) -> dict[str, str]:
    """Find the MLflow runs that made the model, by stage, as far as the record has them."""
    return {}


def experiment(client: MlflowClient, run_id: str | None) -> str:
    """Return the id of the experiment a model belongs to: its run's, else the project's."""
    if run_id:
        return str(client.get_run(run_id).info.experiment_id)
    found = client.get_experiment_by_name(EXPERIMENT)
    return str(found.experiment_id) if found else str(client.create_experiment(EXPERIMENT))
