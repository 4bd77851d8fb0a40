"""What ``rawline doctor`` looks at, one function each."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, count
from pathlib import Path

import psutil

from pipelines import prefect_server, settings
from pipelines.cache_examination import cache
from pipelines.doctor import Check, Finding, State
from pipelines.pins_examination import few, install, pins, python_word
from pipelines.reasons import LOGIN, reason, refusal
from pipelines.receipt_examination import receipts
from pipelines.record import database, locks, quarantine
from pipelines.record import execution as executions
from stages.core.errors import InfrastructureError

GIB = 2**30
GC = "dvc gc --all-commits --all-experiments --dry  # lists what no commit and no experiment of this project holds"
GC_NOTE = (
    "without --dry it deletes what it listed: look for pictures of your own that no commit names, and add --projects FOLDER "
    "for each other project that shares the cache"
)
NO_SERVER = "no server runs; a flow starts the one that all projects of this user share; it ends after its last user"
AWAY = "start that server, or unset MLFLOW_TRACKING_URI"
KEPT = "records are kept meanwhile, and sent by: rawline sync"
ANSWER_S = 10.0
DISK_BROKEN_GIB, DISK_WARN_GIB = 2, 10
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
        yield Finding("project", "broken", f"{Path.cwd()} is no DVC project", advice="call it where dvc.yaml lies")


def torch() -> Iterator[Finding]:
    """See torch and torchvision work together, and a GPU."""
    code, text = _python(CUDA)
    yield Finding("torch", "broken" if code else "ok", text, install() if code else "")


def prefect() -> Iterator[Finding]:
    """Import Prefect's server, which too new a fastapi breaks, and ask whether one runs."""
    code, text = _python("import prefect, prefect.server.api.server; print(f'prefect {prefect.__version__}')")
    mend = f"{python_word()} -m pip install 'fastapi<0.155'" if "min_items" in text or "fastapi" in text else install()
    yield Finding("prefect", "broken" if code else "ok", text, mend if code else "")
    yield _server()


def _server() -> Finding:
    """Ask the Prefect server that a flow would use."""
    try:
        api = prefect_server.found()
    except InfrastructureError as error:
        return Finding(
            "prefect", "broken", str(error), advice="start that server, or unset PREFECT_API_URL; see: prefect config view"
        )
    return Finding("prefect", "ok", f"server {api} answers" if api else NO_SERVER)


def mlflow() -> Iterator[Finding]:
    """See that the record can be written."""
    uri = settings.tracking_uri()
    file = settings.sqlite_file(uri)
    if uri.startswith("http"):
        yield _tracker(uri)
    elif file is None:
        yield Finding("mlflow", "warn", f"whether {uri} answers is not asked here", advice="rawline sync tells")
    elif not file.exists():
        yield Finding("mlflow", "ok", f"no database yet; the first run makes {file}")
    else:
        yield _database(file, uri)


def _tracker(uri: str) -> Finding:
    """Read from a server as the record does, with the same login: that it lives does not say that it lets us in."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - takes a second
    from mlflow.tracking import MlflowClient  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    from pipelines.record import uploads  # noqa: PLC0415

    try:
        with uploads.limited(ANSWER_S, retries=0):
            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except (MlflowException, RequestException, OSError) as error:
        if refused := refusal(error):
            return Finding("mlflow", "broken", f"server {uri} refuses ({refused})", advice=f"{LOGIN}; {KEPT}")
        return Finding("mlflow", "broken", f"server {uri} is out of reach: {reason(error)}", advice=f"{AWAY}; {KEPT}")
    return Finding("mlflow", "ok", f"server {uri} answers")


def _database(file: Path, uri: str) -> Finding:
    if fault := database.fault(file):
        return _once_free(file, f"{file}: {fault}", _set_aside(file))
    if database.is_ready(file) or database.revision(file) == database.newest():
        return Finding("mlflow", "ok", f"{file}, schema {database.revision(file)}")
    if database.is_newer(file):
        words = f"written by a newer MLflow: schema {database.revision(file)}, this MLflow knows up to {database.newest()}"
        return Finding("mlflow", "broken", f"{file} was {words}", advice="install that MLflow, or set MLFLOW_TRACKING_URI")
    copy = f"cp --backup=numbered -T {_quoted(file, Path(f'{file}.before-upgrade'))}"
    upgrade = f"{python_word()} -m mlflow db upgrade {shlex.quote(uri)}"
    message = f"{file} has schema {database.revision(file)}, this MLflow has {database.newest()}"
    return _once_free(file, message, f"{copy} && {upgrade}")


def _set_aside(file: Path) -> str:
    """Return the command that moves a database away whole: a journal left beside a new one would damage that too."""
    parts = _quoted(*(part for part in sorted(file.parent.glob(f"{file.name}*")) if part.is_file()))
    named = Path(f"{file}.broken")
    place = _quoted(next(free for free in chain([named], (Path(f"{named}-{num}") for num in count(2))) if not free.exists()))
    return f"mkdir {place} && mv {parts} {place}/  # the next run makes a new one; sqlite3's .recover may save the old"


def _once_free(file: Path, message: str, mend: str) -> Finding:
    """Give the command that mends a database only where no process has it open."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(Path(opened.path) == file.resolve() for opened in process.open_files()):
                user = f"{process.name()} (process {process.pid})"
                advice = f"end {user} first, it has the database open; then: rawline doctor"
                return Finding("mlflow", "broken", message, advice=advice)
    return Finding("mlflow", "broken", message, mend)


