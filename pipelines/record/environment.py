"""Notes what a run's numbers may depend on beside code and data: Python, torch, CUDA, GPUs, processor, system, packages.

Nothing heavy is imported for it: torch's build is read from its files, GPUs from what the driver shows.
"""

import ast
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from importlib import metadata, util
from pathlib import Path
from typing import Any

import psutil

from pipelines.record.journal import Journal
from stages.core import files

FILE, PACKAGES = "environment.json", "requirements.txt"
NONE = "none"
DRIVER = Path("/proc/driver/nvidia")
PROCESSOR = Path("/proc/cpuinfo")
LIMIT_S = 10.0  # for nvidia-smi, which waits for a driver that does not answer
BUILD = ("__version__", "cuda", "hip", "git_version")
FLAGS = {"avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8",
         "asimd", "sve", "sve2", "bf16", "i8mm"}  # fmt: skip
"""Instructions by which libraries choose their kernels, and with them the rounding."""
VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
             "PYTHONHASHSEED")  # fmt: skip


def note(parent: Journal) -> None:
    """Write the environment of this process to an execution's journal: two files and a few tags."""
    found = read()
    parent.write("tags", values=tags(found))
    with tempfile.TemporaryDirectory(prefix="rawline-") as folder:
        files.write_json(Path(folder) / FILE, found)
        files.write_text(Path(folder) / PACKAGES, "".join(f"{n}=={v}\n" for n, v in found["packages"].items()))
        parent.keep(Path(folder) / FILE)
        parent.keep(Path(folder) / PACKAGES)


def read() -> dict[str, Any]:
    """Return the environment as plain values; what cannot be found out is None."""
    installed = packages()
    return {
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "compiler": platform.python_compiler(),
            "executable": sys.executable,
        },
        "torch": torch_build() | {"cudnn": next((v for n, v in installed.items() if n.startswith("nvidia-cudnn")), None)},
        "gpu": gpus(),
        "processor": processor(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": {
            "name": _system(),
            "kernel": platform.release(),
            "libc": " ".join(platform.libc_ver()),
        },
        "host": socket.gethostname(),
        "variables": {name: os.environ.get(name) for name in VARIABLES},
        "packages": installed,
    }


def tags(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags by which executions are told apart at a glance.

    Args:
        found: what ``read`` gave.

    Example:
        >>> tags({"python": {"version": "3.11.7"}, "torch": {"version": "2.15.0", "cuda": None},
        ...       "gpu": {"names": ["NVIDIA H200", "NVIDIA H200"], "driver": "580.1"}, "host": "node1",
        ...       "processor": {"model": "Xeon", "usable_cores": 2, "flags": ["amx_bf16"]}})["rawline.gpu"]
        '2 x NVIDIA H200, driver 580.1'
    """
    cpu, gpu, torch = found["processor"], found["gpu"], found["torch"]
    names = ", ".join(f"{number} x {name}" for name, number in Counter(gpu["names"]).items())
    return {
        "rawline.python": found["python"]["version"],
        "rawline.torch": torch["version"] or NONE,
        "rawline.cuda": torch["cuda"] or NONE,
        "rawline.gpu": f"{names}, driver {gpu['driver'] or 'unknown'}" if names else NONE,
        "rawline.cpu": ", ".join([cpu["model"] or "unknown", f"{cpu['usable_cores']} cores", *cpu["flags"]]),
        "rawline.host": found["host"],
    }


def packages() -> dict[str, str]:
    """Return the version of every installed package by name; the first on Python's path counts, as in an import."""
    found: dict[str, tuple[str, str]] = {}
    for one in metadata.distributions():
        name, version = one.metadata["Name"], one.metadata["Version"]
        if name and version:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), (name, version))
    return {name: version for _, (name, version) in sorted(found.items())}


def torch_build() -> dict[str, str | None]:
    """Return torch's version, CUDA, ROCm and commit as its file ``version.py`` has them."""
    spec = util.find_spec("torch")
    file = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    text = file.read_text(encoding="utf-8") if file and file.is_file() else ""
    values: dict[str, Any] = {}
    for line in ast.parse(text).body:
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        value = getattr(line, "value", None)
        if isinstance(target, ast.Name) and target.id in BUILD and isinstance(value, ast.Constant):
            values[target.id] = value.value
    return {name.replace("__version__", "version"): values.get(name) for name in BUILD}


def gpus() -> dict[str, Any]:
    """Return names and driver of NVIDIA's GPUs: from /proc where the driver shows them there, else from nvidia-smi."""
    if (file := DRIVER / "version").is_file():
        driver = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", file.read_text(encoding="utf-8"))
        texts = [one.read_text(encoding="utf-8") for one in sorted(DRIVER.glob("gpus/*/information"))]
        names = [name[1].strip() for text in texts if (name := re.search(r"^Model:(.*)$", text, re.MULTILINE))]
        if names:
            return {"names": names, "driver": driver[1] if driver else None}
    return _ask_nvidia()


def _ask_nvidia() -> dict[str, Any]:
    question = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(question, capture_output=True, text=True, check=True, timeout=LIMIT_S)
    except FileNotFoundError:
        return {"names": [], "driver": None}
    except (OSError, subprocess.SubprocessError) as error:
        return {"names": [], "driver": None, "problem": " ".join(str(error).split())}
    rows = [line.rpartition(",") for line in done.stdout.splitlines() if "," in line]
    return {"names": [name.strip() for name, _, _ in rows], "driver": rows[0][2].strip() if rows else None}


def processor() -> dict[str, Any]:
    """Return model, machine, cores and the instructions that decide which kernels run."""
    about: dict[str, str] = {}
    if PROCESSOR.is_file():
        for line in PROCESSOR.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            about.setdefault(name.strip().lower(), value.strip())
    words = (about.get("flags") or about.get("features") or "").split()
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "model": about.get("model name") or platform.processor() or None,
        "machine": platform.machine(),
        "logical_cores": os.cpu_count(),
        "physical_cores": psutil.cpu_count(logical=False),
        "usable_cores": affinity,
        "flags": sorted(FLAGS.intersection(words)),
    }


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()
