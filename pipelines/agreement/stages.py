"""Says for each stage of ``dvc.yaml`` which dependencies, paths and parameters are missing or too many."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.agreement.source import PARTS, Source
from stages.core import artefacts, yaml_text
from stages.core.errors import ParamsError

ROOTS = ("stages", "pipelines.register")
FOLDER = PARTS.replace(".", "/")
START = "python -m pipelines stage"  # the current folder's code; a rawline on PATH may be another clone's
COMMAND = re.compile(rf"^{START} (?P<verb>\w+)(?: (?P<task>\S+))?$")
ALIKE = re.compile(r"\b(?:rawline|pipelines\S*)\s+(?:stage|register)\b")


@dataclass(frozen=True)
class Entry:
    """One entry of ``dvc.yaml`` as it is written, templates and all.

    Attributes:
        name: its key.
        verb: the stage that its command runs.
        key: how the task is written in its paths, for instance ``${key}``; None for a stage without task.
        deps: dependencies.
        params: keys of ``params.yaml``.
        outs: outputs, metrics and plots.
    """

    name: str
    verb: str
    key: str | None
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One disagreement.

    Attributes:
        stage: name in ``dvc.yaml``, or the file.
        what: ``deps``, ``params``, ``outs`` ...
        add: lines to add.
        remove: lines to remove.
        why: the reason, one line.
    """

    stage: str
    what: str
    why: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the reason and the exact lines."""
        lines = [f"{self.stage}: {self.what}: {self.why}"]
        lines += [f"  + - {line}" for line in self.add] + [f"  - - {line}" for line in self.remove]
        return "\n".join(lines)


def entries(root: Path) -> list[Entry]:
    """Read ``dvc.yaml`` as written.

    Raises:
        ParamsError: it is missing or no YAML.
    """
    found = [_entry(name, body) for name, body in _written(root).items()]
    return [entry for entry in found if entry]


def commands(root: Path) -> Iterator[Finding]:
    """Yield stages of ours that are started otherwise: by a command that may run another folder's code than DVC books."""
    for name, body in _written(root).items():
        inner = body.get("do", body)
        if ALIKE.search(str(inner["cmd"])) and (not _started(inner) or "wdir" in inner):
            why = f"DVC books the code of this folder; one line, {START} ..., without wdir, runs that and no other"
            yield Finding(name, "cmd", why, remove=(str(inner["cmd"]),))


