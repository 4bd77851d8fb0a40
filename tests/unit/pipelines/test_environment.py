"""Each execution notes the environment its numbers depend on, truly and without loading what it speaks of."""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version

from pipelines.record import environment
from pipelines.record.journal import Journal


def test_it_is_what_the_libraries_say_of_themselves() -> None:
    """Torch, asked in a process of its own, gives the same version, CUDA and commit."""
    code = "import torch, json; print(json.dumps([torch.__version__, torch.version.cuda, torch.version.git_version]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = environment.read()
    assert [found["torch"][name] for name in ("version", "cuda", "git_version")] == json.loads(done.stdout)
    assert found["python"]["version"] == platform.python_version()
    assert found["host"] == platform.node()
    assert found["processor"]["usable_cores"] == len(os.sched_getaffinity(0))
    assert found["system"]["kernel"] == os.uname().release


def test_every_installed_package_is_listed_with_its_version() -> None:
    """As ``pip freeze --all`` lists them, whose names may be spelled otherwise."""
    done = subprocess.run([sys.executable, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True)
    expected = {row["name"].lower().replace("_", "-"): Version(row["version"]) for row in json.loads(done.stdout)}
    found = {name.lower().replace("_", "-"): Version(version) for name, version in environment.packages().items()}
    assert found == expected
    assert found["torch"] == Version(metadata.version("torch"))


def test_nothing_heavy_is_loaded_for_it() -> None:
    """A stage's start must not wait for torch or MLflow."""
    code = (
        "from pipelines.record import environment as e; import sys; e.tags(e.read())\n"
        "print([m for m in ('torch', 'mlflow', 'numpy', 'prefect', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_journal_gets_two_files_and_the_tags(tmp_path: Path) -> None:
    """The files are copies of their own, so that they can be sent later; the list is one that pip reads."""
    journal = Journal(tmp_path / "execution.jsonl")
    journal.write("open", name="x")
    environment.note(journal)
    events = [event for event, _ in journal.events()]
    kept = {Path(event["file"]).name: journal.files / event["file"] for event in events if event["kind"] == "artifact"}
    content = json.loads(kept["environment.json"].read_text())
    assert content["packages"]["torch"] == metadata.version("torch")
    assert f"torch=={metadata.version('torch')}\n" in kept["requirements.txt"].read_text()
    (values,) = [event["values"] for event in events if event["kind"] == "tags"]
    assert values["rawline.torch"] == content["torch"]["version"]
    assert values["rawline.cuda"] == (content["torch"]["cuda"] or "none")
    assert set(values) == {f"rawline.{name}" for name in ("python", "torch", "cuda", "gpu", "cpu", "host")}


@pytest.mark.parametrize(
    ("line", "driver"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54.03  Tue Jun  6 22:20:39 UTC 2023", "535.54.03"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs-builder)", "570.86.15"),
    ],
)
def test_gpus_are_read_from_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, driver: str) -> None:
    """Without a process that could hang; in both forms in which the driver writes its version."""
    monkeypatch.setattr(environment, "DRIVER", tmp_path)
    (tmp_path / "version").write_text(f"{line}\nGCC version:  gcc version 12.2.0\n")
    for number in range(2):
        (tmp_path / f"gpus/{number}").mkdir(parents=True)
        (tmp_path / f"gpus/{number}/information").write_text("Model: \t\t NVIDIA H200\nIRQ:   \t\t 11\n")
    assert environment.gpus() == {"names": ["NVIDIA H200"] * 2, "driver": driver}
    found = environment.read()
    assert environment.tags(found)["rawline.gpu"] == f"2 x NVIDIA H200, driver {driver}"


def test_gpus_are_asked_for_where_the_driver_shows_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may hide /proc; a tool that is missing, fails or hangs costs seconds and is told."""
    monkeypatch.setattr(environment, "DRIVER", tmp_path / "none")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA A100, 80 GB, 580.65.06'\n")
    tool.chmod(0o755)
    assert environment.gpus() == {"names": ["NVIDIA A100, 80 GB"], "driver": "580.65.06"}
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert environment.gpus()["names"] == []
    assert "9" in environment.gpus()["problem"]
    tool.write_text("#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(environment, "LIMIT_S", 0.5)
    assert "timed out" in environment.gpus()["problem"]
    monkeypatch.setenv("PATH", "/nowhere")
    assert environment.gpus() == {"names": [], "driver": None}


def test_processors_of_other_makes_are_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ARM names no model and calls its flags features; only flags that choose kernels are kept."""
    monkeypatch.setattr(environment, "PROCESSOR", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd sve bf16\n\nprocessor\t: 1\nFeatures\t: fp\n")
    assert environment.processor()["flags"] == ["asimd", "bf16", "sve"]
    (tmp_path / "cpuinfo").write_text("model name\t: AMD EPYC 9654: 96-Core\nflags\t\t: fpu avx2 avx512_bf16\n")
    assert environment.processor()["model"] == "AMD EPYC 9654: 96-Core"
    assert environment.processor()["flags"] == ["avx2", "avx512_bf16"]


def test_without_torch_the_rest_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that needs no torch still says where it ran."""
    monkeypatch.setattr(environment.util, "find_spec", lambda name: None)
    assert environment.torch_build() == {"version": None, "cuda": None, "hip": None, "git_version": None}
    found = environment.read()
    assert environment.tags(found)["rawline.torch"] == "none"
