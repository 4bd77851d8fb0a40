"""Says which parameters a stage reads, and whether the parameter files fit the code."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.agreement.source import Source
from pipelines.agreement.stages import FOLDER, Entry, Finding, module_of
from pipelines.graph import Node
from pipelines.overlay import merge
from pipelines.run_stage import load_job
from stages.core import params as parameters
from stages.core import parts
from stages.core.errors import ParamsError, RawlineError


def compare(entry: Entry, raw: Mapping[str, Any], source: Source) -> Iterator[Finding]:
    """Yield parameters that a stage reads and ``dvc.yaml`` does not list, and the other way round."""
    if not (module := module_of(source, entry.verb)):
        return
    facts = source.reach(module, *source.package(module)).facts
    for task in tuple(raw["tasks"]) if entry.key else (None,):
        try:
            read, beside = _reads(entry.verb, task, dict(raw), facts)
        except (RawlineError, ImportError):
            return  # said where the files are checked
        listed = [_resolve(key, entry.key, task, raw) for key in entry.params]
        missing = sorted(key for key in read if not any(_covers(other, key) for other in listed))
        extra = sorted(w for w, key in zip(entry.params, listed, strict=True) if not any(_covers(key, r) for r in read))
        broad = sorted(key for key in beside if any(_covers(other, key) for other in listed))
        if missing:
            yield Finding(
                entry.name, "params", "read and not listed", add=tuple(_template(k, entry.key, task) for k in missing)
            )
        if extra:
            yield Finding(entry.name, "params", "listed and not read", remove=tuple(extra))
        if broad:
            exact = tuple(sorted(_template(k, entry.key, task) for k in read))
            why = f"covers {', '.join(broad)}, which belongs to a part that is not chosen; list what is read"
            yield Finding(entry.name, "params", why, add=exact)
        if missing or extra or broad:
            return


def chosen(entry: Entry, raw: dict[str, Any], nodes: Mapping[str, Node]) -> Iterator[Finding]:
    """Yield chosen parts whose file DVC did not find by the entry's templates: the template asks another parameter."""
    for task in tuple(raw["tasks"]) if entry.key else (None,):
        name = f"{entry.name}@{task}" if task else entry.name
        try:
            job = load_job(entry.verb, task, raw, Path())[1]
        except (RawlineError, ImportError):
            return  # said where the files are checked
        files_of = {f"{FOLDER}/{choice.family}/{choice.name}.py" for choice in job.choices.values()}
        if name in nodes and (missing := sorted(files_of - set(nodes[name].deps))):
            yield Finding(name, "deps", "the templates do not lead to the chosen parts", add=tuple(missing))


def _reads(verb: str, task: str | None, raw: dict[str, Any], facts: set[str]) -> tuple[set[str], set[str]]:
    """Return the keys that a stage reads, and those of parts beside the chosen ones."""
    module, job = load_job(verb, task, raw, Path())
    where = f"{verb}.{task}" if task else verb
    section = parameters.lookup(raw, where) or {}
    read = {*facts}
    for name in module.Params.model_fields:
        if name in section:
            read.add(f"{where}.{name}")
        elif task and name in raw["tasks"][task]:
            read.add(f"tasks.{task}.{name}")
        elif name in raw:
            read.add(name)
    names = {part for family in job.choices for part in parts.known(family)} - set(module.Params.model_fields)
    chosen = {choice.name for choice in job.choices.values()}
    read |= {f"{where}.{name}" for name in chosen & names if name in section}
    return read, {f"{where}.{name}" for name in (names - chosen) & set(section)}


def _resolve(written: str, key: str | None, task: str | None, raw: Mapping[str, Any]) -> str:
    """Return the key that a line stands for, its templates filled in as DVC fills them."""
    text = written.replace(key, task) if key and task else written
    return re.sub(r"\$\{([\w.]+)\}", lambda found: str(parameters.lookup(dict(raw), found[1])), text)


def _template(key: str, placeholder: str | None, task: str | None) -> str:
    return key.replace(f".{task}", f".{placeholder}") if placeholder and task else key


def _covers(listed: str, key: str) -> bool:
    return key == listed or key.startswith(f"{listed}.")


def files(root: Path, entries: list[Entry]) -> Iterator[Finding]:
    """Yield what is wrong in ``params.yaml`` and, laid over it, in each file of ``params/``."""
    base = parameters.read(root / "params.yaml")
    yield from _validate("params.yaml", base, entries)
    for overlay in sorted((root / "params").glob("*.yaml")):
        try:
            yield from _validate(f"params/{overlay.name}", merge(base, parameters.read(overlay)), entries)
        except RawlineError as error:
            yield Finding(f"params/{overlay.name}", "values", str(error))


def _validate(file: str, raw: dict[str, Any], entries: list[Entry]) -> Iterator[Finding]:
    """Yield the first fault of each stage, and sections that no stage reads."""
    for entry in entries:
        for task in tuple(raw.get("tasks") or ()) if entry.key else (None,):
            try:
                load_job(entry.verb, task, raw, Path())
            except ParamsError as error:
                yield Finding(file, "values", str(error).replace("params.yaml", file))
            except ImportError as error:
                yield Finding(file, "values", f"stages/{entry.verb}.py cannot be imported: {error}")
    if unknown := sorted(set(raw) - {entry.verb for entry in entries} - {"seed", "name", "tasks"}):
        yield Finding(file, "values", f"no stage reads {', '.join(unknown)}")
