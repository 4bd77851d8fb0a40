"""Runs one stage: typed parameters in, records to a journal, to MLflow and to whoever watches."""

import importlib
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import click

from pipelines import guard, settings
from pipelines.record import execution as executions
from pipelines.record import lockfile, processes, runs
from pipelines.view import View
from stages.core import params as parameters
from stages.core.errors import ParamsError, RawlineError, nearest
from stages.core.stage import Job

STAGES = ("acquire", "preprocess", "augment", "pretrain", "finetune", "evaluate", "audit", "register")
PER_TASK = ("finetune", "evaluate", "audit", "register")
OF_TASK = ("head", "tuning")
OUTSIDE = {"register": "pipelines.register"}  # it has a stage's form, but talks to MLflow


def load_job(name: str, task: str | None, raw: dict[str, Any], work: Path) -> tuple[Any, Job[Any]]:
    """Return the stage's module and its job.

    Raises:
        ParamsError: an unknown stage or task, or wrong parameters.
    """
    if name not in STAGES:
        raise ParamsError(f"'{name}' is no stage; {nearest(name, STAGES)}")
    _check_task(name, task, raw)
    module = importlib.import_module(OUTSIDE.get(name, f"stages.{name}"))
    where = f"{name}.{task}" if task else name
    content = parameters.lookup(raw, where)
    if task:
        chosen = _chosen(raw, task)
        wanted = {k: v for k, v in chosen.items() if k in module.Params.model_fields}
        content = {**(content or {}), **wanted}
    if "name" in module.Params.model_fields and isinstance(content, dict):
        content = {"name": parameters.lookup(raw, "name"), **content}
    section = _section(module, content, where, task)
    return module, Job(section.values, section.choices, _seed(raw), work, task)


def _chosen(raw: dict[str, Any], task: str) -> dict[str, Any]:
    """Return what ``tasks`` says of a task: its head and its tuning, and nothing else."""
    chosen = parameters.lookup(raw, f"tasks.{task}")
    if not isinstance(chosen, dict):
        raise ParamsError(f"tasks.{task} is {chosen!r}; expected {{head: ..., tuning: ...}} (params.yaml: tasks.{task})")
    if unknown := sorted(set(chosen) - set(OF_TASK), key=str):
        where = f"tasks.{task}.{unknown[0]}"
        raise ParamsError(f"{where} is unknown; {nearest(str(unknown[0]), OF_TASK)} (params.yaml: {where})")
    return chosen


def _section(module: Any, content: Any, where: str, task: str | None) -> parameters.Section[Any]:
    """Check a section; a fault in a value that stands elsewhere in the file is told there."""
    try:
        return parameters.section(module.Params, content, where)
    except ParamsError as error:
        text = re.sub(rf"\b{re.escape(where)}\.name\b", "name", str(error))
        text = re.sub(rf"\b{re.escape(where)}\.({'|'.join(OF_TASK)})\b", rf"tasks.{task}.\1", text)
        raise ParamsError(text) from error


def _seed(raw: dict[str, Any]) -> int:
    seed = parameters.lookup(raw, "seed")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ParamsError(f"seed is {seed!r}; expected a whole number from 0 on (params.yaml: seed)")
    return seed


def run_stage(name: str, task: str | None) -> None:
    """Run a stage in the current folder, record it and show what it yields."""
    settings.quiet(os.environ)
    raw = parameters.read()
    address = os.environ.get("DVC_STAGE") or "@".join(filter(None, (name, task)))
    try:
        module, job = load_job(name, task, raw, Path())
    except RawlineError as error:
        _note_refusal(address, error)
        raise
    node = lockfile.load_graph(Path.cwd()).nodes.get(address)
    with _terminable(), guard.bound(), guard.alone(address), runs.opened(address, node) as run, View(address) as view:
        run.params(logged(job))
        job = Job(job.params, job.choices, job.seed, work_folder(address, job, run.seen), task)
        for record in module.run(job):
            run.take(record)
            view.show(record)
    shutil.rmtree(job.work, ignore_errors=True)
    if problem := run.wait():
        click.echo(f"rawline: {problem}; the record is kept and sent by the next run or by: rawline sync", err=True)


def logged(job: Job[Any]) -> dict[str, Any]:
    """Return what MLflow shows as parameters: the section, the chosen parts, the seed."""
    chosen = {choice.name: choice.params.model_dump() for choice in job.choices.values()}
    return {**job.params.model_dump(), **chosen, "seed": job.seed}


def work_folder(address: str, job: Job[Any], seen: dict[str, str]) -> Path:
    """Return the folder for checkpoints: the same for the same command, parameters and inputs, outside of DVC's outs.

    DVC removes a stage's outputs before its command, so that what a killed run should find again lies elsewhere.
    """
    return settings.state() / "work" / f"{address}-{lockfile.digest([address, logged(job), seen])[:16]}"


def _check_task(name: str, task: str | None, raw: dict[str, Any]) -> None:
    tasks = [str(key) for key in raw.get("tasks") or {}]
    if name not in PER_TASK and task:
        raise ParamsError(f"{name} takes no task; it was given '{task}'. Run: rawline stage {name}")
    if name in PER_TASK and not task:
        raise ParamsError(f"{name} needs a task, one of {', '.join(tasks) or 'none'} (params.yaml: tasks)")
    if task and task not in tasks:
        raise ParamsError(f"'{task}' is no task; {nearest(task, tasks)} (params.yaml: tasks)")


def _note_refusal(address: str, error: RawlineError) -> None:
    """Record a stage that its parameters kept from starting, where it is part of a larger execution."""
    if os.environ.get(executions.VARIABLE) or processes.dvc_ancestor():
        run = runs.StageRun(address, executions.current_execution(), None)
        run.end("FAILED", str(error))


class _terminable:  # noqa: N801 - used like a function
    """SIGTERM ends the block as an exception does, so that the run is marked and nothing is left half-written."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, self._raise)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)

    @staticmethod
    def _raise(number: int, _frame: object) -> None:
        sys.exit(128 + number)
