"""The project itself on tiny data with tiny budgets, for tests that run the whole graph."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HOME = Path(__file__).parents[2]
CODE = ("stages", "pipelines")
BUDGET = {
    "epochs": 1, "warmup_epochs": 0.0, "loading": {"memory_mb": 64, "workers": 0},
    "compute": {"device": "cpu", "precision": "fp32", "threads": 1},
}  # fmt: skip
SMALL_HEADS: dict[str, dict[str, Any]] = {
    "unet": {"width": 32, "dice": 1.0},
    "faster_rcnn": {"width": 32, "box_width": 32, "num_proposals": 20, "num_samples": 16},
    "mask_rcnn": {"width": 32, "box_width": 32, "num_proposals": 20, "num_samples": 16, "mask_width": 16},
}  # fmt: skip


@dataclass(frozen=True)
class Project:
    """A copy of the project that has git and DVC of its own."""

    root: Path

    def environment(self) -> dict[str, str]:
        """Return the environment of its commands: nothing of the test's own execution leaks in, and ``rawline`` is found."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAWLINE", "MLFLOW", "DVC_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
        return {**clean, "PATH": path, "OMP_NUM_THREADS": "1"}

    def run(self, *words: str, timeout: float = 1800) -> subprocess.CompletedProcess[str]:
        """Run a command in the project; what it says on both channels comes as one text."""
        return subprocess.run(
            words, cwd=self.root, env=self.environment(), text=True, check=False, timeout=timeout,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def params(self) -> dict[str, Any]:
        """Return the content of ``params.yaml``."""
        content: dict[str, Any] = yaml.safe_load((self.root / "params.yaml").read_text(encoding="utf-8"))
        return content

    def write(self, params: dict[str, Any]) -> None:
        """Write ``params.yaml``."""
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def lock(self) -> dict[str, dict[str, str]]:
        """Return the hash of every output by stage and path, as ``dvc.lock`` has them."""
        stages = yaml.safe_load((self.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
        return {name: {out["path"]: out["md5"] for out in stage["outs"]} for name, stage in stages.items()}


def make(root: Path, tasks: tuple[str, ...] = ("classify", "detect")) -> Project:
    """Make the project: the code and the graph as they are, parameters made small, git and DVC ready."""
    root.mkdir(parents=True, exist_ok=True)
    for folder in CODE:
        shutil.copytree(HOME / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "data/raw").mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml", ".gitignore", "data/.gitignore"):
        shutil.copy(HOME / name, root / name)
    (root / "data/raw/README.md").write_text("Your own files.\n")
    project = Project(root)
    params = project.params()
    shrink(params, tasks)
    project.write(params)
    for words in (
        ("git", "init", "-q"), ("dvc", "init", "-q"), ("dvc", "config", "core.analytics", "false"),
        ("dvc", "config", "core.check_update", "false"), ("git", "add", "-A"),
        ("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "tiny"),
    ):  # fmt: skip
        done = project.run(*words)
        assert done.returncode == 0, done.stdout
    return project


def shrink(params: dict[str, Any], tasks: tuple[str, ...]) -> None:
    """Make a parameter file's data and budgets tiny, in place."""
    known = {"instance": {"head": "mask_rcnn", "tuning": "full"}, **params["tasks"]}
    params["tasks"] = {task: known[task] for task in tasks}
    params["acquire"]["scenes"] |= {"num_images": 60, "size_px": 64}
    params["preprocess"]["size_px"] = 64
    params["augment"]["sheet_pictures"] = 2
    params["pretrain"] |= {**BUDGET, "batch_size": 18, "probe_every": 1}
    params["pretrain"]["simclr"] |= {"view_px": 32, "projection_dim": 16}
    for section in params["finetune"].values():
        section.update(BUDGET, batch_size=12, scratch_twin=False)
        for head in SMALL_HEADS.keys() & section.keys():
            section[head] |= SMALL_HEADS[head]
    for section in params["evaluate"].values():
        section.update(num_bootstraps=100, num_worst=2)
    for section in params["audit"].values():
        section.update(num_permutations=100, num_bootstraps=100, num_pictures=1)
