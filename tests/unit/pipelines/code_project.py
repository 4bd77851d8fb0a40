"""A committed project for tests of what counts as its code."""

import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a committed project."""
    for name in ("pipelines/__init__.py", "stages/__init__.py", "stages/acquire.py"):
        write(tmp_path / "project" / name)
    git(tmp_path / "project", "init", "-q")
    return commit(tmp_path / "project")


def write(file: Path, text: str = "") -> None:
    """Write a file, and the folders above it."""
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text(text)


def git(root: Path, *words: str) -> None:
    """Run git."""
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> Path:
    """Commit all that lies in a folder, and return it."""
    git(root, "add", "-A")
    git(root, "commit", "-qm", "all", "--allow-empty")
    return root
