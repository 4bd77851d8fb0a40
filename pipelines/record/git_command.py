"""Asks git about the repository that a folder lies in, whatever repository the caller's environment speaks of."""

import os
import subprocess
from pathlib import Path

LIMIT_S = 30.0
ELSEWHERE = (  # set inside of git's hooks; they would make every answer one about another repository
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE",
)  # fmt: skip


class GitError(Exception):
    """Git is missing, failed or did not answer; the message is one line."""


def run(workdir: Path, *words: str, given: str = "") -> str:
    """Return what a git command prints, as text.

    Args:
        workdir: where it runs.
        words: the command without ``git``.
        given: its standard input.

    Raises:
        GitError: there is no git, it fails, or it takes longer than ``LIMIT_S`` seconds.
    """
    text = raw(workdir, *words, given=given).decode(errors="surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def raw(workdir: Path, *words: str, given: str = "") -> bytes:
    """Return what a git command prints, to the byte: contents of files are no text; else as ``run``."""
    environment = {key: value for key, value in os.environ.items() if key not in ELSEWHERE}
    try:
        done = subprocess.run(
            ["git", "--no-replace-objects", "--no-optional-locks", "--literal-pathspecs", *words], cwd=workdir,
            input=given.encode(errors="surrogateescape"), env={**environment, "LC_ALL": "C"}, capture_output=True,
            check=False, timeout=LIMIT_S,
        )  # fmt: skip
    except OSError as error:
        raise GitError(f"git cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {words[0]} gave no answer within {LIMIT_S:.0f} s") from error
    if done.returncode:
        said = (done.stderr.decode(errors="surrogateescape").strip().splitlines() or [f"exit status {done.returncode}"])[0]
        raise GitError(f"git {words[0]} failed: {said}")
    return done.stdout
