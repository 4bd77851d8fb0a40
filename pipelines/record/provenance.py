"""Which code a run came from."""

import getpass
import os
import subprocess
from pathlib import Path


def tags(workdir: Path) -> dict[str, str]:
    """Return MLflow tags that name commit, branch state and user.

    Args:
        workdir: a folder of the working tree; outside of git there is no commit.
    """
    found = {"mlflow.source.name": "rawline", "mlflow.source.type": "PROJECT", "mlflow.user": _user()}
    if commit := git(workdir, "rev-parse", "HEAD"):
        found["mlflow.source.git.commit"] = found["rawline.commit"] = commit
        # dvc rewrites dvc.lock as it goes: that alone does not make other code
        changes = git(workdir, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock")
        found["rawline.dirty"] = str(bool(changes)).lower()
    if name := os.environ.get("DVC_EXP_NAME"):
        found["rawline.dvc_experiment"] = name
    return found


def git(workdir: Path, *words: str) -> str:
    """Return what a git command prints, empty where it fails."""
    try:
        done = subprocess.run(["git", *words], cwd=workdir, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