def _written(root: Path) -> dict[str, Any]:
    try:
        content = yaml_text.load((root / "dvc.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ParamsError(f"dvc.yaml cannot be read: {' '.join(str(error).split())}") from error
    written: dict[str, Any] = content["stages"]
    return written


def _started(inner: Mapping[str, Any]) -> re.Match[str] | None:
    return COMMAND.match(str(inner["cmd"]).strip())


def _entry(name: str, body: Mapping[str, Any]) -> Entry | None:
    inner = body.get("do", body)
    if not (match := _started(inner)):
        return None
    outs = [path for kind in ("outs", "metrics", "plots") for path in _paths(inner.get(kind))]
    return Entry(name, match["verb"], match["task"], _paths(inner.get("deps")), _paths(inner.get("params")), tuple(outs))


def _paths(items: Iterable[Any] | None) -> tuple[str, ...]:
    """Return the paths of a list whose items are a path, or a path with options."""
    return tuple(key for item in items or () for key in (item if isinstance(item, dict) else [item]))


def module_of(source: Source, verb: str) -> str | None:
    """Return the dotted name of a stage's module."""
    return next((f"{base}.{verb}" for base in ("stages", "pipelines") if source.module(f"{base}.{verb}")), None)


def compare(entry: Entry, source: Source) -> Iterator[Finding]:
    """Yield what is wrong with a stage's code dependencies, parts and paths."""
    if not (module := module_of(source, entry.verb)):
        yield Finding(entry.name, "cmd", f"stages/{entry.verb}.py is missing")
        return
    reach = source.reach(module, *source.package(module))
    needed = source.closure(module)
    for family, part in sorted(reach.families, key=str):
        needed |= _of_family(source, family, part)
        yield from _siblings(source, family)
        if part is None and not _chooses(source, entry, family):
            yield Finding(entry.name, "deps", f"a part of {family} is chosen", add=(f"{FOLDER}/{family}/${{...}}.py",))
    yield from _code(
        entry, {path.as_posix() for path in needed}, {family for family, part in reach.families if part is None}
    )
    yield from _paths_agree(entry, reach.artefacts)


def _of_family(source: Source, family: str, part: str | None) -> set[Path]:
    """Return what parts of a family import, the parts themselves left out unless the code names one."""
    known = source.parts(family)
    wanted = {part: known[part]} if part else known
    closure = {path for name in wanted.values() for path in source.closure(name)}
    themselves = {m.path for name in known.values() if (m := source.module(name))}
    kept = {m.path for name in wanted.values() if part and (m := source.module(name))}
    return (closure - themselves) | kept


def _siblings(source: Source, family: str) -> Iterator[Finding]:
    """Yield parts that import a part beside them: ``dvc.yaml`` could not name both without naming one twice."""
    known = source.parts(family)
    files = {m.path: part for part, name in known.items() if (m := source.module(name))}
    for part, name in known.items():
        if others := sorted(files[path] for path in source.closure(name) & files.keys() if files[path] != part):
            why = f"imports the part {', '.join(others)}; move what they share to a file that begins with _"
            yield Finding(f"{FOLDER}/{family}/{part}.py", "imports", why)


def _chooses(source: Source, entry: Entry, family: str) -> bool:
    """Tell whether a dependency is templated in the family's folder, or all its parts stand there."""
    folder = f"{FOLDER}/{family}/"
    templated = any(dep.startswith(f"{folder}${{") and dep.endswith("}.py") for dep in entry.deps)
    return templated or {f"{folder}{name}.py" for name in source.parts(family)} <= set(entry.deps)


def _code(entry: Entry, needed: set[str], families: set[str]) -> Iterator[Finding]:
    code = ("stages/", "pipelines/")
    written = {dep for dep in entry.deps if dep.startswith(code) and "${" not in dep}
    chosen = {dep for dep in written if Path(dep).parent.name in families and not Path(dep).name.startswith("_")}
    if missing := sorted(needed - written):
        yield Finding(entry.name, "deps", "imported and not listed", add=tuple(missing))
    if extra := sorted(written - needed - chosen):
        yield Finding(entry.name, "deps", "listed and imported by nothing the stage runs", remove=tuple(extra))
    templated = {Path(dep).parent.name: dep for dep in entry.deps if dep.startswith(f"{FOLDER}/") and "/${" in dep}
    if idle := sorted(dep for family, dep in templated.items() if family not in families):
        yield Finding(entry.name, "deps", "the stage chooses no part of this family", remove=tuple(idle))


def _paths_agree(entry: Entry, names: Iterable[str]) -> Iterator[Finding]:
    known = {path for name in names for path in artefact(name, entry.key)}
    written = {path for path in (*entry.deps, *entry.outs) if path.startswith(f"{artefacts.DATA}/")}
    if missing := sorted(path for path in known if not any(_within(other, path) for other in written)):
        yield Finding(entry.name, "deps or outs", "the code uses these paths (stages/core/artefacts.py)", add=tuple(missing))
    if extra := sorted(path for path in written if not any(_within(path, other) for other in known)):
        yield Finding(entry.name, "deps or outs", "the code uses no such path", remove=tuple(extra))


def artefact(name: str, key: str | None) -> list[str]:
    """Return the path, or none for a base folder, that a name in ``stages/core/artefacts.py`` stands for.

    Example:
        >>> artefact("finetuned", "${key}"), artefact("ACQUIRED", None), artefact("DATA", None)
        (['data/finetuned/${key}'], ['data/acquired'], [])
    """
    value = getattr(artefacts, name, None)
    if value in (None, artefacts.DATA, artefacts.METRICS):
        return []
    if isinstance(value, Path):
        return [value.as_posix()]
    return [value(key).as_posix()] if callable(value) and key else []


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
