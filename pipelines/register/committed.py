"""Tells whether the code that made and judged a model is known and equals a commit: the one rule, for gate, tags and card.

The working tree's state alone cannot tell: a stage that DVC took from its cache ran with the code of that day. Two witnesses
can. The record notes with each run how its code stood to the commit. ``dvc.lock`` books the MD5 of every file of code that
a stage ran with. The record's word comes first; where it knew of edits and new files, they must have been committed since;
where it knows no run, ``dvc.lock`` alone decides. Code that was edited while it ran is never clean. Every stage that leads
to the model is asked, the first as well as the last: the weights are made of what each of them wrote.

``dvc.yaml`` is no dependency of a stage, so that no MD5 of it is booked. All that a stage has of it is what it resolves to:
command, dependencies, parameters, outputs. ``dvc.lock`` books these as they were at the run. Where they are those of the
committed ``dvc.yaml``, its edit was none for this stage or is committed; one that was taken back leaves them different. The
same is asked of a stage without a run, of which nobody knows whether ``dvc.yaml`` was edited.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines.record import booking, code_state, freshness, git_command, lockfile
from pipelines.register.judgement import Code

CODE = (".py", ".sh", ".yaml", ".toml")  # without one of these nobody knows what a stage's command ran
FOLDER = ".dir"  # ends DVC's hash of one
REMOTE = "://"
OUTSIDE = ("data/", "../", "/")  # data, and what lies outside of the project
PICTURES = "acquire.path"  # the parameter that names a user's own data, wherever they lie
NAMED = 3


@dataclass(frozen=True)
class Witness:
    """What a model's code is judged by.

    Attributes:
        entries: those of ``dvc.lock`` that lead to the model, by stage.
        code: commit and state of the working tree, as ``record.provenance.tags`` gives them.
        wanted: all stages that made and judged the model, whether ``dvc.lock`` has them or not.
        ran: tags of their runs, by stage, of those that the record knows.
    """

    entries: Mapping[str, Any]
    code: Mapping[str, str]
    wanted: tuple[str, ...]
    ran: Mapping[str, Mapping[str, str]]

    @property
    def doubtful(self) -> list[str]:
        """The stages that ran with code of which the record does not know that it was a commit's."""
        return [stage for stage in self.wanted if self.ran.get(stage, {}).get("rawline.dirty") != "false"]

    @property
    def unsure(self) -> dict[str, Any]:
        """The entries of the stages whose run is not known to be a commit's."""
        return {stage: self.entries[stage] for stage in self.doubtful if stage in self.entries}

    def books(self, stage: str) -> dict[str, str]:
        """Return the hash of all that a stage read but for data: what a stage made, or ``acquire`` collects."""
        entry = dict(self.entries[stage])
        made = [path for one in self.entries.values() for path in lockfile.hashes(one, "outs")]
        pictures = PurePosixPath(str(entry.get("params", {}).get("params.yaml", {}).get(PICTURES, "data")))
        found = {PurePosixPath(path): (path, value) for path, value in lockfile.hashes(entry, "deps").items()}
        code = {path: told for path, told in found.items() if path != pictures and not any(map(path.is_relative_to, made))}
        return {path: value for path, value in code.values() if not path.startswith(OUTSIDE) and REMOTE not in path}

    def booked(self, stages: Iterable[str]) -> dict[tuple[str, str], str]:
        """Return the MD5 of each single file of ``books`` by stage and path: scripts, and whatever else steers them."""
        return {
            (stage, path): value
            for stage in stages
            for path, value in self.books(stage).items()
            if not value.endswith(FOLDER)
        }


def judge(seen: Witness, workdir: Path) -> Code:
    """Judge the code that made a model.

    Args:
        seen: what is known of it.
        workdir: the project's folder.
    """
    problem = _here(seen.code) or _edited(seen) or _unbooked(seen)
    if problem:
        return Code(clean=False, reason=problem)
    commit = seen.code["rawline.commit"][:12]
    kept = contents(_asked(path for _, path in seen.booked(seen.entries)), workdir)
    every = {key: value for key, value in seen.booked(seen.entries).items() if not _by_dvc(key[1], kept)}
    booked = {key: value for key, value in every.items() if key[0] in seen.unsure}
    other = sorted(f"{stage} ran another {path}" for (stage, path), value in booked.items() if kept.get(path) != value)
    if other:
        return Code(clean=False, reason=f"dvc.lock differs from commit {commit}: {_some(other)}")
    held = {path for (_, path), value in every.items() if kept.get(path) == value}
    if problem := _uncommitted(seen, held) or _unlike_graph(seen, workdir):
        return Code(clean=False, reason=problem)
    return Code(clean=True, reason="; ".join(_told(seen, len({path for _, path in booked}), commit)))


def _asked(paths: Iterable[str]) -> list[str]:
    """Return the files that the commit is asked for: those booked, and DVC's pointers that would make them data."""
    return sorted({name for path in paths for name in (path, *_pointers(path))})


def _by_dvc(path: str, kept: Mapping[str, str]) -> bool:
    """Tell whether DVC tracks a file, or a folder that it lies in, by a committed pointer, and git does not: it is data."""
    return path not in kept and any(pointer in kept for pointer in _pointers(path))


def _pointers(path: str) -> list[str]:
    place = PurePosixPath(path)
    return [f"{one.as_posix()}.dvc" for one in (place, *place.parents) if one.name]


