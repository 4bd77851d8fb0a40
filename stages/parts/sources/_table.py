"""Reads a table of pictures: a column that names the file, others that say something about it."""

import csv
from collections import Counter
from io import StringIO
from pathlib import Path

from stages.core.errors import DataError
from stages.core.items import group_columns
from stages.parts.sources import _layout


def read(file: Path, needed: list[str], used: set[str | None]) -> list[dict[str, str]]:
    """Read a CSV with a head.

    Args:
        file: the table.
        needed: columns that must be there.
        used: columns that are no groups.

    Raises:
        DataError: missing, empty, a column is missing or stands twice, two make one group, or a row has more cells than the
            head.
    """
    if not file.is_file():
        raise DataError(f"{file} does not exist; expected a CSV with the columns {', '.join(needed)}")
    head, *rows = [row for row in csv.reader(StringIO(_layout.text(file), newline="")) if row] or [[]]
    for column in needed:
        if column not in head or not rows:
            raise DataError(f"{file}: the column {column} is missing; found {', '.join(head if rows else []) or 'no row'}")
    for number, row in enumerate(rows, 2):
        if len(row) > len(head):
            raise DataError(f"{file}, row {number}: more cells than columns; quote a value that holds a comma")
    filled = {place for row in rows for place, value in enumerate(row) if value.strip()}
    columns = {place: name for place, name in enumerate(head) if name.strip() or place in filled}
    _told_apart(file, list(columns.values()), used)
    return [{name: row[place].strip() if place < len(row) else "" for place, name in columns.items()} for row in rows]


def _told_apart(file: Path, head: list[str], used: set[str | None]) -> None:
    """Refuse a column that stands twice, and two that would make one group: the last would win in silence."""
    if twice := [name for name, count in Counter(head).items() if count > 1]:
        raise DataError(f"{file}: the column {twice[0]!r} stands twice; rename one of them")
    try:
        group_columns(name for name in head if name not in used)
    except ValueError as error:
        raise DataError(f"{file}: the columns {error}") from error


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
    named = group_columns(key for key in row if key not in used)
    return {named[key]: value for key, value in row.items() if key in named and value}
