"""Which code a run came from."""

import getpass
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.record import code_state, git_command

NUM_NAMED = 12
_OTHERS = re.compile(r"and (\d+) more")


def tags(workdir: Path) -> dict[str, str]:
    """Return MLflow tags that name commit, state of the code and user.

    ``rawline.dirty`` is ``false`` only where the code was compared with the commit and is the same; ``unknown`` where git
    cannot tell. ``rawline.changes`` says what differs, or why it is not known.

    Args:
        workdir: the folder of ``dvc.yaml``; outside of git there is no commit.
    """
    found = {"mlflow.source.name": "rawline", "mlflow.source.type": "PROJECT", "mlflow.user": _user()}
    state = code_state.read(workdir)
    if state.commit:
        found["mlflow.source.git.commit"] = found["rawline.commit"] = state.commit
    found |= _said(state.dirty, state.changes)
    if name := os.environ.get("DVC_EXP_NAME"):
        found["rawline.dvc_experiment"] = name
    return found


def late(workdir: Path, before: Mapping[str, str], loaded: Mapping[str, set[str]]) -> dict[str, str]:
    """Return the tags that say otherwise than at a run's start where a module was loaded since that the commit lacks.

    Args:
        workdir: the folder of ``dvc.yaml``.
        before: the tags of the start.
        loaded: the files that were loaded then, as ``code_state.loaded`` gives them.
    """
    commit, was = before.get("rawline.commit", ""), before["rawline.dirty"]
    state = code_state.late(workdir, commit, loaded) if commit else None
    if state is None or state.dirty == "false" or (state.dirty, was) == ("unknown", "true"):
        return {}
    told = [clause for clause in before.get("rawline.changes", "").split("; ") if clause]
    others = int(rest[1]) if told and (rest := _OTHERS.fullmatch(told[-1])) else 0
    told = told[:-1] if others else told
    new = [clause for clause in state.changes if clause not in told]
    return _said(state.dirty, [*new, *told], others)


def _said(dirty: str, changes: Sequence[str], others: int = 0) -> dict[str, str]:
    """Return the tags; the first changes are named, and so many others counted beside those that are given."""
    if not changes:
        return {"rawline.dirty": dirty}
    more = max(len(changes) - NUM_NAMED, 0) + others
    told = "; ".join([*changes[:NUM_NAMED], *([f"and {more} more"] if more > 0 else [])])
    return {
        "rawline.dirty": dirty,
        "rawline.changes": told.encode(errors="backslashreplace").decode(),
    }  # names may be no UTF-8


def git(workdir: Path, *words: str) -> str:
    """Return what a git command prints, empty where it fails."""
    try:
        return git_command.run(workdir, *words).strip()
    except git_command.GitError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