def _here(code: Mapping[str, str]) -> str:
    """Say what is wrong with the working tree, which the registration and the code that it packs come from."""
    if not code.get("rawline.commit"):
        return "the commit is unknown: register from a git repository that has one"
    if (dirty := code.get("rawline.dirty")) == "false":
        return ""
    state = "has uncommitted changes" if dirty == "true" else "is in an unknown state"
    return f"the code {state} (git status); commit it, then rawline repro"


def _edited(seen: Witness) -> str:
    """Name the stages during whose run something that they read was edited: nobody knows what they ran with."""
    found = [stage for stage in seen.wanted if {booking.STALE, booking.OUTS_EDITED} & {*seen.ran.get(stage, {})}]
    return f"what it reads was edited while it ran: {', '.join(found)}; run it again" if found else ""


def _unbooked(seen: Witness) -> str:
    """Say of which stage ``dvc.lock`` does not book the code, where its run alone cannot tell."""
    if missing := sorted({*seen.doubtful} - {*seen.entries}):
        return f"dvc.lock does not say which code ran: it has no {', '.join(missing)}"
    for stage in seen.doubtful:
        if folders := [path for path, value in seen.books(stage).items() if value.endswith(FOLDER)]:
            return f"unknown: of {_some(folders)} dvc.lock books one hash for {stage}, not which files of code ran"
        if not any(PurePosixPath(path).suffix in CODE for _, path in seen.booked([stage])):
            return f"unknown: dvc.lock books no file of code for {stage}; name what its command runs among its deps"
    return ""


def _uncommitted(seen: Witness, committed: set[str]) -> str:
    """Say which edits that a run was made with no commit holds, as far as ``dvc.lock`` tells.

    ``committed`` are the files that it books with the bytes of the commit: whether a run found them edited or new, it ran
    with those bytes, or does not read them at all but another stage does. ``dvc.yaml`` is judged by ``_unlike_graph``.
    """
    for stage in seen.doubtful:
        if not (tags := seen.ran.get(stage)):
            continue
        state = "uncommitted changes" if tags.get("rawline.dirty") == "true" else "code in an unknown state"
        changes = _changes(tags)
        other = [change for change in changes if _file(change) not in {*committed, code_state.GRAPH}]
        if other or not changes:
            what = _some(other) or "its run does not say which"
            remedy = f"run it again with committed code: dvc repro --force {stage}"
            return f"{stage} ran with {state} that dvc.lock does not book: {what}; {remedy}"
    return ""


def _changes(tags: Mapping[str, str]) -> list[str]:
    return [change for change in tags.get("rawline.changes", "").split("; ") if change]


def _file(change: str) -> str:
    """Return the file that was edited or new, as ``code_state`` says it; empty where it says anything else."""
    found = re.fullmatch("(.+) (?:differs|is not in the commit)", change)
    return found[1] if found else ""


def _unlike_graph(seen: Witness, workdir: Path) -> str:
    """Say which stage's booking is not what the committed ``dvc.yaml`` resolves to, where no clean run vouches for it.

    The working tree's is the committed one: ``_here`` was asked first. A stage with no run on record is compared always, for
    its booking is all that is known of it; the others where one of them ran with another ``dvc.yaml``, each of which may be
    the same edit's. A folder that is no DVC project has nothing to compare with where none did.
    """
    edited = [s for s in seen.doubtful if code_state.GRAPH in map(_file, _changes(seen.ran.get(s, {})))]
    alone = {stage for stage in seen.unsure if stage not in seen.ran}
    nodes = lockfile.load_graph(workdir).nodes if edited or alone else {}
    for stage, entry in seen.unsure.items():
        asked = edited or (nodes and stage in alone)
        if asked and (what := freshness.differs(entry, nodes.get(stage))):
            told = f"{edited[0]} ran with another dvc.yaml" if edited else f"{stage} has no run on record here"
            return f"{told}, and {what} of {stage} in dvc.lock are not the commit's; run it again: dvc repro --force {stage}"
    return ""


def _told(seen: Witness, number: int, commit: str) -> Iterator[str]:
    """Say what the code is known to be clean by."""
    known = [stage for stage in seen.wanted if stage not in seen.doubtful]
    sure = {stage: seen.ran[stage].get("rawline.commit", "unknown")[:12] for stage in known}
    for one in dict.fromkeys(sure.values()):
        yield f"{', '.join(stage for stage, at in sure.items() if at == one)} ran at commit {one}, as the record says"
    if seen.doubtful:
        yield f"all {number} files of code that dvc.lock books equal commit {commit}"
    if alone := [stage for stage in seen.doubtful if stage not in seen.ran]:
        yield f"{', '.join(alone)} by dvc.lock alone: no run is on record here"


def _some(found: list[str]) -> str:
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


def contents(paths: list[str], workdir: Path) -> dict[str, str]:
    """Return the MD5 of each file as the commit has it; what it lacks, or cannot tell, is left out."""
    order = "".join(f"HEAD:./{path}\n" for path in paths)
    try:
        out = git_command.raw(workdir, "cat-file", "--batch", given=order)
    except git_command.GitError:
        return {}
    return dict(_answers(paths, out))


def _answers(paths: list[str], out: bytes) -> Iterable[tuple[str, str]]:
    """Read git's answers: a line ``<id> blob <size>``, the bytes, a line's end; ``<name> missing`` where there is none."""
    at = 0
    for path in paths:
        end = out.index(b"\n", at)
        words, at = out[at:end].split(), end + 1
        if words[-1] == b"missing":
            continue
        size = int(words[-1])
        if words[-2] == b"blob":
            yield path, hashlib.md5(out[at : at + size], usedforsecurity=False).hexdigest()
        at += size + 1
