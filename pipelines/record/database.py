"""Makes MLflow's database ready once, before several processes write to it."""

import logging
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from pipelines import settings
from pipelines.record import locks


def prepare() -> None:
    """Create or upgrade the local database, as ``mlflow db upgrade`` does; a server looks after its own.

    On a cold database 7 of 8 processes that start together fail; so one goes first and the others wait at the lock.
    """
    file = settings.sqlite_file(settings.tracking_uri())
    if file is None or is_ready(file):
        return
    with locks.locked(file.parent / ".prepare.lock", timeout_s=300):
        if not is_ready(file):
            _upgrade(file)


def is_ready(file: Path) -> bool:
    """Tell, without MLflow, whether this version of MLflow has seen to the database."""
    marker = _marker(file)
    return marker.exists() and marker.read_text(encoding="utf-8") == f"{version('mlflow')} {revision(file)}"


def revision(file: Path) -> str | None:
    """Return the schema's revision, None for a database that MLflow never opened."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            row = connection.execute("select version_num from alembic_version").fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None


def newest() -> str:
    """Return the revision that the installed MLflow wants."""
    from mlflow.store.db.utils import _get_latest_schema_revision  # noqa: PLC0415 - it has no public name

    return str(_get_latest_schema_revision())  # type: ignore[no-untyped-call]  # mlflow's own


def fault(file: Path) -> str:
    """Return what sqlite says is wrong with a database, empty when it is whole."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
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
    if revision(file) is not None:
        engine = db.create_sqlalchemy_engine_with_retry(uri)  # type: ignore[no-untyped-call]  # mlflow's own
        db._upgrade_db(engine)  # type: ignore[no-untyped-call]  # noqa: SLF001 - what `mlflow db upgrade` calls
        engine.dispose()
    SqlAlchemyStore(uri, settings.artifact_root().as_uri())  # type: ignore[no-untyped-call]  # makes the tables and the default experiment
    _marker(file).write_text(f"{version('mlflow')} {revision(file)}", encoding="utf-8")


def _marker(file: Path) -> Path:
    return file.with_suffix(".ready")
