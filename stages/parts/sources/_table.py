"""Reads a table of pictures: a column that names the file, others that say something about it."""

import csv
from io import StringIO
from pathlib import Path

from stages.core.errors import DataError
from stages.core.items import group_column
from stages.parts.sources import _layout


def read(file: Path, needed: list[str]) -> list[dict[str, str]]:
    """Read a CSV with a head.

    Args:
        file: the table.
        needed: columns that must be there.

    Raises:
        DataError: missing, empty, a column is missing, or a row has more cells than the head.
    """
    if not file.is_file():
        raise DataError(f"{file} does not exist; expected a CSV with the columns {', '.join(needed)}")
    rows = list(csv.DictReader(StringIO(_layout.text(file), newline="")))
    head = [name for name in (rows[0] if rows else {}) if name is not None]
    for column in needed:
        if column not in head:
            raise DataError(f"{file}: the column {column} is missing; found {', '.join(head) or 'no row'}")
    for number, row in enumerate(rows, 2):
        if None in row:
            raise DataError(f"{file}, row {number}: more cells than columns; quote a value that holds a comma")
    return [{key: (value or "").strip() for key, value in row.items()} for row in rows]


def split(value: str, where: str) -> str | None:
    """Return a split's name as the contract spells it, None for an empty cell.

    Raises:
        DataError: it is none.
    """
    if not value:
        return None
    if value.lower() not in _layout.SPLIT_NAMES:
        raise DataError(f"{where}: split is {value!r}; expected train, val or test, or nothing")
    return _layout.SPLIT_NAMES[value.lower()]


def groups(row: dict[str, str], used: set[str | None]) -> dict[str, str]:
    """Return all other columns as groups; empty cells are left out."""
    return {group_column(key): value for key, value in row.items() if key not in used and value}
