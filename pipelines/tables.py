"""Prints tables as wide as they are: a path that is broken at a terminal's edge names no file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

_WIDEST = 1_000_000  # columns; more than any row has


def show(table: "Table") -> None:
    """Print a table of which no cell is broken; a terminal that is narrower wraps whole lines, which can be copied."""
    from rich.console import Console  # noqa: PLC0415 - only where a table is shown
    from rich.measure import Measurement  # noqa: PLC0415

    wide = Console(width=_WIDEST)
    needed = Measurement.get(wide, wide.options, table).maximum
    Console(width=max(Console().width, needed)).print(table)
