"""Makes MLflow's database ready once, before several processes write to it."""

import logging
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipelines import settings
from pipelines.reasons import reason
from pipelines.record import copies, locks, moved
from stages.core.errors import InfrastructureError, RawlineError


def prepare() -> None:
    """Create or upgrade the local database, as ``mlflow db upgrade`` does; a server looks after its own.

    On a cold database 7 of 8 processes that start together fail; so one goes first and the others wait at the lock.
    """
    file = settings.sqlite_file(settings.tracking_uri())
    if file is None:
        return
    if is_ready(file) and not _has_moved(file):
        return
    with locks.locked(file.parent / ".prepare.lock", timeout_s=300):
        try:
            if not is_ready(file):
                _upgrade(file)
            if _has_moved(file):
                moved.follow(file, settings.artifact_root().as_uri())
        except RawlineError:
            raise
        except Exception as error:
            raise InfrastructureError(
                f"the MLflow database {file} cannot be used: {reason(error)}; rawline doctor"
            ) from error


def _has_moved(file: Path) -> bool:
    """Tell whether the addresses in the project's own database are to follow it.

    Raises:
        InfrastructureError: a process works in this project by another path, which the addresses fit.
    """
    if file.resolve() != settings.database().resolve():
        return False
    old = moved.old_root(file, settings.artifact_root().as_uri())
    if old is None or copies.is_seen_at(Path(url2pathname(urlsplit(old).path))):
        return False
    if other := copies.at_work_elsewhere():
        raise InfrastructureError(
            f"{file} keeps its files at {old}, and a process works in this project at {other}; the record waits until it "
            "has ended: rawline sync, or mount the project at one path everywhere"
        )
    return True


def is_ready(file: Path) -> bool:
    """Tell, without MLflow, whether this version of MLflow has seen to the database."""
    marker = _marker(file)
    try:
        return marker.read_text(encoding="utf-8") == f"{version('mlflow')} {revision(file)}"
    except (OSError, UnicodeDecodeError):
        return False


def revision(file: Path) -> str | None:
    """Return the schema's revision, None for a database that MLflow never opened."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("select version_num from alembic_version").fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None


def newest() -> str:
    """Return the revision that the installed MLflow wants."""
    from mlflow.store.db.utils import _get_latest_schema_revision  # noqa: PLC0415 - it has no public name

    return str(_get_latest_schema_revision())  # type: ignore[no-untyped-call]  # mlflow's own


def is_newer(file: Path) -> bool:
    """Tell whether the installed MLflow does not know the database's schema: a newer one has made or upgraded it."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - takes a while
    from alembic.util import CommandError  # noqa: PLC0415
    from mlflow.store.db.utils import _get_alembic_config  # noqa: PLC0415 - it has no public name

    found = revision(file)
    if found is None:
        return False
    try:
        ScriptDirectory.from_config(_get_alembic_config("")).get_revision(found)  # type: ignore[no-untyped-call]  # mlflow's own
    except CommandError:
        return True
    return False


def newer(file: Path) -> str:
    """Return the line that says what to do about a database of a newer MLflow."""
    return (
        f"{file} was written by a newer MLflow (its schema is {revision(file)}; the installed MLflow {version('mlflow')} "
        f"knows up to {newest()}); install the newer one, or set MLFLOW_TRACKING_URI to another database; then: rawline sync"
    )


def fault(file: Path) -> str:
    """Return what sqlite says is wrong with a database, empty when it is whole."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            answer = str(connection.execute("pragma quick_check").fetchone()[0])
    except sqlite3.Error as error:
        return str(error)
    return "" if answer == "ok" else answer


def _upgrade(file: Path) -> None:
    import mlflow.store.db.utils as db  # noqa: PLC0415 - takes over a second
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)  # a hundred lines of migrations say nothing to the user
    uri = settings.tracking_uri()
    file.parent.mkdir(parents=True, exist_ok=True)
    if is_newer(file):
        raise InfrastructureError(newer(file))
    if revision(file) is not None:
        engine = db.create_sqlalchemy_engine_with_retry(uri)  # type: ignore[no-untyped-call]  # mlflow's own
        db._upgrade_db(engine)  # type: ignore[no-untyped-call]  # noqa: SLF001 - what `mlflow db upgrade` calls
        engine.dispose()
    SqlAlchemyStore(uri, settings.artifact_root().as_uri())  # type: ignore[no-untyped-call]  # makes the tables and the default experiment
    _marker(file).write_text(f"{version('mlflow')} {revision(file)}", encoding="utf-8")


def _marker(file: Path) -> Path:
    return file.with_suffix(".ready")
