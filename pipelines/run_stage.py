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

from pipelines import graph, guard, interrupts, origin, settings
from pipelines.record import executed, lockfile, processes, runs
from pipelines.record import execution as executions
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
    _check_words(name, task, raw)
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
    """Run a stage in the current folder, with the current folder's code, record it and show what it yields.

    Raises:
        RawlineError: the code is another folder's, the parameters are wrong, or whatever ends the stage.
    """
    settings.quiet(os.environ)
    executed.watch()
    origin.require(Path.cwd())
    raw = parameters.read()
    address = _address(name, task)
    try:
        _check_words(name, task, raw)
        origin.require(Path.cwd(), project=True)
        module, job = load_job(name, task, raw, Path())
        origin.require(Path.cwd())  # the stage's own modules
    except RawlineError as error:
        _note_refusal(address, error)
        raise
    stages = lockfile.load_graph(Path.cwd())
    with _terminable(), guard.bound(), guard.alone(address), runs.opened(address, stages, raw) as run, View(address) as view:
        run.params(logged(job))
        job = Job(job.params, job.choices, job.seed, work_folder(address, job, run.seen), task)
        for record in module.run(job):
            run.take(record)
            view.show(record)
    shutil.rmtree(job.work, ignore_errors=True)
    if problem := run.wait():
        click.echo(f"rawline: {problem}; the record is kept and sent by the next run or by: rawline sync", err=True)


def _address(name: str, task: str | None) -> str:
    """Return the address of the stage that runs; DVC names it as seen from where dvc was called."""
    told = os.environ.get("DVC_STAGE")
    if not told:
        return "@".join(filter(None, (name, task)))
    above = processes.dvc_ancestor()
    folder = processes.folder(above[0]) if above else None
    return graph.resolved(told, os.path.relpath(folder or Path.cwd()))


def logged(job: Job[Any]) -> dict[str, Any]:
    """Return what MLflow shows as parameters: the section, the chosen parts, the seed."""
    chosen = {choice.name: choice.params.model_dump() for choice in job.choices.values()}
    return {**job.params.model_dump(), **chosen, "seed": job.seed}


def work_folder(address: str, job: Job[Any], seen: dict[str, str]) -> Path:
    """Return the folder for checkpoints: the same for the same command, parameters and inputs, outside of DVC's outs.

    DVC removes a stage's outputs before its command, so that what a killed run should find again lies elsewhere.
    """
    return settings.state() / "work" / f"{graph.file_name(address)}-{lockfile.digest([address, logged(job), seen])[:16]}"


def _check_words(name: str, task: str | None, raw: dict[str, Any]) -> None:
    if name not in STAGES:
        raise ParamsError(f"'{name}' is no stage; {nearest(name, STAGES)}")
    tasks = [str(key) for key in raw.get("tasks") or {}]
    _check_length("name", str(raw.get("name")), settings.MAX_NAME)
    for one in tasks:
        _check_length("tasks", one, settings.MAX_TASK)
    if name not in PER_TASK and task:
        raise ParamsError(f"{name} takes no task; it was given '{task}'. Run: rawline stage {name}")
    if name in PER_TASK and not task:
        raise ParamsError(f"{name} needs a task, one of {', '.join(tasks) or 'none'} (params.yaml: tasks)")
    if task and task not in tasks:
        raise ParamsError(f"'{task}' is no task; {nearest(task, tasks)} (params.yaml: tasks)")


def _check_length(where: str, word: str, most: int) -> None:
    """Refuse a name of which no file and no registered model can be named."""
    if (size := settings.num_bytes(word)) > most:
        told = f"{where}: '{word[:20]}...' has {size} bytes; expected {most} at most, since folders, locks and models"
        raise ParamsError(f"{told} are named after it (params.yaml: {where})")


def _note_refusal(address: str, error: RawlineError) -> None:
    """Record a stage that its parameters kept from starting, where it is part of a larger execution."""
    if os.environ.get(executions.VARIABLE) or processes.dvc_ancestor():
        run = runs.StageRun(address, executions.current_execution(), graph.Graph({}))
        run.end("FAILED", str(error))


class _terminable:  # noqa: N801 - used like a function
    """SIGTERM and SIGHUP end the block as an exception does: the run is marked and nothing is left half-written."""

    def __enter__(self) -> None:
        self._before = {n: signal.signal(n, self._raise) for n in interrupts.heard(signal.SIGTERM, signal.SIGHUP)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @staticmethod
    def _raise(number: int, _frame: object) -> None:
        sys.exit(128 + number)
