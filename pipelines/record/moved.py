"""Makes the addresses in MLflow's sqlite file follow the project to where it lies now.

MLflow writes the place of each experiment's and run's files as an absolute address. After the folder was moved, or copied,
that is somebody else's place. The default experiment's tells where the database was made.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

COLUMNS = (
    ("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"),
    ("model_versions", "source"), ("model_versions", "storage_location"), ("trace_tags", "value"),
)  # fmt: skip


def old_root(file: Path, now: str) -> str | None:
    """Return the address of the artefacts that a database was made for, None when it is the one of now or unknown.

    Args:
        file: MLflow's sqlite file.
        now: the address of the project's artefacts, ``file:///...``.
    """
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("select artifact_location from experiments where experiment_id = 0").fetchone()
    except sqlite3.Error:
        return None
    place = str(row[0] or "") if row else ""
    root = place.removesuffix("/0")
    return root if place.startswith("file:") and place.endswith("/tracking/artifacts/0") and root != now else None


def follow(file: Path, now: str) -> int:
    """Rewrite the addresses below the old place; those of other places stay.

    Returns:
        How many there were.
    """
    old = old_root(file, now)
    if old is None:
        return 0
    with closing(sqlite3.connect(file, timeout=60)) as connection, connection:
        return sum(_rewrite(connection, table, column, old, now) for table, column in COLUMNS)


def _rewrite(connection: sqlite3.Connection, table: str, column: str, old: str, now: str) -> int:
    known = {row[1] for row in connection.execute(f"pragma table_info({table})")}
    if column not in known:
        return 0
    words = f"update {table} set {column} = ? || substr({column}, ?) where substr({column}, 1, ?) = ?"  # noqa: S608 - ours
    return connection.execute(words, (now, len(old) + 1, len(old) + 1, f"{old}/")).rowcount
