"""A copy of the project's code with one tiny stage of its own, for tests of which code runs."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.pipeline import toy

HOME = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
STAGE = "stages/acquire.py"
OUT = "data/mark.txt"
SOURCE = '''"""Writes the mark it holds."""

from collections.abc import Iterator
from pathlib import Path

from stages.core.params import Params as Base
from stages.core.stage import Job, Note

MARK = "first"


class Params(Base):
    """Only this copy knows the key, so that another copy's code would refuse it."""

    only_here: int


def run(job: Job[Params]) -> Iterator[Note]:
    """Write the mark."""
    Path("data").mkdir(exist_ok=True)
    Path("data/mark.txt").write_text(MARK)
    yield Note(f"mark {MARK}")
'''
GRAPH = {
    "stages": {"acquire": {
        "cmd": "python -m pipelines stage acquire", "deps": [STAGE], "params": ["seed", "acquire"], "outs": [OUT],
    }}
}  # fmt: skip
PARAMS = {"seed": 7, "name": "copy", "tasks": {}, "acquire": {"only_here": 1}}


def source(mark: str) -> str:
    """Return the stage's text with a mark."""
    return SOURCE.replace('"first"', f'"{mark}"')


def md5(text: str) -> str:
    """Return the hash under which DVC books a file with this text."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Copy:
    """The copy in a folder."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return the environment of its commands, as in an activated one whose rawline is another clone's."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAWLINE", "MLFLOW", "DVC_", "PYTHON"))}
        path = f"{BIN}{os.pathsep}{clean['PATH']}"
        return {**clean, "PATH": path, "OMP_NUM_THREADS": "1", **self.env}

    def run(self, *words: str, status: int | None = 0) -> str:
        """Run a command in the copy and return all it says; its exit status must be as given, None for any."""
        done = subprocess.run(
            words, cwd=self.root, env=self.environment(), text=True, check=False, timeout=1800, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert status is None or done.returncode == status, done.stdout
        return done.stdout

    def dvc(self, *words: str, status: int | None = 0) -> str:
        """Run DVC."""
        return self.run(str(BIN / "dvc"), *words, status=status)

    def git(self, *words: str) -> str:
        """Run git."""
        return self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", *words)

    def mark(self, text: str) -> None:
        """Edit the stage."""
        (self.root / STAGE).write_text(source(text))

    def booked(self, lock: str | None = None) -> tuple[str, str]:
        """Return the hashes of code and output as ``dvc.lock`` has them."""
        text = (self.root / "dvc.lock").read_text() if lock is None else lock
        entry: dict[str, Any] = yaml.safe_load(text)["stages"]["acquire"]
        return entry["deps"][0]["md5"], entry["outs"][0]["md5"]


def make(root: Path) -> Copy:
    """Make the copy, committed, nothing run yet."""
    for folder in ("pipelines", "stages"):
        shutil.copytree(HOME / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(toy.database(), root / "tracking")
    copy = Copy(root)
    copy.mark("first")
    (root / "dvc.yaml").write_text(yaml.safe_dump(GRAPH, sort_keys=False))
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    (root / ".gitignore").write_text("__pycache__/\n.rawline/\n/tracking/\n/data/\n")
    copy.git("init", "-q")
    copy.dvc("init", "-q")
    for name in ("core.analytics", "core.check_update"):
        copy.dvc("config", name, "false")
    copy.git("add", "-A")
    copy.git("commit", "-q", "-m", "copy")
    return copy