def machine() -> Iterator[Finding]:
    """Look at cores, memory and disk."""
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8").split() if cpu.exists() else []
    fast = [name for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")) if flag in flags]
    bf16 = f"bf16 by {' and '.join(fast)}" if fast else "no fast bf16"
    memory = psutil.virtual_memory().available / GIB
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    state: State = "ok" if memory > 6 else "warn"  # noqa: PLR2004 - the default run stays under 6 GB
    words = f"{cores} cores, {bf16}; {memory:.1f} GiB of memory free"
    yield Finding("machine", state, words, advice="" if state == "ok" else "close other programs")
    free = shutil.disk_usage(settings.root()).free / GIB
    tight: State = "broken" if free < DISK_BROKEN_GIB else "warn" if free < DISK_WARN_GIB else "ok"
    yield Finding("disk", tight, f"{free:.0f} GiB free", *(("", "") if tight == "ok" else (GC, GC_NOTE)))


def journals() -> Iterator[Finding]:
    """Count what MLflow has not got, and name what could not be read."""
    found = [place for place in executions.spool().glob("*") if executions.is_one(place)]
    loose = [place.name for place in executions.spool().glob("*") if not executions.is_one(place)]
    idle = [place for place in found if not locks.is_held(place / "recorder.lock")]
    if idle:
        why = next((f": {problem}" for place in idle if (problem := executions.problem(place.name))), "")
        yield Finding("journals", "warn", f"{len(idle)} executions are not in MLflow yet{why}", "rawline sync")
    else:
        yield Finding(
            "journals", "ok", "MLflow has everything" if not found else f"{len(found)} executions are being recorded"
        )
    if loose:
        advice = "rawline sync sets it aside when it is an hour old"
        yield Finding("journals", "warn", f"in the spool, of no execution: {few(sorted(loose))}", advice=advice)
    yield from (_aside(name, lines) for name, lines in quarantine.listed().items())
    if refused := sorted((settings.state() / "refused").glob("*")):
        names = few([place.name for place in refused])
        yield Finding(
            "journals", "warn", f"MLflow refused: {names}", _look(*refused), "they stay until they are deleted by hand"
        )


def _aside(name: str, lines: list[str]) -> Finding:
    """Show what was set aside of an execution, and how it is put back: whether it is right only a person can say."""
    told = lines[-1].partition(" UTC: ")[2] if lines else "no reason noted"
    place, back = quarantine.folder() / name, executions.spool() / name
    if (place / name).is_dir():  # the execution whole
        words = f"where nothing else sends it: mv -T {_quoted(place / name, back)} && rawline sync"
    else:
        words = f"what is repaired goes back into {_quoted(back)}, then: rawline sync"
    return Finding(
        "journals", "warn", f"set aside of {name}: {told}", _look(place), f"{words}; else it stays until deleted by hand"
    )


def _look(*places: Path) -> str:
    """Return the command that shows what lies in folders, and the reasons noted there."""
    reasons = [place / quarantine.REASON for place in places if (place / quarantine.REASON).exists()]
    return f"ls -l {_quoted(*places)}" + (f"; cat {_quoted(*reasons)}" if reasons else "")


def _quoted(*places: Path) -> str:
    """Return paths as words of a command line."""
    return " ".join(shlex.quote(str(place)) for place in places)


def dvc_locks() -> Iterator[Finding]:
    """Look at DVC's lock file; holders that are gone are no fault: DVC takes them out itself when it meets them."""
    place = Path(".dvc/tmp/rwlock")
    try:
        content = json.loads(place.read_text(encoding="utf-8") or "{}")
        held = [*content.get("read", {}).values(), *([one] for one in content.get("write", {}).values())]
        num = sum(any(psutil.pid_exists(int(one["pid"])) for one in holders) for holders in held)
    except FileNotFoundError:
        num = 0
    except (ValueError, AttributeError, TypeError, KeyError):
        running = _dvc()
        advice = f"end or await dvc (process {running[0]}) first; then: rawline doctor" if running else ""
        mend = "" if running else f"mv --backup=numbered -T {place} {place}.broken"
        yield Finding("locks", "broken", f"{place} is not valid", mend, advice)
        return
    yield Finding("locks", "ok", f"DVC notes {num} paths in use by living processes" if num else "DVC notes nothing in use")


def _dvc() -> list[int]:
    """Return the processes of dvc in this project, as far as they can be seen."""
    found = []
    for process in psutil.process_iter(["pid", "cwd", "cmdline"]):
        words = [Path(word).name for word in process.info["cmdline"] or []]
        inside = process.info["cwd"] and Path(process.info["cwd"]).is_relative_to(Path.cwd())
        if inside and "dvc" in words and process.pid != os.getpid():
            found.append(process.pid)
    return sorted(found)


CHECKS: tuple[Check, ...] = (python, pins, torch, prefect, mlflow, machine, journals, dvc_locks, cache, receipts)


def _python(code: str) -> tuple[int, str]:
    """Run code in a fresh interpreter; return its status and last line."""
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=180)
    except subprocess.TimeoutExpired:
        return 1, "did not finish within 180 s"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode, lines[-1] if lines else "no output"
