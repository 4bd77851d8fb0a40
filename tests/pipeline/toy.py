"""A toy project: four steerable stages, a real DVC graph and the real wrapper, for tests of the record."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipelines.settings import sqlite_uri

HOME = Path(__file__).parents[2]
SCRIPT = '''
"""Runs the rawline command with stages that params.yaml steers."""
import os, signal, sys, time, types
from pathlib import Path
from stages.core.errors import DataError
from stages.core.params import Params as Base
from stages.core.stage import Keep, Metrics, Note, Progress

class Params(Base):
    num_epochs: int
    sleep_s: float
    fail: str

def run(job):
    p, name = job.params, os.environ.get("DVC_STAGE", "@".join(sys.argv[2:4])).rpartition(":")[2]
    for epoch in range(p.num_epochs):
        yield Metrics({"train/loss": 1.0 / (epoch + 1)}, step=epoch)
        yield Progress(epoch + 1, p.num_epochs, "epochs")
        if Path("enough").exists():  # a test has seen what it waited for
            break
        time.sleep(p.sleep_s)
    job.work.mkdir(parents=True, exist_ok=True)
    (job.work / "checkpoint").write_text("half")
    if p.fail == "data":
        raise DataError("picture 7 is empty (data/7.png)")
    if p.fail == "bug":
        raise ZeroDivisionError("a slip")
    if p.fail == "full":
        raise OSError(28, "No space left on device", "data/x")
    if p.fail == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if p.fail == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    out = Path("data") / name.replace("@", "/")
    out.mkdir(parents=True, exist_ok=True)
    (out / "numbers.txt").write_text(f"{name} {p.num_epochs}")
    yield Note("written")
    yield Keep(out / "numbers.txt", "outs")
    yield Metrics({"final": 1.0})

for verb in ("acquire", "finetune", "evaluate"):
    module = types.ModuleType("stages." + verb)
    module.Params, module.run = Params, run
    sys.modules["stages." + verb] = module
if __name__ == "__main__":
    from pipelines.cli import main
    main(sys.argv[1:])
'''
PARAMS: dict[str, Any] = {
    "seed": 7,
    "name": "toy",
    "tasks": {"classify": {}, "detect": {}},
    "acquire": {"num_epochs": 2, "sleep_s": 0.0, "fail": ""},
    "finetune": {task: {"num_epochs": 3, "sleep_s": 0.0, "fail": ""} for task in ("classify", "detect")},
    "evaluate": {task: {"num_epochs": 1, "sleep_s": 0.0, "fail": ""} for task in ("classify",)},
}
GRAPH: dict[str, Any] = {
    "stages": {
        "acquire": {"cmd": "@ stage acquire", "deps": ["code.txt"], "params": ["seed", "acquire"], "outs": ["data/acquire"]},
        "finetune": {
            "foreach": "${tasks}",
            "do": {
                "cmd": "@ stage finetune ${key}",
                "deps": ["data/acquire"],
                "params": ["finetune.${key}"],
                "outs": ["data/finetune/${key}"],
            },
        },
    }
}
STAGES = ["acquire", "finetune@classify", "finetune@detect"]


@dataclass
class Project:
    """The toy in a folder."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """Return where its record lives."""
        return self.env.get("MLFLOW_TRACKING_URI", sqlite_uri(self.root / "tracking/mlflow.db"))

    @property
    def client(self) -> MlflowClient:
        """Return a client of its record."""
        return MlflowClient(tracking_uri=self.uri)

    def environment(self) -> dict[str, str]:
        """Return the environment of its commands: nothing of the test's own execution leaks in."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAWLINE", "MLFLOW", "DVC_"))}
        return {**clean, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", **self.env}

    def run(self, *words: str, cwd: Path | None = None, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run a command in the project."""
        return subprocess.run(
            words, cwd=cwd or self.root, env=self.environment(), capture_output=True, text=True, check=False, timeout=timeout
        )  # fmt: skip

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command in the project, in its own session."""
        return subprocess.Popen(
            words, cwd=self.root, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip

    def rawline(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the rawline command with the toy's stages."""
        return self.run(sys.executable, "toy.py", *words)

    def dvc(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run dvc."""
        return self.run(sys.executable, "-m", "dvc", *words)

    def set(self, section: str, **values: Any) -> None:
        """Change parameters of a section, for instance ``acquire`` or ``finetune.detect``."""
        content = yaml.safe_load((self.root / "params.yaml").read_text())
        node = content
        for word in section.split("."):
            node = node[word]
        node.update(values)
        (self.root / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    def settle(self) -> None:
        """Wait until every recorder is done; one that never is fails the test."""
        end = time.monotonic() + 600
        while left := list((self.root / ".rawline/spool").glob("*/execution.json")):
            assert time.monotonic() < end, f"nobody sends {[path.parent.name for path in left]}"
            time.sleep(0.1)

    def runs(self) -> list[Run]:
        """Return every run of the record, in order of their start."""
        experiment = self.client.get_experiment_by_name("toy")
        return (
            sorted(self.client.search_runs([experiment.experiment_id]), key=lambda r: r.info.start_time)
            if experiment
            else []
        )

    def parents(self) -> list[Run]:
        """Return the runs of executions."""
        return [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]

    def children(self, parent: Run) -> dict[str, Run]:
        """Return an execution's stages by name."""
        found = [run for run in self.runs() if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert len({run.info.run_name for run in found}) == len(found), [run.info.run_name for run in found]
        return {run.info.run_name: run for run in found}


def states(children: dict[str, Run]) -> dict[str, tuple[str, str]]:
    """Return MLflow's status and ours of each stage."""
    return {name: (run.info.status, run.data.tags["rawline.state"]) for name, run in sorted(children.items())}


@cache
def database() -> Path:
    """Return a folder with a prepared database, made once per test process."""
    holder = Path(tempfile.mkdtemp(prefix="toy-"))
    atexit.register(shutil.rmtree, holder, ignore_errors=True)
    done = Project(holder).run(sys.executable, "-c", "from pipelines.record.database import prepare; prepare()")
    assert done.returncode == 0, done.stderr
    return holder / "tracking"


@cache
def repository() -> Path:
    """Return a folder with an empty git and DVC repository, made once per test process."""
    holder = Path(tempfile.mkdtemp(prefix="toy-"))
    atexit.register(shutil.rmtree, holder, ignore_errors=True)
    for words in (
        ("git", "init", "-q"), (sys.executable, "-m", "dvc", "init", "-q"),
        (sys.executable, "-m", "dvc", "config", "core.analytics", "false"),
    ):  # fmt: skip
        done = Project(holder, {"DVC_NO_ANALYTICS": "1"}).run(*words)
        assert done.returncode == 0, done.stderr
    return holder


def make(root: Path, *, dvc: bool = True, cold: bool = False) -> Project:
    """Make the project; with ``dvc`` a git and DVC repository; ``cold`` without an MLflow database."""
    root.mkdir(parents=True, exist_ok=True)
    if dvc:
        shutil.copytree(repository(), root, dirs_exist_ok=True)
    if not cold:
        shutil.copytree(database(), root / "tracking")
    graph = (
        yaml.safe_dump(GRAPH, sort_keys=False)
        .replace("'@ stage", "'@ stage")
        .replace("@ stage", f"{sys.executable} toy.py stage")
    )
    contents = {
        "toy.py": SCRIPT,
        "params.yaml": yaml.safe_dump(PARAMS, sort_keys=False),
        "dvc.yaml": graph,
        "code.txt": "1",
        ".gitignore": ".rawline/\n/tracking/\n",
    }
    for name, text in contents.items():
        (root / name).write_text(text)
    for package in ("pipelines", "stages"):  # the code of the folder it runs in must be what runs
        (root / package).symlink_to(HOME / package)
    project = Project(root)
    if dvc:
        for words in (
            ("git", "add", "-A"),
            ("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "toy"),
        ):
            done = project.run(*words)
            assert done.returncode == 0, done.stderr
    return project
