"""Sends kept files to MLflow with patience: the limit grows with the file and with each try, and nothing is sent twice.

A server that takes longer than the limit often has the file all the same: its list of files is asked before the next try.
"""

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests.exceptions import ReadTimeout

from stages.core.errors import InfrastructureError

LIMIT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
TRIES = 3
RATE = 2**20  # bytes a second that every network gives
LOOK_S = 0.5
SLOW = re.compile(
    r"read timed out|read timeout|failed with timeout exception|too many 50[34] error|error code 50[34]", re.IGNORECASE
)


class SlowError(InfrastructureError):
    """MLflow answers, but not within the limit."""


def is_slow(error: BaseException) -> bool:
    """Tell a server that did not answer in time from one that cannot be reached.

    Example:
        >>> is_slow(TimeoutError("Read timed out. (read timeout=10)")), is_slow(OSError("Connection refused"))
        (True, False)
    """
    return isinstance(error, ReadTimeout) or bool(SLOW.search(str(error)) and "ConnectTimeout" not in str(error))


@contextmanager
def limited(seconds: float, retries: int | None = None) -> Iterator[None]:
    """Give each of MLflow's requests so many seconds while the block runs."""
    before = {name: os.environ.get(name) for name in (LIMIT, RETRIES)}
    os.environ[LIMIT] = str(max(1, round(seconds)))
    if retries is not None:
        os.environ[RETRIES] = str(retries)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def base_s() -> float:
    """Return the limit for a small request."""
    return float(os.environ.get(LIMIT, "10"))


def parts(path: Path, folder: str) -> list[tuple[Path, str]]:
    """List the files of a kept file or folder, small ones first, each with the folder it goes to."""
    if not path.is_dir():
        return [(path, folder)]
    found = sorted((p for p in path.rglob("*") if p.is_file()), key=lambda p: (p.stat().st_size, p.as_posix()))
    return [(p, "/".join(filter(None, (folder, path.name, *p.relative_to(path).parts[:-1])))) for p in found]


def send(client: MlflowClient, run_id: str, path: Path, folder: str, *, again: bool = False) -> None:
    """Send one file.

    Args:
        client: of MLflow.
        run_id: whose it is.
        path: the file.
        folder: where it goes among the run's files, empty for none.
        again: another file may lie at its place; then only the same bytes tell that this one has arrived.

    Raises:
        SlowError: it did not arrive within the limits of three tries.
        MlflowException: the server refuses it or is out of reach.
    """
    is_there = partial(_is_there, client, run_id, path, folder, again=again)
    limit = base_s() + path.stat().st_size / RATE
    for number in range(TRIES):
        wait_s = limit * 2**number
        try:
            with limited(wait_s, retries=0):
                client.log_artifact(run_id, str(path), folder or None)
        except (MlflowException, ReadTimeout) as error:
            if not is_slow(error):
                raise
            if _arrives(is_there, wait_s):
                return
        else:
            return
    raise SlowError(f"MLflow is slow: {path.name} did not arrive within {sum(limit * 2**n for n in range(TRIES)):.0f} s")


def _arrives(is_there: Callable[[], bool], wait_s: float) -> bool:
    """Look for a while whether a file whose answer came too late is there."""
    end = time.monotonic() + wait_s
    while True:
        if is_there():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(min(LOOK_S, wait_s / 4))


def _is_other(client: MlflowClient, run_id: str, path: Path, folder: str) -> bool:
    """Tell whether the bytes at a file's place are not its own, or cannot be seen."""
    try:
        with tempfile.TemporaryDirectory(prefix="rawline-") as place:
            found = Path(client.download_artifacts(run_id, _place(path, folder), place))
            return found.read_bytes() != path.read_bytes()
    except (MlflowException, OSError):  # requests' own are OSErrors
        return True


def _place(path: Path, folder: str) -> str:
    return "/".join(filter(None, (folder, path.name)))


def _is_there(client: MlflowClient, run_id: str, path: Path, folder: str, *, again: bool = False) -> bool:
    place = _place(path, folder)
    try:
        found = client.list_artifacts(run_id, folder or None)
    except MlflowException:
        return False
    listed = any(info.path == place and info.file_size == path.stat().st_size for info in found)
    return listed and not (again and _is_other(client, run_id, path, folder))
