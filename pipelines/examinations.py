"""What ``rawline doctor`` looks at, one function each."""

import importlib.metadata as packages
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from pipelines import settings
from pipelines.cache_examination import cache
from pipelines.doctor import Check, Finding, State
from pipelines.record import database, locks
from pipelines.record import execution as executions
from pipelines.services import answers

INSTALL = ".venv/bin/python -m pip install --constraint constraints.txt --editable '.[dev]'"
GIB = 2**30
DISK_BROKEN_GIB, DISK_WARN_GIB = 2, 10
SHOWN = 5
CUDA = """
import torch, torchvision
torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU, training runs on the CPU"
print(f"torch {torch.__version__}, torchvision {torchvision.__version__}; {gpu}")
"""


def python() -> Iterator[Finding]:
    """Look at the interpreter and the project's folder."""
    word = sys.version.split()[0]
    good = sys.version_info >= (3, 11)
    yield Finding("python", "ok" if good else "broken", word, "" if good else "make repro PYTHON=python3.11")
    if not (Path("dvc.yaml").exists() and Path(".dvc").is_dir()):
        yield Finding("project", "broken", f"{Path.cwd()} is no DVC project", "cd to the project's root, or: dvc init")


def pins() -> Iterator[Finding]:
    """Hold the installed versions against ``constraints.txt``."""
    file = Path("constraints.txt")
    if not file.exists():
        yield Finding("pins", "warn", "constraints.txt is missing", "git checkout constraints.txt")
        return
    wanted = [
        line.split("#")[0].strip().split("==") for line in file.read_text(encoding="utf-8").splitlines() if "==" in line
    ]
    absent, other = [], []
    for name, version in wanted:
        try:
            if (found := packages.version(name)).partition("+")[0] != version.partition("+")[0]:
                other.append(f"{name} {found} instead of {version}")
        except packages.PackageNotFoundError:
            absent.append(name)
    if absent:
        yield Finding("pins", "broken", f"not installed: {_few(absent)}", INSTALL)
    if other:
        yield Finding("pins", "warn", f"not what was tested together: {_few(other)}", INSTALL)
    if not absent and not other:
        yield Finding("pins", "ok", f"{len(wanted)} packages as in constraints.txt")


def torch() -> Iterator[Finding]:
    """See torch and torchvision work together, and a GPU."""
    code, text = _python(CUDA)
    yield Finding("torch", "broken" if code else "ok", text, INSTALL if code else "")


def prefect() -> Iterator[Finding]:
    """Import Prefect's server, which too new a fastapi breaks, and ask whether one runs."""
    code, text = _python("import prefect, prefect.server.api.server; print(f'prefect {prefect.__version__}')")
    mend = ".venv/bin/python -m pip install 'fastapi<0.155'" if "min_items" in text or "fastapi" in text else INSTALL
    yield Finding("prefect", "broken" if code else "ok", text, mend if code else "")
    url = os.environ.get("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    runs = answers(f"{url}/health")
    yield Finding(
        "prefect", "ok", f"server {url} {'answers' if runs else 'does not run (only schedules need it: rawline serve)'}"
    )


def mlflow() -> Iterator[Finding]:
    """See that the record can be written."""
    uri = settings.tracking_uri()
    file = settings.sqlite_file(uri)
    if file is None:
        good = answers(f"{uri.rstrip('/')}/health")
        mend = "start the server or unset MLFLOW_TRACKING_URI; records are kept meanwhile: rawline sync"
        yield Finding(
            "mlflow",
            "ok" if good else "broken",
            f"server {uri} {'answers' if good else 'is out of reach'}",
            "" if good else mend,
        )
    elif not file.exists():
        yield Finding("mlflow", "ok", f"no database yet; the first run makes {file}")
    else:
        yield _database(file, uri)


def _database(file: Path, uri: str) -> Finding:
    if fault := database.fault(file):
        return Finding("mlflow", "broken", f"{file}: {fault}", f"mv {file} {file}.broken; dvc repro makes a new one")
    if database.is_ready(file) or database.revision(file) == database.newest():
        return Finding("mlflow", "ok", f"{file}, schema {database.revision(file)}")
    return Finding("mlflow", "broken", f"{file} has schema {database.revision(file)}", f".venv/bin/mlflow db upgrade {uri}")


def machine() -> Iterator[Finding]:
    """Look at cores, memory and disk."""
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8").split() if cpu.exists() else []
    fast = [name for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")) if flag in flags]
    bf16 = f"bf16 by {' and '.join(fast)}" if fast else "no fast bf16"
    memory = psutil.virtual_memory().available / GIB
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    state: State = "ok" if memory > 6 else "warn"  # noqa: PLR2004 - the default run stays under 6 GB
    yield Finding(
        "machine",
        state,
        f"{cores} cores, {bf16}; {memory:.1f} GiB of memory free",
        "" if state == "ok" else "close other programs",
    )
    free = shutil.disk_usage(settings.root()).free / GIB
    tight: State = "broken" if free < DISK_BROKEN_GIB else "warn" if free < DISK_WARN_GIB else "ok"
    yield Finding("disk", tight, f"{free:.0f} GiB free", "" if tight == "ok" else "dvc gc --workspace")


def journals() -> Iterator[Finding]:
    """Count what MLflow has not got."""
    found = [path.parent for path in executions.spool().glob("*/execution.json")]
    idle = [place for place in found if not locks.is_held(place / "recorder.lock")]
    if idle:
        yield Finding("journals", "warn", f"{len(idle)} executions are not in MLflow yet", "rawline sync")
    else:
        yield Finding(
            "journals", "ok", "MLflow has everything" if not found else f"{len(found)} executions are being recorded"
        )
    if refused := sorted((settings.state() / "refused").glob("*")):
        names = _few([place.name for place in refused])
        yield Finding("journals", "warn", f"MLflow refused: {names}", f"ls {refused[0]}; rm -r it when it is not needed")


def stale_locks() -> Iterator[Finding]:
    """Find DVC locks whose holder is gone."""
    place = Path(".dvc/tmp/rwlock")
    try:
        content = json.loads(place.read_text(encoding="utf-8") or "{}")
    except FileNotFoundError:
        content = {}
    except ValueError:
        yield Finding("locks", "broken", f"{place} is not valid JSON", f"rm {place}")
        return
    holders = [
        h for kinds in content.values() for held in kinds.values() for h in (held if isinstance(held, list) else [held])
    ]
    dead = sorted({h["pid"] for h in holders if "pid" in h and not psutil.pid_exists(h["pid"])})
    if dead:
        yield Finding(
            "locks", "warn", f"DVC's {place} names processes that are gone: {_few(list(map(str, dead)))}", f"rm {place}"
        )
    else:
        yield Finding("locks", "ok", "no lock without its holder")


CHECKS: tuple[Check, ...] = (python, pins, torch, prefect, mlflow, machine, journals, stale_locks, cache)


def _python(code: str) -> tuple[int, str]:
    """Run code in a fresh interpreter; return its status and last line."""
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=180)
    except subprocess.TimeoutExpired:
        return 1, "did not finish within 180 s"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode, lines[-1] if lines else "no output"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
