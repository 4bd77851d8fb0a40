"""Checks all of ``params.yaml`` before anything runs, and remembers that it has."""

from pathlib import Path
from typing import Any

import yaml

import stages
from pipelines import settings
from pipelines.record.lockfile import digest
from pipelines.run_stage import OUTSIDE, PER_TASK, STAGES, load_job
from stages.core import files
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
    """
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
    mark = settings.state() / "checked"
    now = digest([raw, _code()])
    if mark.exists() and mark.read_text(encoding="utf-8") == now:
        return
    check_all(raw)
    files.write_text(mark, now)


def _verbs(workdir: Path) -> list[str]:
    try:
        graph = yaml.safe_load((workdir / "dvc.yaml").read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise ParamsError(f"{workdir / 'dvc.yaml'} is missing; run from the project's root") from error
    except yaml.YAMLError as error:
        raise ParamsError(f"dvc.yaml is not valid YAML: {' '.join(str(error).split())}") from error
    return [verb for verb in graph.get("stages", {}) if verb in STAGES]


def _code() -> list[list[Any]]:
    folders = [Path(stages.__file__).parent, *(Path(__file__).parent / name.partition(".")[2] for name in OUTSIDE.values())]
    found = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return [[path.as_posix(), (s := path.stat()).st_size, s.st_mtime_ns] for path in found]
