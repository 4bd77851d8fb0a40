"""A project with a ready MLflow database in this process, and executions in its spool that no recorder looks after."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.record import execution as executions
from pipelines.record.journal import Journal
from tests.pipeline import toy


def project(root: Path, patch: pytest.MonkeyPatch) -> toy.Project:
    """Make a project the current one, without DVC; its executions stay in the spool until a test delivers them."""
    for name in ("MLFLOW_TRACKING_URI", "RAWLINE_EXECUTION", "DVC_STAGE"):
        patch.delenv(name, raising=False)
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(toy.database(), root / "tracking")
    (root / "params.yaml").write_text("name: toy\n")
    patch.setenv("RAWLINE_ROOT", str(root))
    patch.setenv("RAWLINE_RECORDER", "off")
    patch.chdir(root)
    return toy.Project(root)


def execution(name: str, *, exit_code: int | None = 0) -> str:
    """Leave an execution in the spool: two stages that ended well, closed by its scheduler."""
    found = executions.open_execution("flow", name=name)
    for stage in ("acquire", "finetune@classify"):
        journal(found, stage)
    executions.close_execution(found, exit_code=exit_code, wait_s=0)
    return found


def journal(execution: str, stage: str, **opening: Any) -> Journal:
    """Write a stage's journal."""
    found = Journal(executions.folder(execution) / f"{stage}.1-1.jsonl")
    tags = {"rawline.stage": stage, "rawline.state": "Running"}
    found.write("open", name=stage, stage=stage, experiment="toy", tags=tags, **opening)
    for epoch in range(3):
        found.write("metrics", values={"loss": 1.0 / (epoch + 1)}, step=epoch)
    found.write("params", values={"num_epochs": 3})
    source = Path("kept.txt")
    source.write_text(stage)
    found.keep(source, "outs")
    found.write("tags", values={"rawline.state": "Completed"})
    found.write("end", status="FINISHED", message="")
    return found
