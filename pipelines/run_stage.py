"""Runs one stage: typed parameters in, records streamed to whoever watches."""

import importlib
import shutil
from pathlib import Path
from typing import Any

import click

from stages.core import params as parameters
from stages.core.errors import ParamsError, nearest
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record

STAGES = ("acquire", "preprocess", "augment", "pretrain", "finetune", "evaluate", "audit", "register")
PER_TASK = ("finetune", "evaluate", "audit", "register")


def load_job(name: str, task: str | None, raw: dict[str, Any], work: Path) -> tuple[Any, Job[Any]]:
    """Return the stage's module and its job.

    Raises:
        ParamsError: an unknown stage or task, or wrong parameters.
    """
    if name not in STAGES:
        raise ParamsError(f"'{name}' is no stage; {nearest(name, STAGES)}")
    module = importlib.import_module("pipelines.register" if name == "register" else f"stages.{name}")  # it talks to MLflow
    where = f"{name}.{task}" if task else name
    content = parameters.lookup(raw, where)
    if task:
        chosen = parameters.lookup(raw, f"tasks.{task}")
        wanted = {k: v for k, v in chosen.items() if k in module.Params.model_fields}
        content = {**(content or {}), **wanted}
    section = parameters.section(module.Params, content, where)
    seed = parameters.lookup(raw, "seed")
    return module, Job(section.values, section.choices, seed, work, task)


def run_stage(name: str, task: str | None) -> None:
    """Run a stage in the current folder and print what it yields."""
    raw = parameters.read()
    work = Path(".rawline") / "work" / "-".join(filter(None, (name, task)))
    module, job = load_job(name, task, raw, work)
    for record in module.run(job):
        _print(record)
    shutil.rmtree(work, ignore_errors=True)


def _print(record: Record) -> None:
    match record:
        case Metrics(values, step):
            head = "" if step is None else f"[{step}] "
            click.echo(head + "  ".join(f"{k} {v:.4g}" for k, v in values.items()))
        case Note(text):
            click.echo(text)
        case Progress(done, total, what):
            click.echo(f"{done}/{total} {what}")
        case Keep():
            pass
