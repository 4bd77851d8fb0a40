"""Where the record lives: the project's root, the MLflow database, the artefacts, and the quiet environment."""

import logging
import os
from collections.abc import MutableMapping
from pathlib import Path
from urllib.parse import quote, unquote

from stages.core import params
from stages.core.errors import ParamsError

EXPERIMENTS = ("/.dvc/tmp/exps/", "/.dvc/tmp/exps")
MAX_NAME, MAX_TASK = 200, 40
"""Bytes of a project's name and of a task: with words around them both name a lock's file (255) and a model (MLflow: 256)"""
QUIET = {
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # two lines a run when the record is sent
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}
SHORT = {  # a server out of reach must cost seconds, not minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def root(folder: Path | None = None) -> Path:
    """Return the project's root, absolute.

    ``dvc exp run --temp`` and ``--queue`` work in a copy below ``.dvc/tmp/exps`` that is deleted afterwards; the record
    belongs to the project the copy was made from.

    Args:
        folder: the folder a command runs in; the current one when None.

    Example:
        >>> root(Path("/home/me/project/.dvc/tmp/exps/tmp1x2y")).as_posix()
        '/home/me/project'
    """
    if folder is None and (given := os.environ.get("RAWLINE_ROOT")):
        return Path(given).resolve()
    place = (folder or Path.cwd()).resolve()
    before, found, _ = place.as_posix().partition(EXPERIMENTS[0])
    return Path(before) if found else place


def state() -> Path:
    """Return the folder of journals, checkpoints and locks (ignored by git)."""
    return root() / ".rawline"


def database() -> Path:
    """Return the sqlite file of the local MLflow record."""
    return root() / "tracking" / "mlflow.db"


def artifact_root() -> Path:
    """Return the folder of the local MLflow record's artefacts."""
    return root() / "tracking" / "artifacts"


def tracking_uri() -> str:
    """Return where MLflow lives: ``MLFLOW_TRACKING_URI``, else the project's database by absolute path.

    A relative sqlite path is made absolute against the project's root: under ``dvc exp run --queue`` it would lie in a
    folder that is deleted.
    """
    return _absolute(os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(database()))


def registry_uri() -> str:
    """Return where registered models live: ``MLFLOW_REGISTRY_URI``, else where everything else does."""
    return _absolute(os.environ.get("MLFLOW_REGISTRY_URI") or tracking_uri())


def _absolute(uri: str) -> str:
    scheme, found, path = uri.partition(":///")
    if found and scheme.startswith("sqlite") and not path.startswith(("/", "file:")):
        return sqlite_uri(root() / path) if scheme == "sqlite" and "?" not in path else f"{scheme}:///{root() / path}"
    return uri


def experiment() -> str:
    """Return the name of the MLflow experiment: ``name`` in ``params.yaml``, ``rawline`` where none can be read or used."""
    try:
        name = str(params.read().get("name") or "rawline")
    except ParamsError:
        return "rawline"
    return name if num_bytes(name) <= MAX_NAME else "rawline"  # the refusal of a longer one is recorded, too


def num_bytes(name: str) -> int:
    """Return the length of a name in a file system."""
    return len(name.encode("utf-8", "surrogatepass"))


def is_local() -> bool:
    """Tell whether the record is the project's own sqlite file."""
    return tracking_uri().startswith("sqlite")


def is_inside(uri: str) -> bool:
    """Tell whether an MLflow lies in the project's own folder, where nobody else writes."""
    file = sqlite_file(uri)
    return file is not None and file.resolve().is_relative_to(root().resolve())


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a sqlite URI, else None.

    Example:
        >>> sqlite_file("sqlite:////srv/mlflow.db").as_posix(), sqlite_file("sqlite:///file:/a%3Fb/m.db?uri=true").as_posix()
        ('/srv/mlflow.db', '/a?b/m.db')
    """
    if not uri.startswith("sqlite"):
        return None
    path, _, query = uri.partition(":///")[2].partition("?")
    return Path(unquote(path.removeprefix("file:"))) if "uri=true" in query else Path(path)


def sqlite_uri(file: Path) -> str:
    """Return the URI of a sqlite file; one whose name would be cut short or read otherwise goes through sqlite's own form.

    Example:
        >>> sqlite_uri(Path("/srv/mlflow.db")), sqlite_uri(Path("/a?b/m.db"))
        ('sqlite:////srv/mlflow.db', 'sqlite:///file:/a%3Fb/m.db?uri=true')
    """
    plain = not set("?#") & set(str(file))
    return f"sqlite:///{file}" if plain else f"sqlite:///file:{quote(str(file))}?uri=true"


def _is_news(record: logging.LogRecord) -> bool:
    """Leave the traceback of a database's fault to who asks for MLflow's debugging: it is raised too, and told in a line."""
    if record.exc_info and record.levelno >= logging.ERROR:
        record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
    return logging.getLogger(record.name).isEnabledFor(record.levelno)


def quiet(environment: MutableMapping[str, str] = os.environ) -> None:
    """Switch off the libraries' phone-homes, shorten MLflow's patience, make its address absolute, its tracebacks rare.

    ``MLFLOW_RUN_ID`` is taken out: in a child process it closes the parent's run and beats ``parent_run_id``.
    """
    for key, value in {**QUIET, **SHORT}.items():
        environment.setdefault(key, value)
    environment.pop("MLFLOW_RUN_ID", None)
    logging.getLogger("mlflow.store.db.utils").addFilter(_is_news)
    environment["MLFLOW_TRACKING_URI"] = tracking_uri()
    if "MLFLOW_REGISTRY_URI" in environment:
        environment["MLFLOW_REGISTRY_URI"] = registry_uri()
