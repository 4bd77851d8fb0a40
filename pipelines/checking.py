"""Checks all of ``params.yaml`` before anything runs, and remembers that it has."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

import stages
from pipelines import origin, settings
from pipelines.record.lockfile import digest
from pipelines.run_stage import OUTSIDE, PER_TASK, STAGES, load_job
from stages.core import files, yaml_text
from stages.core import params as parameters
from stages.core.errors import ParamsError, nearest

COMMON = ("seed", "name", "tasks")


def check_all(raw: dict[str, Any], workdir: Path | None = None) -> None:
    """Check every section against the code that reads it.

    Args:
        raw: the whole parameter file.
        workdir: folder of ``dvc.yaml``, which says which stages there are; the current one when None.

    Raises:
        ParamsError: the first thing that is wrong, with the nearest name where a name is.
        RawlineError: the code that would judge is not that of the folder.
    """
    origin.require(workdir or Path.cwd())
    verbs = _verbs(workdir or Path())
    known = {*COMMON, *STAGES}
    for key in raw:
        if key not in known:
            raise ParamsError(f"{key} is unknown; {nearest(str(key), known)} (params.yaml: {key})")
    tasks = parameters.lookup(raw, "tasks")
    if not isinstance(tasks, dict):
        raise ParamsError(f"tasks is {tasks!r}; expected a mapping such as classify: {{head: linear}} (params.yaml: tasks)")
    for verb in verbs:
        for task in tasks if verb in PER_TASK else (None,):
            load_job(verb, task, raw, Path())
    if {"preprocess", "augment"} <= set(verbs):
        from stages.core.policy import refuse  # noqa: PLC0415 - loads numpy; a run that has nothing to do need not

        for name in ("offline", "online"):
            refuse(raw["augment"][name], raw["preprocess"]["output"], f"augment.{name}")


def check_once(raw: dict[str, Any]) -> None:
    """Check as ``check_all`` does, unless the same file was found right with the same code.

    Loading every chosen part may take seconds; a run in which nothing has changed should not wait for it.
    """
    origin.require(Path.cwd())
    mark = settings.state() / "checked"
    now = digest([raw, _code()])
    if mark.exists() and mark.read_text(encoding="utf-8") == now:
        return
    check_all(raw)
    files.write_text(mark, now)


def check_inputs(raw: dict[str, Any], workdir: Path | None = None, *, only: Collection[str] | None = None) -> None:
    """Refuse a parameter that names input data which is not there; DVC would name the path, and no parameter.

    Looked at are the dependencies in ``dvc.yaml`` that are a parameter and nothing else, ``${acquire.path}``. What a stage
    makes, what a ``.dvc`` file stands for and what is no path of this machine is left to DVC.

    Args:
        raw: the whole parameter file.
        workdir: folder of ``dvc.yaml``; the current one when None.
        only: the stages, by their names in ``dvc.yaml``, that are to run; None for all.

    Raises:
        ParamsError: the parameter and the path.
    """
    place = workdir or Path()
    bodies = {name: one.get("do", one) for name, one in _stages(place).items() if isinstance(one, dict)}
    read = [body for name, body in bodies.items() if only is None or name in only]
    made = [place / out for body in bodies.values() for out in _outs(body, raw)]
    for key in dict.fromkeys(word for body in read for word in map(_parameter, body.get("deps") or []) if word):
        path = _value(raw, key)
        if not isinstance(path, str) or "://" in path or (place / path).exists() or _is_made(place / path, made):
            continue
        raise ParamsError(f"{path!r} is not there; name your data, or bring it first ({parameters.FILE}: {key})")


def _parameter(dep: Any) -> str:
    """Return the parameter that a dependency consists of; empty for any other."""
    found = re.fullmatch(r"\$\{([\w.-]+)\}", dep) if isinstance(dep, str) else None
    return found[1] if found else ""


def _value(raw: Any, key: str) -> Any:
    for word in key.split("."):
        raw = raw.get(word) if isinstance(raw, dict) else None
    return raw


def _outs(body: Mapping[str, Any], raw: Any) -> Iterator[str]:
    """Yield what a stage writes, metrics and plots too, seen from the folder of ``dvc.yaml``."""
    for side in ("outs", "metrics", "plots"):
        for out in body.get(side) or []:
            text = str(next(iter(out), "") if isinstance(out, dict) else out)
            key = _parameter(text)
            yield str(Path(str(body.get("wdir") or ".")) / str(_value(raw, key) if key else text))


def _is_made(path: Path, made: Iterable[Path]) -> bool:
    """Tell whether a stage or a ``.dvc`` file brings a path: itself, something in it, or a folder that holds it."""
    if any(Path(f"{one}.dvc").is_file() for one in (path, *path.parents)):
        return True
    return any(path.is_relative_to(out) or out.is_relative_to(path) for out in made)


def _stages(workdir: Path) -> dict[str, Any]:
    try:
        graph = yaml_text.load((workdir / "dvc.yaml").read_bytes(), fast=True) or {}
    except FileNotFoundError as error:
        raise ParamsError(f"{workdir / 'dvc.yaml'} is missing; run from the project's root") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"dvc.yaml is not valid YAML: {' '.join(str(error).split())}") from error
    found = graph.get("stages") if isinstance(graph, dict) else None
    return found if isinstance(found, dict) else {}


def _verbs(workdir: Path) -> list[str]:
    return [verb for verb in _stages(workdir) if verb in STAGES]


def _code() -> list[list[Any]]:
    folders = [Path(stages.__file__).parent, *(Path(__file__).parent / name.partition(".")[2] for name in OUTSIDE.values())]
    found = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return [[path.as_posix(), (s := path.stat()).st_size, s.st_mtime_ns] for path in found]
