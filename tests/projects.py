"""Tiny DVC projects for tests of the pipelines."""

import subprocess
import sys
import textwrap
from pathlib import Path


def make_project(root: Path, graph: str, params: str = "seed: 1\n") -> Path:
    """Make a DVC project without git.

    Args:
        root: folder to make it in.
        graph: content of dvc.yaml; indentation common to all lines is taken off.
        params: content of params.yaml.
    """
    root.mkdir(parents=True, exist_ok=True)
    dvc(root, "init", "--no-scm", "--quiet")
    dvc(root, "config", "core.analytics", "false")
    (root / "dvc.yaml").write_text(textwrap.dedent(graph), encoding="utf-8")
    (root / "params.yaml").write_text(params, encoding="utf-8")
    return root


def dvc(root: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run DVC's command line in a project; its output has errors among it."""
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        check=check,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
