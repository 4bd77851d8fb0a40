"""Reads a table of pictures: a column that names the file, others that say something about it.

Spreadsheets separate cells by what their country's settings say: a comma, a semicolon where the comma is decimal, or a tab.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from stages.core.cells import is_missing
from stages.core.errors import DataError
from stages.core.items import group_columns
from stages.parts.sources import _layout

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_NUMBER = re.compile(r"[+-]?\d+(?:,\d+)?")


def read(file: Path, needed: list[str], used: set[str | None], fence: _layout.Fence) -> list[dict[str, str]]:
    """Read a CSV with a head, its cells separated by whichever delimiter gives the head the needed columns.

    Args:
        file: the table.
        needed: columns that must be there.
        used: columns that are no groups.
        fence: what it may not lead out of.

    Raises:
        DataError: it leads out, is missing, empty or no CSV, a column is missing or stands twice, two make one group, a row
            has more cells than the head, or a group's numbers have decimal commas.
    """
    if not file.is_file():
        raise DataError(f"{file} does not exist; expected a CSV with the columns {', '.join(needed)}")
    text = fence.text(file)
    try:
        delimiter = _delimiter(text, needed)
        head, *rows = [*_rows(text, delimiter)] or [[]]
    except csv.Error as error:
        raise DataError(f"{file} cannot be read as a CSV ({error}); is a quote in it never closed?") from error
    for column in needed:
        if column not in head or not rows:
            found = f"found {', '.join(head)}, separated by {DELIMITERS[delimiter]}" if rows else "found no row"
            raise DataError(f"{file}: the column {column} is missing; {found}")
    for number, row in enumerate(rows, 2):
        if len(row) > len(head):
            told = f"more cells than columns, separated by {DELIMITERS[delimiter]}; quote a value that holds one"
            raise DataError(f"{file}, row {number}: {told}")
    filled = {place for row in rows for place, value in enumerate(row) if value.strip()}
    columns = {place: name for place, name in enumerate(head) if name.strip() or place in filled}
    _told_apart(file, list(columns.values()), used)
    _with_points(file, rows, {place: name for place, name in columns.items() if name not in used})
    return [{name: row[place].strip() if place < len(row) else "" for place, name in columns.items()} for row in rows]


def _delimiter(text: str, needed: list[str]) -> str:
    """Return what separates the cells: the first that gives the head all columns; else the one that gives most cells."""
    heads = {delimiter: next(_rows(text, delimiter), []) for delimiter in DELIMITERS}
    fits = [delimiter for delimiter, head in heads.items() if set(needed) <= set(head)]
    return fits[0] if fits else max(heads, key=lambda delimiter: len(heads[delimiter]))


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return filter(None, csv.reader(StringIO(text, newline=""), delimiter=delimiter))


def _with_points(file: Path, rows: list[list[str]], groups: dict[int, str]) -> None:
    """Refuse decimal commas: a group of such numbers would be one of words, each for itself, instead of ranges."""
    for place, name in groups.items():
        filled = {number: row[place].strip() for number, row in enumerate(rows, 2) if place < len(row)}
        cells = {number: cell for number, cell in filled.items() if not is_missing(cell)}
        comma = next((number for number, cell in cells.items() if "," in cell), None)
        if comma and all(map(_NUMBER.fullmatch, cells.values())):
            right = cells[comma].replace(",", ".")
            raise DataError(
                f"{file}, row {comma}: {name} is {cells[comma]!r}, with a decimal comma; write {right} in that column"
            )


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
