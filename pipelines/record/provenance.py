"""Which code a run came from."""

import getpass
import os
from pathlib import Path

from pipelines.record import code_state, git_command

NUM_NAMED = 12


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
    found["rawline.dirty"] = state.dirty
    if state.changes:
        more = len(state.changes) - NUM_NAMED
        told = "; ".join([*state.changes[:NUM_NAMED], *([f"and {more} more"] if more > 0 else [])])
        found["rawline.changes"] = told.encode(errors="backslashreplace").decode()  # a file's name may be no UTF-8
    if name := os.environ.get("DVC_EXP_NAME"):
        found["rawline.dvc_experiment"] = name
    return found


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
